"""What becomes of a picture that has another size than a model's images: it is refused, or resized."""

from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import Final, Literal

from fashion_api.data.fashion_mnist import FASHION_MNIST_SHAPE
from fashion_api.images import Images
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.preparation import Fit, Options, prepare_in_steps
from fashion_api.settings import Settings

Resize = Literal["fit", "stretch", "crop"]
Route = Literal["direct", "fit", "stretch", "crop"]
"""How an image came to the model's size; `direct`: it had it."""

FITS: Final[Mapping[Resize, Fit]] = MappingProxyType({"fit": "contain", "stretch": "stretch", "crop": "cover"})
"""What `Options` calls each."""


def choose_resize(settings: Settings, spec: InputSpec) -> Resize | None:
    """Give how a picture of another size than the model's is resized; `None` where it is refused.

    Pictures for a model of 28×28 pixels are refused where the settings do not say, as most need more than another size.
    """
    chosen = settings.resize or ("refuse" if spec.size == FASHION_MNIST_SHAPE else "fit")
    return None if chosen == "refuse" else chosen


def resize_in_steps(content: bytes, resize: Resize, spec: InputSpec) -> Generator[None, None, Images]:
    """Read a picture file of any size, and resize it upright, in steps as those of `prepare_in_steps`.

    Returns:
        An image of the shape `spec.shape`.

    Raises:
        UnsupportedImageError: the content is not a PNG, JPEG, GIF, BMP or WebP file.
        InvalidImageError: it is one, but too large, with several frames, or broken.
    """
    options = Options(invert=False, fit=FITS[resize])
    steps = prepare_in_steps(content, options, height=spec.height, width=spec.width, channels=spec.channels)
    return (yield from steps).image
