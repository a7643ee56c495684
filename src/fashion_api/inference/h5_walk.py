"""A walk over a Keras model's file, before Keras reads it: it refuses whatever a model that Keras saved does not have.

HDF5 can name other files, give one data set many names, and declare more data than a file holds. What passes holds all
of its weights, once each, in its own bytes, so that reading it takes no more memory than the file.

The walk runs in a process of its own: of a broken file, HDF5 may ask for gigabytes, never end, or crash.
"""

import io
import math
import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import h5py
import numpy as np

from fashion_api.errors import ModelError
from fashion_api.inference import keras_archive
from fashion_api.inference.keras_config import MAX_CONFIG_BYTES, MAX_LAYERS, read_config
from fashion_api.inference.model_process import run_as_child

MAX_OBJECTS = 10_000
MAX_DEPTH = 32
MAX_ATTRIBUTES = 100
MAX_ATTRIBUTE_BYTES = 1 << 30
"""The most memory that one attribute may take; HDF5 reads the variable-length text of an attribute all at once."""

_CONFIG = "model_config"
_WEIGHTS = "model_weights"
_VERSION = "keras_version"
_TEXT, _NUMBERS = h5py.h5t.STRING, (h5py.h5t.INTEGER, h5py.h5t.FLOAT)
_BROKEN = (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError, MemoryError)
"""What HDF5 and h5py raise for broken files."""
_HEAP = re.compile(rb"GCOL\x01...(.{8})", re.DOTALL)
_HEAP_OBJECT = struct.Struct("<H6xQ")
_HEAP_ALIGNMENT = 8


def check_model(content: bytes) -> None:
    """Check the whole of a model's file: the objects in it, their attributes, the model's configuration, the weights.

    Args:
        content: a `.h5`, or a `.keras` with its weights in one.

    Raises:
        ModelError: it is damaged, is no Keras model, or has what such a model does not; the message says what.
    """
    if content.startswith(keras_archive.SIGNATURE):
        archive = keras_archive.read_archive(content)
        read_config(archive.config, archive.version)
        _check_h5(archive.weights, _check_weights)
    else:
        _check_h5(content, _check_saved_model)


def _check_h5(content: bytes, check: Callable[[h5py.File], None]) -> None:
    try:
        with h5py.File(io.BytesIO(content)) as file:
            _check_objects(file, content)
            check(file)
    except ModelError:
        raise
    except _BROKEN as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"it is damaged or cut short ({len(content)} bytes): {reason:.200}") from error


def _check_objects(file: h5py.File, content: bytes) -> None:
    if file.id.get_create_plist().get_sizes() != (8, 8):
        raise ModelError("its addresses and lengths are not of 8 bytes")
    heap_bytes = _measure_heap(content)
    data_bytes = 0
    for item in _walk(file):
        _check_attributes(item, heap_bytes)
        if isinstance(item, h5py.Dataset):
            data_bytes += _check_data_set(item)
            if data_bytes > len(content):
                raise ModelError(f"it declares {data_bytes} bytes of data or more, in a file of {len(content)}")


def _check_saved_model(file: h5py.File) -> None:
    """Check the configuration and the weights of a `.h5` that holds both."""
    if _CONFIG not in file.attrs or _WEIGHTS not in file:
        raise ModelError("it holds no Keras model: save it with model.save(), not model.save_weights()")
    read_h5_config(file)
    _check_names(file[_WEIGHTS])
    _check_weights(file[_WEIGHTS])


def _check_weights(weights: h5py.Group) -> None:
    for item in _walk(weights):
        if isinstance(item, h5py.Dataset) and not np.isfinite(item[()]).all():
            raise ModelError(f"its weights {item.name!r:.100} are not all finite numbers")


def read_h5_config(file: h5py.File) -> dict[str, Any]:
    """Read the configuration of a model from its `.h5`, migrated to Keras 3 and checked.

    Raises:
        ModelError: it is no text, or none of a model that is served.
    """
    return read_config(_read_text(file, _CONFIG), read_version(file))


def read_version(file: h5py.File) -> str:
    """Read the version of Keras that wrote a `.h5`; empty where it does not say."""
    return _read_text(file, _VERSION).decode(errors="replace") if _VERSION in file.attrs else ""


def _read_text(file: h5py.File, name: str) -> bytes:
    value = file.attrs[name]
    if not isinstance(value, (str, bytes)):
        raise ModelError("its configuration is no text" if name == _CONFIG else f"its {name} is no text")
    return value.encode() if isinstance(value, str) else value


def _walk(root: h5py.Group) -> Iterator[h5py.Group | h5py.Dataset]:
    """Give a group and all objects below it; each has one name, and is in this file."""
    seen: set[int] = set()
    waiting = [(root, 1)]
    while waiting:
        item, depth = waiting.pop()
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            raise ModelError(f"it has several names for one object, {item.name!r:.100} among them")
        seen.add(address)
        yield item
        if not isinstance(item, h5py.Group):
            continue
        if len(seen) + len(waiting) + len(item) > MAX_OBJECTS:
            raise ModelError(f"it has more than {MAX_OBJECTS} objects")
        if depth > MAX_DEPTH:
            raise ModelError(f"its groups are nested more than {MAX_DEPTH} deep")
        waiting.extend((_open(item, name), depth + 1) for name in item)


