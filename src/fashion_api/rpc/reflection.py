"""Reflection, `grpc.reflection.v1.ServerReflection` and `v1alpha`: what services there are, and their messages."""

from collections.abc import AsyncIterator, Iterable

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from grpc_reflection.v1alpha.reflection import aio as reflection
from grpc_reflection.v1alpha.reflection_pb2 import DESCRIPTOR

from fashion_api.rpc.calls import Method, Openly, list_methods
from fashion_api.rpc.messages import POOL
from fashion_api.service.following import ModelFollower

_SERVICE = DESCRIPTOR.services_by_name["ServerReflection"]
_FIRST_VERSION, _VERSION = ".v1alpha.", ".v1."
"""They have the same messages, and clients ask for the latter first."""


def make_reflection(services: Iterable[ServiceDescriptor]) -> list[Method]:
    """Make the methods of reflection for services, those of libraries too."""
    described = (*services, _SERVICE)
    for service in described:
        POOL.Add(FileDescriptorProto.FromString(service.file.serialized_pb))
    servicer = reflection.ReflectionServicer([service.full_name for service in described], POOL)

    async def answer(_: ModelFollower, requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
        async for reply in servicer.ServerReflectionInfo(requests, None):
            yield reply

    (method,) = list_methods(_SERVICE, {"ServerReflectionInfo": Openly(answer)})
    return [method, method._replace(path=method.path.replace(_FIRST_VERSION, _VERSION))]
