"""Files that are read within a limit, written whole or not at all, and told apart by their digest."""

import errno
import hashlib
import os
import stat
import tempfile
from pathlib import Path


def sha256_hex(*contents: bytes) -> str:
    """SHA-256 of `contents`, one after the other, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, which is not held in memory, as 64 hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_file(path: Path, *, max_bytes: int, follow_links: bool = True) -> bytes:
    """Read a regular file of at most `max_bytes`; any other is refused before it is read.

    Args:
        path: the file.
        max_bytes: the most bytes that are read.
        follow_links: whether `path` may be a symbolic link, where the operating system has them.

    Raises:
        OSError: it cannot be read; it is a folder, a device, a pipe, larger, or a link that is not followed.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe would wait for its writer
    if not follow_links:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:  # it takes no opener
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        content = file.read(max_bytes + 1) if found.st_size <= max_bytes else b""
    if found.st_size > max_bytes or len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"More than {max_bytes} bytes", str(path))
    return content


def write_as_text(name: str) -> str:
    r"""Give the name of a file as text that every encoding of Unicode has: bytes that are no UTF-8 become `\udce9`."""
    return name.encode(errors="backslashreplace").decode()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, and its folder where missing, so that a reader sees the old content or the new, never a part.

    Others may read them, and only their owner may write to them, whatever the process's default is.

    Raises:
        OSError: it cannot be written; its `filename` is `path`, not that of a temporary file.
    """
    try:
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
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
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where missing, so that only their owner may write to them.

    Raises:
        OSError: one cannot be made.
    """
    for folder in reversed((path, *path.parents)):
        if not folder.exists():
            folder.mkdir(mode=0o755, exist_ok=True)
