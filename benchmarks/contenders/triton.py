"""A peer: NVIDIA's Triton, on the processor, with its Python backend and its own dynamic batching.

Its server comes in `nvidia-pytriton`, which keeps the backend's stub for each Python apart: both are brought together
in the folder TRITON_FOLDER, beside the model repository.
"""

import os
import shutil
import sys
from pathlib import Path

import pytriton

_MODEL = """name: "fashion"
backend: "python"
max_batch_size: 64
input [{ name: "image", data_type: TYPE_UINT8, dims: [28, 28, 1] }]
output [{ name: "probabilities", data_type: TYPE_FP32, dims: [10] }]
instance_group [{ kind: KIND_CPU, count: 1 }]
dynamic_batching {}
"""


def main() -> None:
    """Become the server."""
    package = Path(pytriton.__file__).parent
    server = package / "tritonserver"
    folder = Path(os.environ["TRITON_FOLDER"])
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(server / "backends", folder / "backends")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    shutil.copy(
        server / "python_backend_stubs" / version / "triton_python_backend_stub", folder / "backends" / "python"
    )
    model = folder / "models" / "fashion"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(_MODEL)
    (model / "1" / "model.py").symlink_to(Path(__file__).with_name("triton_model.py"))
    # The backend's Python looks here, and not in PYTHONPATH.
    shutil.copytree(Path(__file__).parent, model / "1" / "benchmarks" / "contenders")
    command = [
        str(server / "bin" / "tritonserver"),
        f"--model-repository={folder / 'models'}",
        f"--backend-directory={folder / 'backends'}",
        "--http-address=127.0.0.1",
        f"--http-port={os.environ['PORT']}",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={os.environ['GRPC_PORT']}",
        "--allow-metrics=false",
        "--disable-auto-complete-config",
    ]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(package.parent / "nvidia_pytriton.libs"),
        "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
    }
    os.execve(command[0], command, environment)  # noqa: S606  # our own


if __name__ == "__main__":
    main()
