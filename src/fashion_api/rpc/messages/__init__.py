"""Messages and services of the gRPC protocols, in a descriptor pool of their own (see docs/adr/0013).

`*.proto` is what they are written in. `make messages` generates `descriptors.binpb` from them, which is read here, and
`*_pb2.pyi`, the types of the modules `*_pb2`.
"""

from pathlib import Path
from types import MappingProxyType

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass


def _fill_pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(Path(__file__).with_name("descriptors.binpb").read_bytes()).file:
        pool.Add(file)
    return pool


POOL = _fill_pool()
"""All descriptors: in the default pool, they would collide with those of TensorFlow and of clients in the process."""


def list_names(module: str) -> MappingProxyType[str, object]:
    """Give what a module of messages holds, by name, as protoc's own modules hold it.

    Args:
        module: the module's name.
    """
    file = POOL.FindFileByName(f"{module.removesuffix('_pb2').replace('.', '/')}.proto")
    enums = file.enum_types_by_name.values()
    return MappingProxyType(
        {"DESCRIPTOR": file}
        | {name: GetMessageClass(descriptor) for name, descriptor in file.message_types_by_name.items()}
        | {descriptor.name: EnumTypeWrapper(descriptor) for descriptor in enums}
        | {value.name: value.number for descriptor in enums for value in descriptor.values}
    )
