"""The messages of the gRPC protocols are those of the clients: each field's name, number and type, and each method."""

import os
import subprocess
from collections.abc import Collection, Iterator, Sequence

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from fashion_api.rpc.messages import POOL
from tests.clients.environments import HERE, find_python

pytestmark = pytest.mark.clients

OPEN_INFERENCE = "fashion_api/rpc/messages/open_inference.proto"
TENSORFLOW = "fashion_api/rpc/messages/tensorflow.proto"
TENSORFLOW_SERVING = "fashion_api/rpc/messages/tensorflow_serving.proto"

TRITON = ("tritonclient.grpc.service_pb2",)
KSERVE = ("kserve.protocol.grpc.grpc_predict_v2_pb2",)
MLSERVER = ("mlserver.grpc.dataplane_pb2", "mlserver.grpc.model_repository_pb2")
SERVING = tuple(
    f"tensorflow_serving.apis.{name}_pb2" for name in ("prediction_service", "model_service", "get_model_metadata")
)


def read_pool(environment: str, modules: Sequence[str]) -> DescriptorPool:
    """Give the descriptors that a client's modules have."""
    python, variables = find_python(environment)
    command = [str(python), str(HERE / "programs" / "descriptors.py"), *modules]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, check=False)  # noqa: S603  # our own
    assert done.returncode == 0, done.stderr.decode()
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(done.stdout).file:
        pool.Add(file)
    return pool


def list_messages(messages: Collection[Descriptor]) -> Iterator[Descriptor]:
    """Give messages, and those that are declared in them."""
    for message in messages:
        yield message
        yield from list_messages(message.nested_types)


def describe_field(field: FieldDescriptor) -> tuple[object, ...]:
    """Give what of a field is seen on the wire, and the names by which programs reach it."""
    # Of an enumeration its numbers are seen; the name of the type may be another.
    of = field.message_type.full_name if field.message_type is not None else None
    choice = field.containing_oneof.name if field.containing_oneof is not None else None
    return field.number, field.type, field.is_repeated, of, choice


def describe_methods(service: ServiceDescriptor) -> dict[str, tuple[object, ...]]:
    """Give the messages of each method, and which are streams."""
    return {
        method.name: (
            method.input_type.full_name,
            method.client_streaming,
            method.output_type.full_name,
            method.server_streaming,
        )
        for method in service.methods
    }


class Comparison:
    """What differs between the messages of one of our files and a client's."""

    def __init__(self, file: str, theirs: DescriptorPool) -> None:
        self.missing: list[str] = []
        """Messages and fields that the client does not have."""
        self.others: list[str] = []
        """Fields and numbers that it has otherwise."""
        for message in list_messages(POOL.FindFileByName(file).message_types_by_name.values()):
            try:
                self._compare(message, theirs.FindMessageTypeByName(message.full_name))
            except KeyError:
                self.missing.append(message.full_name)

    def _compare(self, ours: Descriptor, theirs: Descriptor) -> None:
        for field in ours.fields:
            other = theirs.fields_by_name.get(field.name)
            if other is None:
                self.missing.append(field.full_name)
            elif describe_field(field) != describe_field(other):
                self.others.append(f"{field.full_name}: {describe_field(field)}, {describe_field(other)}")
            elif field.enum_type is not None and other.enum_type is not None:
                self.others += find_other_numbers(field.enum_type, other.enum_type)


def find_other_numbers(ours: EnumDescriptor, theirs: EnumDescriptor) -> list[str]:
    """Say which names have another number in the client's enumeration, or none."""
    numbers = {value.name: value.number for value in theirs.values}
    return [f"{ours.full_name}.{value.name}" for value in ours.values if numbers.get(value.name) != value.number]


@pytest.mark.parametrize(
    ("environment", "modules", "files"),
    [
        ("tritonclient", TRITON, [OPEN_INFERENCE]),
        ("tensorflow-serving", SERVING, [TENSORFLOW, TENSORFLOW_SERVING]),
    ],
    ids=["tritonclient", "tensorflow-serving"],
)
def test_messages_are_the_clients(environment: str, modules: Sequence[str], files: Sequence[str]) -> None:
    """The client has every message and every field, with the same number and type."""
    theirs = read_pool(environment, modules)
    for file in files:
        found = Comparison(file, theirs)
        assert (found.missing, found.others) == ([], [])


@pytest.mark.parametrize(
    ("environment", "modules"), [("kserve", KSERVE), ("mlserver", MLSERVER)], ids=["kserve", "mlserver"]
)
def test_messages_contradict_no_client(environment: str, modules: Sequence[str]) -> None:
    """Clients that know less than Triton's read and write in the same places; but KServe's calls to load a model."""
    found = Comparison(OPEN_INFERENCE, read_pool(environment, modules))
    assert [other for other in found.others if not other.startswith("inference.RepositoryModel")] == []
    assert not [name for name in found.missing if name.startswith(("inference.ModelInfer", "inference.ModelMetadata"))]


def test_calls_are_all_of_triton() -> None:
    """The service has each of the client's methods, with its messages and streams, and no other."""
    theirs = read_pool("tritonclient", TRITON).FindServiceByName("inference.GRPCInferenceService")
    assert describe_methods(POOL.FindServiceByName(theirs.full_name)) == describe_methods(theirs)


@pytest.mark.parametrize(
    ("environment", "modules"), [("kserve", KSERVE), ("mlserver", MLSERVER[:1])], ids=["kserve", "mlserver"]
)
def test_calls_are_of_other_clients_too(environment: str, modules: Sequence[str]) -> None:
    """The service has each method of clients that know fewer; but MLServer's stream, which has other messages."""
    theirs = describe_methods(read_pool(environment, modules).FindServiceByName("inference.GRPCInferenceService"))
    theirs.pop("ModelStreamInfer", None)
    assert theirs.items() <= describe_methods(POOL.FindServiceByName("inference.GRPCInferenceService")).items()


def test_calls_are_of_tensorflow_serving() -> None:
    """The services have methods of TensorFlow Serving's, with their messages."""
    theirs = read_pool("tensorflow-serving", SERVING)
    for name in ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"):
        ours = describe_methods(POOL.FindServiceByName(name))
        assert ours
        assert ours.items() <= describe_methods(theirs.FindServiceByName(name)).items()