def _open(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    kind = group.get(name, getclass=True, getlink=True)
    if kind is not h5py.HardLink:
        raise ModelError(f"it has a link, {f'{group.name}/{name}'!r:.100}, to another place or file")
    item = group[name]
    if not isinstance(item, (h5py.Group, h5py.Dataset)):
        raise ModelError(f"it has a data type of its own, {item.name!r:.100}")
    return item


def _check_data_set(item: h5py.Dataset) -> int:
    """Check that a data set is of plain numbers, all of them in this file, and give its size in bytes."""
    layout, data_type = item.id.get_create_plist(), item.id.get_type()
    if layout.get_layout() == h5py.h5d.VIRTUAL or layout.get_external_count():
        raise ModelError(f"its data set {item.name!r:.100} takes its data from elsewhere")
    if data_type.get_class() not in _NUMBERS or item.shape is None:
        raise ModelError(f"its data set {item.name!r:.100} is not of numbers")
    if layout.get_nfilters():
        raise ModelError(f"its data set {item.name!r:.100} is compressed: unpack it with `h5repack -f NONE`")
    declared: int = math.prod(item.shape) * data_type.get_size()
    if item.id.get_storage_size() < declared:
        raise ModelError(f"its data set {item.name!r:.100} declares {declared} bytes, and does not have them")
    return declared


def _check_attributes(item: h5py.Group | h5py.Dataset, heap_bytes: int) -> None:
    """Check that the attributes of an object are text or numbers that fit into memory, before any is read."""
    if h5py.h5a.get_num_attrs(item.id) > MAX_ATTRIBUTES:
        raise ModelError(f"{item.name!r:.100} has more than {MAX_ATTRIBUTES} attributes")
    for name in item.attrs:
        attribute = item.attrs.get_id(name)
        kind = attribute.get_type()
        if kind.get_class() != _TEXT and kind.get_class() not in _NUMBERS:
            raise ModelError(f"its attribute {name!r:.60} is neither text nor numbers")
        has_any_length = isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str()
        size = heap_bytes if has_any_length else kind.get_size()
        if math.prod(attribute.shape or ()) * size > MAX_ATTRIBUTE_BYTES:
            raise ModelError(f"its attribute {name!r:.60} may take more than {MAX_ATTRIBUTE_BYTES} bytes")
        if name == _CONFIG and not has_any_length and size > MAX_CONFIG_BYTES:
            raise ModelError(f"its configuration has {size} bytes, more than {MAX_CONFIG_BYTES}")
        item.attrs[name]  # what cannot be read here could not be read by Keras either


def _measure_heap(content: bytes) -> int:
    """Give an upper bound of the length of a text of variable length: the size of the largest global heap.

    Attributes refer to texts in such heaps, and any number of them may refer to the same one. HDF5 reads a heap for
    ever where a free space has no bytes. See "Global Heap" in
    https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html.
    """
    most = 0
    for match in _HEAP.finditer(content):
        size = min(int.from_bytes(match[1], "little"), len(content))
        _check_heap(content, match.end(), match.start() + size)
        most = max(most, size)
    return most


def _check_heap(content: bytes, at: int, end: int) -> None:
    """Check that each object of a global heap ends after it begins: HDF5 reads one that does not for ever."""
    end = min(end, len(content))
    while at + _HEAP_OBJECT.size <= end:
        index, size = _HEAP_OBJECT.unpack_from(content, at)
        if index:  # else the rest is free, and the size includes this head
            size += _HEAP_OBJECT.size + -size % _HEAP_ALIGNMENT
        if not _HEAP_OBJECT.size <= size <= end - at:
            raise ModelError("its global heap is damaged")
        at += size


def _check_names(weights: h5py.Group) -> None:
    """Check that the names that Keras reads the weights by are paths within their group, each given once."""
    layers = _read_names(weights, "layer_names")
    if len(layers) > MAX_LAYERS:
        raise ModelError(f"it has the weights of {len(layers)} layers, more than {MAX_LAYERS}")
    groups = [name for name in (*layers, "top_level_model_weights") if name in weights]
    names = [name for name in groups if isinstance(weights[name], h5py.Group)]
    paths = [f"{name}/{weight}" for name in names for weight in _read_names(weights[name], "weight_names")]
    for path in (*layers, *paths):
        if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):  # HDF5 reads up to a NUL
            raise ModelError(f"its weights {path!r:.100} are named by no plain path")
    for kind in (layers, paths):
        if len(set(kind)) != len(kind):
            raise ModelError("it names the same data set, or the same layer, more than once")


def _read_names(group: h5py.Group, name: str) -> list[str]:
    """Read a list of names as Keras does: from one attribute or, where that was too long, from several."""
    parts = [name] if name in group.attrs else [part for part in group.attrs if re.fullmatch(rf"{name}\d+", part)]
    lists = [group.attrs[part] for part in parts]
    if any(np.ndim(names) != 1 for names in lists):  # of a text, Keras takes each character for a name
        raise ModelError(f"its attribute {name!r} is no list of names")
    values = [value for names in lists for value in names]
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _check_as_child(content: bytes, _: Sequence[str]) -> bytes:
    check_model(content)
    return b""


if __name__ == "__main__":
    sys.exit(run_as_child(_check_as_child))
