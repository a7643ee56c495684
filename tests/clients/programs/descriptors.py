"""Writes the descriptors of protocol buffers that modules of a client have, with all that they depend on.

usage: descriptors.py MODULE...; writes a `google.protobuf.FileDescriptorSet`.
"""

import sys
from importlib import import_module
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet


def collect(file: Any, files: FileDescriptorSet, seen: set[str]) -> None:
    """Add a file after those that it depends on."""
    if file.name in seen:
        return
    seen.add(file.name)
    for dependency in file.dependencies:
        collect(dependency, files, seen)
    file.CopyToProto(files.file.add())


if __name__ == "__main__":
    collected, names = FileDescriptorSet(), set[str]()
    for module in sys.argv[1:]:
        collect(import_module(module).DESCRIPTOR, collected, names)
    sys.stdout.buffer.write(collected.SerializeToString())
