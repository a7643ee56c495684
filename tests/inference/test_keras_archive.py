"""`.keras` files: what is read of them, and what is refused before Keras sees it."""

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fashion_api.errors import ModelError
from fashion_api.files import sha256_hex
from fashion_api.inference.h5_walk import check_model
from fashion_api.inference.keras_archive import read_archive
from fashion_api.inference.model_file import read_model_file
from fashion_api.settings import Settings
from tests.inference.hostile_models import make_config

LAMBDA = {"class_name": "Lambda", "module": "keras.layers", "config": {"name": "code", "function": {}}}


def make_weights(change: Callable[[h5py.File], None] = lambda _: None) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((20, 3), np.float32)
        change(file)
    return content.getvalue()


def put_nan(file: h5py.File) -> None:
    file["layers/dense/vars/0"][0, 0] = np.nan


def link_away(file: h5py.File) -> None:
    file["layers/other"] = h5py.ExternalLink("/etc/passwd", "/")


MEMBERS: dict[str, bytes] = {
    "metadata.json": json.dumps({"keras_version": "3.3.3"}).encode(),
    "config.json": json.dumps(make_config()).encode(),
    "model.weights.h5": make_weights(),
}


def make_archive(*more: tuple[str, bytes], compression: int = zipfile.ZIP_STORED, **changes: Any) -> bytes:  # noqa: ANN401  # bytes or None
    """A `.keras` file; `changes` are members by the first word of their names, or None for none."""
    content = io.BytesIO()
    members = {name: changes.get(name.partition(".")[0], content) for name, content in MEMBERS.items()}
    with zipfile.ZipFile(content, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, member in (*members.items(), *more):
            if member is not None:
                archive.writestr(name, member)
    return content.getvalue()


def set_flag(flag: int) -> bytes:
    """An archive that says of its members that they have a flag."""
    content = bytearray(make_archive())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= flag
            at = content.find(signature, at + 1)
    return bytes(content)


def claim_size(size: int) -> bytes:
    """An archive whose directory says that its weights have another size."""
    content = bytearray(make_archive())
    at = content.rfind(b"PK\x01\x02")  # the last member's
    content[at + 20 : at + 28] = size.to_bytes(4, "little") * 2
    return bytes(content)


HOSTILE = {
    "no configuration": (make_archive(config=None), r"it has config\.json 0 times"),
    "no weights": (make_archive(model=None), r"it has model\.weights\.h5 0 times"),
    "weights in a folder": (
        make_archive(("x/model.weights.h5", b""), model=None),
        r"it has model\.weights\.h5 0 times",
    ),
    "two configurations": (make_archive(("config.json", b"{}")), r"it has config\.json 2 times"),
    "compressed": (make_archive(compression=zipfile.ZIP_DEFLATED), "compressed or encrypted"),
    "bomb": (
        make_archive(model=b"\0" * 10_000_000, compression=zipfile.ZIP_DEFLATED),
        "compressed or encrypted, which Keras never does",
    ),
    "encrypted": (set_flag(1), "compressed or encrypted"),
    "size beyond the file": (claim_size(2**31), r"model\.weights\.h5 has 2147483648 bytes, more than"),
    "size of other bytes": (claim_size(100), "damaged or cut short"),
    "long configuration": (make_archive(config=b" " * 5_000_000), r"config\.json has 5000000 bytes, more than 4194304"),
    "long metadata": (make_archive(metadata=b" " * 100_000), r"metadata\.json has 100000 bytes, more than 65536"),
    "deep metadata": (make_archive(metadata=b"[" * 50_000), "damaged or cut short"),
    "members": (make_archive(*((f"assets/{number}", b"") for number in range(1000))), "1003 members, more than 1000"),
    "half": (make_archive()[:2000], "damaged or cut short"),
    "code": (make_archive(config=json.dumps(make_config(LAMBDA)).encode()), "it has 'Lambda', its layer 'code'"),
    "weights that are no HDF5": (make_archive(model=b"weights"), "damaged or cut short"),
    "weights that are no numbers": (make_archive(model=make_weights(put_nan)), "not all finite numbers"),
    "weights elsewhere": (make_archive(model=make_weights(link_away)), "it has a link, .*to another place or file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive_is_refused_with_its_reason(name: str) -> None:
    """A `.keras` file with something that Keras does not write is refused, and the message says what it is."""
    content, reason = HOSTILE[name]
    with pytest.raises(ModelError, match=reason):
        check_model(content)


def test_plain_archive_passes() -> None:
    """The archive that the hostile ones are made from passes."""
    check_model(make_archive())


def test_other_members_are_not_read() -> None:
    """Members of other names, which would lead out of a folder for example, change nothing."""
    more = ("../../evil.py", b"raise SystemExit"), ("/etc/passwd", b"root"), ("assets/words.txt", b"word")
    assert read_archive(make_archive(*more)) == read_archive(make_archive())


@pytest.mark.parametrize("metadata", [b"[]", b"{}", b'{"keras_version": 3}'])
def test_archive_that_does_not_name_its_version_is_read(metadata: bytes) -> None:
    """What wrote an archive may be missing."""
    assert read_archive(make_archive(metadata=metadata)).version == ""


def test_version_of_an_archive_is_its_digest(tmp_path: Path) -> None:
    """A `.keras` file is read as a model's file, whose digest is that of all its bytes."""
    path = tmp_path / "model.keras"
    path.write_bytes(make_archive())
    file = read_model_file(Settings(_env_file=None, model_path=path))
    assert file.sha256 == sha256_hex(path.read_bytes())
    assert file.name == "model"
