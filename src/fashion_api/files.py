"""Files that are written whole or not at all, and told apart by their digest."""

import hashlib
import os
import tempfile
from pathlib import Path


def sha256_hex(*contents: bytes) -> str:
    """SHA-256 of `contents`, one after the other, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, and its folder where missing, so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's 0600 would keep the service's own user out
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
