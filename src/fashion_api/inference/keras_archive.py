"""A `.keras` file: a zip with a model's configuration, what wrote it, and its weights.

Keras stores the three members as they are; none that is compressed is read, so that they take no more than the file.
What else the zip holds, under whatever name, is neither read nor unpacked.
"""

import io
import json
import zipfile
from dataclasses import dataclass

from fashion_api.errors import ModelError
from fashion_api.inference.keras_config import MAX_CONFIG_BYTES

SIGNATURE = b"PK\x03\x04"
MAX_MEMBERS = 1000
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MAX_METADATA_BYTES = 64 * 1024
_ENCRYPTED = 1
"""The bit of a member's flags that says so."""


@dataclass(frozen=True)
class Archive:
    """What a `.keras` file holds."""

    config: bytes
    """JSON."""
    version: str
    """The version of Keras that wrote it; empty where the file does not say."""
    weights: bytes
    """An HDF5 file."""


def read_archive(content: bytes) -> Archive:
    """Read a `.keras` file.

    Raises:
        ModelError: it is damaged, or a member is missing, compressed, encrypted, too large, or there twice.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            metadata = json.loads(_read_member(archive, _METADATA, _MAX_METADATA_BYTES))
            version = metadata.get("keras_version", "") if isinstance(metadata, dict) else ""
            config = _read_member(archive, _CONFIG, MAX_CONFIG_BYTES)
            weights = _read_member(archive, _WEIGHTS, len(content))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"it is damaged or cut short ({len(content)} bytes): {reason:.200}") from error
    return Archive(config, version if isinstance(version, str) else "", weights)


def write_archive(archive: Archive) -> bytes:
    """Give the content of a `.keras` file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(_METADATA, json.dumps({"keras_version": archive.version}))
        file.writestr(_CONFIG, archive.config)
        file.writestr(_WEIGHTS, archive.weights)
    return content.getvalue()


def _read_member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise ModelError(f"it has {len(members)} members, more than {MAX_MEMBERS}")
    found = [member for member in members if member.filename == name]
    if len(found) != 1:
        raise ModelError(f"it has {name} {len(found)} times, and a .keras file once: save it with model.save()")
    [member] = found
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & _ENCRYPTED:
        raise ModelError(f"its {name} is compressed or encrypted, which Keras never does: save it with model.save()")
    if member.file_size > max_bytes:
        raise ModelError(f"its {name} has {member.file_size} bytes, more than {max_bytes}")
    with archive.open(member) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ModelError(f"its {name} has more than {max_bytes} bytes")
    return content
