"""Images of the model's size, and how each came to it."""

from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from fashion_api.images import Images
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.resizing import Resize, resize_in_steps
from fashion_api.wire.operation import LONG, Step

_NONE: Final[Mapping[int, Resize]] = MappingProxyType({})


class SizedImages(NamedTuple):
    """Images of one request."""

    images: Images
    """uint8[n, height, width], or uint8[n, height, width, 3]."""
    resized: Mapping[int, Resize] = _NONE
    """How those that had another size were resized, by their position."""


def resize_picture(content: bytes, resize: Resize, spec: InputSpec) -> Generator[Step, None, Images]:
    """Resize a picture file to the model's size, in steps, the first of which is long.

    Raises:
        ImageError: it cannot be read.
    """
    yield LONG
    return (yield from resize_in_steps(content, resize, spec))
