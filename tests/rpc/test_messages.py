"""The messages: generated from their `.proto`, and in a descriptor pool of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

from fashion_api.rpc import messages
from fashion_api.rpc.messages import open_inference_pb2, tensorflow_pb2, tensorflow_serving_pb2

FOLDER = Path(messages.__file__).parent
SOURCE = FOLDER.parents[2]
PROTOS = sorted(FOLDER.glob("*.proto"))


def test_the_generated_code_is_that_of_the_protos(tmp_path: Path) -> None:
    """`make messages` would change nothing."""
    descriptors = tmp_path / "descriptors.binpb"
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={SOURCE}", "--include_imports"),
        *(f"--pyi_out={tmp_path}", f"--descriptor_set_out={descriptors}", *map(str, PROTOS)),
    ]
    subprocess.run(command, check=True)  # noqa: S603  # our own command
    assert descriptors.read_bytes() == (FOLDER / "descriptors.binpb").read_bytes()
    for path in PROTOS:
        name = f"{path.stem}_pb2.pyi"
        assert (tmp_path / FOLDER.relative_to(SOURCE) / name).read_text() == (FOLDER / name).read_text()


@pytest.mark.parametrize("module", [open_inference_pb2, tensorflow_pb2, tensorflow_serving_pb2])
def test_a_module_has_what_its_types_say(module: object) -> None:
    """Every message, every enumeration and every value."""
    stub = (FOLDER / f"{str(module.__name__).rpartition('.')[2]}.pyi").read_text()  # type: ignore[attr-defined]  # a module
    names = [line.partition("(")[0].removeprefix("class ") for line in stub.splitlines() if line.startswith("class ")]
    assert names
    for name in names:
        assert hasattr(module, name)


CODE = """
from google.protobuf import descriptor_pb2, descriptor_pool

def add(name, package, message):  # as a client's own modules do
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package)
    file.message_type.add(name=message).field.add(name="other", number=1, type=9, label=1)
    descriptor_pool.Default().Add(file)

add("grpc_service.proto", "inference", "ModelInferRequest")
add("tensorflow_serving/apis/predict.proto", "tensorflow.serving", "PredictRequest")
from fashion_api.rpc import server
import tensorflow
from fashion_api.rpc.messages import open_inference_pb2, tensorflow_pb2

theirs = tensorflow.make_tensor_proto([[1.0, 2.0]])
ours = tensorflow_pb2.TensorProto.FromString(theirs.SerializeToString())
assert type(ours) is not type(theirs)
assert ours.SerializeToString() == theirs.SerializeToString()
assert open_inference_pb2.ModelInferRequest(model_name="x").model_name == "x"
"""


@pytest.mark.tensorflow
def test_they_stand_beside_those_of_tensorflow_and_of_clients() -> None:
    """In one process, whichever comes first."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", CODE], check=True)  # noqa: S603  # our own code
