"""Who is compared: how each is started, and what it is asked."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks import environments
from benchmarks.inputs import CACHE, FORMS, Model
from benchmarks.servers import HOST, find_free_port

CLASS_ID = re.compile(rb'"class_id": ?(\d+)')
_TENSOR_CLASS_ID = re.compile(rb'"name": ?"class_id".*?"data": ?\[(\d+)')


@dataclass(frozen=True)
class Contender:
    """One row of the tables."""

    name: str
    title: str
    package: str
    """Whose version is shown."""
    environment: str
    """The virtual environment, see benchmarks/requirements/."""
    command: Sequence[str]
    """What follows the path of the environment's Python."""
    forms: Sequence[str] = ("array",)
    answer: re.Pattern[bytes] | None = CLASS_ID
    """Finds the class ids in an answer; `None` for a floor, whose constant is as good as any."""
    open_forms: Sequence[str] = ("array",)
    """Those that are sent in the open loop."""


def _module(name: str) -> list[str]:
    return ["-m", f"benchmarks.contenders.{name}"]


SERVICE = Contender(
    "service",
    "**fashion-api**",
    "fashion-api",
    environments.SERVICE,
    ["-m", "fashion_api", "serve"],
    FORMS,
    open_forms=("array", "index"),
)
GRANIAN = replace(
    SERVICE,
    name="granian",
    title="**fashion-api** under granian",
    package="granian",
    command=[
        *("-m", "granian", "--interface", "asgi", "--workers", "1", "--runtime-threads", "1", "--no-ws"),
        *("--log-level", "warning", "fashion_api.server.asgi:app"),
    ],
    open_forms=("array",),
)
PROBED = replace(SERVICE, name="probed", command=_module("probed_service"))
IDLE = Contender("idle", "idle server", "uvloop", environments.SERVICE, _module("idle"), ("index",), None, ())
CONSTANT = Contender(
    "constant",
    "constant route",
    "fastapi",
    environments.SERVICE,
    _module("constant"),
    FORMS,
    answer=None,
    open_forms=(),
)
MLSERVER = Contender(
    "mlserver",
    "MLServer",
    "mlserver",
    "mlserver",
    ["-m", "mlserver.cli.main", "start", str(CACHE / "mlserver")],
    ("open inference",),
    _TENSOR_CLASS_ID,
    ("open inference",),
)
PEERS = (
    Contender("fair", "FastAPI + ONNX Runtime by hand", "fastapi", "fair", _module("fair")),
    Contender("litserve", "LitServe", "litserve", "litserve", _module("lit")),
    Contender(
        "bentoml",
        "BentoML",
        "bentoml",
        "bentoml",
        ["-m", "bentoml", "serve", "benchmarks.contenders.bento:Fashion", "--host", "127.0.0.1"],
    ),
    MLSERVER,
    Contender("ray", "Ray Serve", "ray", "ray", _module("ray_serve")),
    Contender("tutorial", "the tutorial's pattern (`Model.predict`)", "keras", "tutorial", _module("tutorial")),
)
LINEUP = (CONSTANT, SERVICE, GRANIAN, *PEERS)

RECORDED_ANSWERS = CACHE / "answers.json"
CONSTANT_PROTOCOLS = replace(
    CONSTANT, name="constant-protocols", title="floor over HTTP", command=_module("constant_protocols")
)
CONSTANT_GRPC = replace(
    CONSTANT, name="constant-grpc", title="floor over gRPC", package="grpcio", command=_module("constant_grpc")
)
TRITON = Contender("triton", "Triton", "nvidia-pytriton", "triton", _module("triton"))
MLSERVER_UNBATCHED = replace(
    MLSERVER,
    name="mlserver-unbatched",
    title="MLServer without batching",
    command=["-m", "mlserver.cli.main", "start", str(CACHE / "mlserver-unbatched")],
)


def make_environment(model: Model, port: int) -> Mapping[str, str]:
    """The environment variables that tell each contender its model and its port; each reads its own."""
    return {
        "PORT": str(port),
        "MODEL_ONNX": str(model.onnx),
        "MODEL_H5": str(model.h5),
        "PIXEL_SCALE": repr(model.pixel_scale),
        "FASHION_PORT": str(port),
        "FASHION_MODEL_PATH": str(model.h5),
        "FASHION_CACHE_DIR": str(CACHE),
        "FASHION_DATA_DIR": str(model.data_dir),
        "GRANIAN_HOST": HOST,
        "GRANIAN_PORT": str(port),
        "BENTOML_PORT": str(port),
        "BENTOML_DO_NOT_TRACK": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_GRPC_PORT": str(find_free_port()),
        "MLSERVER_METRICS_PORT": str(find_free_port()),
        "MLSERVER_PARALLEL_WORKERS": "0",
        "MLSERVER_DEBUG": "false",
        "RECORDED_ANSWERS": str(RECORDED_ANSWERS),
        "TRITON_FOLDER": str(CACHE / "triton"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def write_mlserver_models() -> None:
    """Write the folders that MLServer takes its model's settings from: with its adaptive batching, and without."""
    settings = {"name": "fashion", "implementation": "benchmarks.contenders.mlserver_runtime.FashionRuntime"}
    batching = {"max_batch_size": 64, "max_batch_time": 0.001}
    for name, more in (("mlserver", batching), ("mlserver-unbatched", {})):
        folder = CACHE / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model-settings.json").write_text(json.dumps({**settings, **more}))
