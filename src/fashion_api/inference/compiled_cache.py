"""The cache of compiled models: each with its digest, in a folder that no other user may write to.

The digest tells of damage and of mix-ups. Who may write to the folder may write both files; that is why others may not.
A compiled form may also lie beside its `.h5`: who may write there may exchange the `.h5` as well.
"""

import contextlib
import logging
import os
import shlex
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fashion_api.errors import DamagedModelError, ModelError, UncompiledModelError
from fashion_api.files import make_folder, read_file, sha256_hex, write_atomically
from fashion_api.inference.compiler import COMPILER_VERSION, compile_in_child
from fashion_api.inference.keras_engine import INSTALL_TENSORFLOW, has_tensorflow
from fashion_api.inference.model_file import ModelFile
from fashion_api.inference.onnx_graph import check_graph

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 900
"""The longest wait for another process that compiles the same model."""
_MAX_GROWTH = 4
"""The most times that a compiled form may be larger than its `.h5`."""
_MAX_OVERHEAD_BYTES = 16 * 1024 * 1024
_RECORD_WORDS = 4
_DECLARED_DIGITS = 16
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH

Build = Callable[..., bytes]
"""Builds the compiled form of a `.h5`; takes what `compiler.compile_in_child` takes."""


def compiled_path(file: ModelFile, cache_dir: Path) -> Path:
    """Give the path of a model's compiled form in the cache; its name tells all that it is built from."""
    return cache_dir / "compiled" / f"{_identify(file)}.onnx"


def _identify(file: ModelFile) -> str:
    declared = sha256_hex(f"{file.declared.identity} {file.temperature!r}".encode())
    return f"{file.sha256}-declared-{declared[:_DECLARED_DIGITS]}-v{COMPILER_VERSION}"


def shipped_path(model_path: Path) -> Path:
    """Give the path of the compiled form beside a `.h5`."""
    return model_path.with_suffix(".onnx")


def digest_path(path: Path) -> Path:
    """Give the path of the digest of a compiled form, in the format of `sha256sum`."""
    return path.with_name(f"{path.name}.sha256")


def compile_cached(file: ModelFile, cache_dir: Path, *, build: Build = compile_in_child) -> bytes:
    """Give the compiled form of a model from the cache; if none is there that can be used, build it.

    If several processes ask at the same time, one builds it and the others wait.

    Args:
        file: the model.
        cache_dir: where the compiled form is kept.
        build: builds it.

    Raises:
        UncompiledModelError: there is none, and TensorFlow is not installed.
        ModelError: it cannot be built; says why, and what to do.
    """
    lack = "it has no compiled form yet"
    readers: tuple[tuple[Path, Callable[[], bytes | None]], ...] = (
        (compiled_path(file, cache_dir), lambda: read_compiled(file, cache_dir)),
        (shipped_path(file.path), lambda: read_shipped(file)),
    )
    for path, read in readers:
        try:
            compiled = read()
        except DamagedModelError as error:
            lack = f"its compiled form {path} cannot be used: {error}"
            logger.warning(lack)
        else:
            if compiled is not None:
                return compiled
    folder = compiled_path(file, cache_dir).parent
    if not has_tensorflow():
        model, output = shlex.quote(str(file.path)), shlex.quote(str(shipped_path(file.path)))
        raise UncompiledModelError(
            f"{lack}; TensorFlow, which builds it, is not installed: either run `fashion-api compile {model} --output "
            f"{output}` where it is and bring both files along, or {INSTALL_TENSORFLOW}"
        )
    try:
        with _lock(file, cache_dir):
            with contextlib.suppress(DamagedModelError):  # it was logged
                compiled = read_compiled(file, cache_dir)  # another process may have built it while this one waited
            return _build(file, cache_dir, build) if compiled is None else compiled
    except OSError as error:
        raise ModelError(
            f"its compiled form cannot be kept in {folder}: {error.strerror}; set FASHION_CACHE_DIR to a folder that "
            "can be written to, or run `fashion-api compile` with it beforehand"
        ) from error


def _build(file: ModelFile, cache_dir: Path, build: Build) -> bytes:
    logger.info("compiling the model, once, with TensorFlow")
    started = time.perf_counter()
    compiled = build(file.content, file.declared, temperature=file.temperature)
    path = compiled_path(file, cache_dir)
    write_atomically(path, compiled)
    write_atomically(digest_path(path), f"{sha256_hex(compiled)}  {path.name}\n".encode())
    logger.info("compiled in %.1f s", time.perf_counter() - started)
    return compiled


def read_compiled(file: ModelFile, cache_dir: Path) -> bytes | None:
    """Read a model's compiled form, and check it; `None` where there is none, or none with a digest.

    Raises:
        DamagedModelError: it is not the one that was built; the message says what is wrong with it.
        ModelError: it cannot be read, or others may write to the cache.
    """
    path = compiled_path(file, cache_dir)
    try:
        _check_folders(path.parent, cache_dir)
        digest = read_file(digest_path(path), max_bytes=1024, follow_links=False).split(maxsplit=1)
        compiled = read_file(path, max_bytes=_find_max_bytes(file), follow_links=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(
            f"its compiled form {error.filename} cannot be read: {error.strerror}; remove it, or set FASHION_CACHE_DIR"
        ) from error
    _check_compiled(compiled, digest[0] if digest else b"")
    return compiled


def read_shipped(file: ModelFile) -> bytes | None:
    """Read the compiled form beside a `.h5`, and check it; `None` where there is none, or none with a record.

    Raises:
        DamagedModelError: it is not the one that was built, or was built from another model.
        ModelError: it cannot be read.
    """
    path = shipped_path(file.path)
    try:
        record = read_file(digest_path(path), max_bytes=1024).decode("ascii", "replace").split()
        compiled = read_file(path, max_bytes=_find_max_bytes(file))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"its compiled form {error.filename} cannot be read: {error.strerror}; remove it") from error
    if len(record) < _RECORD_WORDS or record[1] != _identify(file):
        raise DamagedModelError("it was built from another model, or by another version")
    _check_compiled(compiled, record[2].encode())
    return compiled


def write_shipped(file: ModelFile, compiled: bytes, path: Path) -> None:
    """Write the compiled form of a model to `path`, and beside it the record of what it was built from.

    The record is in the format of `sha256sum`, to which its first line is a comment.

    Raises:
        OSError: it cannot be written.
    """
    write_atomically(path, compiled)
    write_atomically(digest_path(path), f"# {_identify(file)}\n{sha256_hex(compiled)}  {path.name}\n".encode())


def _find_max_bytes(file: ModelFile) -> int:
    return _MAX_GROWTH * len(file.content) + _MAX_OVERHEAD_BYTES


def _check_compiled(compiled: bytes, digest: bytes) -> None:
    if digest != sha256_hex(compiled).encode():
        raise DamagedModelError("it does not have the digest that was kept with it")
    check_graph(compiled)


@contextlib.contextmanager
def _lock(file: ModelFile, cache_dir: Path) -> Iterator[None]:
    """Hold the lock of a model's compiled form, which the operating system releases however the process ends.

    Raises:
        ModelError: others may write to the cache, or another process holds the lock for too long.
        OSError: the lock cannot be made; a link in its place is not followed.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415  # a start with a compiled model needs no lock

    path = compiled_path(file, cache_dir).with_suffix(".lock")
    make_folder(path.parent)
    _check_folders(path.parent, cache_dir)
    try:
        with FileLock(path, timeout=LOCK_TIMEOUT_S, mode=0o644):
            yield
    except Timeout:
        raise ModelError(f"another process has been compiling it for {LOCK_TIMEOUT_S} s, and holds {path}") from None


def _check_folders(*folders: Path) -> None:
    """Check that only the superuser and the user of this process may write to these folders.

    Raises:
        ModelError: others may; the message says which folder, and what to do.
        OSError: one is not there.
    """
    if not hasattr(os, "geteuid"):  # Windows, where the mode says nothing of other users
        return
    for folder in folders:
        found = folder.stat()
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            continue
        if found.st_uid not in (0, os.geteuid()):
            raise ModelError(
                f"the cache {folder} belongs to another user, who could exchange what is in it: set FASHION_CACHE_DIR "
                "to a folder of your own"
            )
        if found.st_mode & _OTHERS_MAY_WRITE:
            raise ModelError(
                f"other users may write to the cache {folder}, and exchange what is in it: run `chmod go-w {folder}`, "
                "or set FASHION_CACHE_DIR to a folder of your own"
            )
