"""Pictures of any size to what a model takes: upright, cropped, of the model's size; a grey one is light on black."""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from fashion_api.errors import InvalidImageError
from fashion_api.images import Images
from fashion_api.pictures.decoding import OpenedPicture, explain_damage, open_picture, recognise, to_pixels
from fashion_api.pictures.file_types import FileType
from fashion_api.pictures.orientation import find_before, find_upright, swaps_sides

Turn = Literal[0, 90, 180, 270]
Fit = Literal["contain", "cover", "stretch"]

_MAX_JPEG_PIXELS = 50 * 2**20
_MAX_PIXELS = 16 * 2**20
"""Of the other types and of CMYK, of which all pixels are decoded: to up to 16 bytes each, of a WebP."""
_MAX_COEFFICIENT_BYTES = 160 * 2**20
"""Those of a JPEG of several scans, which are in memory until the last scan was read: two bytes for each sample."""
_MAX_SCANS = 32
_MAX_COMPRESSED_BMP = 128 * 1024
"""Of its pixels and of its bytes: their decoder is in Python, and takes up to 255 times as much memory."""
_START = b"\xff\xd8"
_SCAN = b"\xff\xda"

_LEAST_SIDE = 1e-9
"""Of a crop; less than a pixel of any picture that is read, and enough to calculate with."""
_SPARE = 4
"""Averaging leaves at least so many pixels to a side for each of the model's; the resampling filter does the rest."""
_BAND_PIXELS = 128 * 1024
"""The pixels that are converted at a step: one millisecond, for which no other thread runs."""

_TURNS: Final[Mapping[Turn, Image.Transpose | None]] = {
    0: None,
    90: Image.Transpose.ROTATE_270,  # Pillow counts counterclockwise
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


class Crop(NamedTuple):
    """A part of a picture, in fractions of its width and its height."""

    x: float
    y: float
    width: float
    height: float


WHOLE: Final = Crop(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Options:
    """How a picture is to be prepared."""

    crop: Crop = WHOLE
    """Of the upright and turned picture; `check_crop` checks it."""
    turn: Turn = 0
    """Degrees clockwise, after it was turned upright."""
    invert: bool | None = None
    """`None`: where it becomes grey, and its border is lighter than its middle."""
    fit: Fit = "contain"
    """Black beside it where the aspect ratio differs, or its edges cut off, or stretched."""


@dataclass(frozen=True)
class Steps:
    """What was done to a picture."""

    upright: bool
    """Whether its EXIF data had it turned or mirrored."""
    turn: Turn
    crop: Crop
    inverted: bool
    fit: Fit


@dataclass(frozen=True)
class Prepared:
    """What a model is shown of a picture."""

    image: Images
    """uint8[height, width], or uint8[height, width, 3]"""
    source_width: int
    """Pixels of the upright and turned picture, before it was cropped."""
    source_height: int
    steps: Steps


def check_crop(crop: Crop) -> Crop:
    """Check a crop; what reaches over the edge by a rounding error is cut off.

    Raises:
        ValueError: it is not within the picture, or next to nothing of it.
    """
    x, y, width, height = crop
    if not (width > 0 and height > 0):
        raise ValueError("must have a width and a height over 0")
    if not (0 <= x < 1 and 0 <= y < 1 and x + width <= 1 + 1e-6 and y + height <= 1 + 1e-6):
        raise ValueError("must be within the picture, whose edges are at 0 and 1")
    width, height = min(width, 1 - x), min(height, 1 - y)
    if min(width, height) < _LEAST_SIDE:
        raise ValueError(f"must have a width and a height of {_LEAST_SIDE:.9f} or more")
    return Crop(x, y, width, height)


def prepare_picture(content: bytes, options: Options, *, height: int, width: int, channels: int = 1) -> Prepared:
    """Prepare a picture file for a model whose images have this size and so many channels, 1 or 3.

    Raises:
        UnsupportedImageError: the content is not a PNG, JPEG, GIF, BMP or WebP file.
        InvalidImageError: it is one, but too large, with several frames, or broken.
    """
    steps = prepare_in_steps(content, options, height=height, width=width, channels=channels)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            prepared: Prepared = end.value
            return prepared


def prepare_in_steps(
    content: bytes, options: Options, *, height: int, width: int, channels: int = 1
) -> Generator[None, None, Prepared]:
    """Prepare a picture file as `prepare_picture` does, in steps.

    The first step decodes all pixels, which may take half a second; other threads run meanwhile. All others are short.
    """
    file_type = recognise(content)
    with explain_damage(file_type):
        opened = _open(file_type, content)
        upright = find_upright(opened.exif)
        turns = [method for method in (upright, _TURNS[options.turn]) if method is not None]
        size = opened.image.size
        small = yield from _shrink(opened.image, options.crop, turns, wanted=(width, height), channels=channels)
    for method in turns:
        small = small.transpose(method)
        size = size[::-1] if swaps_sides(method) else size
    is_inverted = options.invert
    if is_inverted is None:  # of a picture in colour, it would be another thing
        is_inverted = channels == 1 and _is_dark_on_light(np.asarray(small))
    if is_inverted:
        small = Image.fromarray(255 - np.asarray(small))
    aspect = options.crop.width * size[0] / (options.crop.height * size[1])
    return Prepared(
        _fit(small, options.fit, aspect=aspect, wanted=(width, height)),
        source_width=size[0],
        source_height=size[1],
        steps=Steps(upright is not None, options.turn, options.crop, is_inverted, options.fit),
    )


def _open(file_type: FileType, content: bytes) -> OpenedPicture:
    """Open a picture file of which decoding takes bounded time and memory."""
    try:
        opened = open_picture(file_type, content)
    except Image.DecompressionBombError as error:
        raise InvalidImageError(f"the picture has more than the {_MAX_PIXELS} pixels that are read") from error
    image = opened.image
    is_jpeg = isinstance(image, JpegImageFile)
    most = _MAX_JPEG_PIXELS if is_jpeg and image.mode != "CMYK" else _MAX_PIXELS
    if math.prod(image.size) > most:
        raise InvalidImageError(
            f"the picture is {image.width}×{image.height} pixels (width×height); up to {most} pixels are read, and "
            f"{_MAX_JPEG_PIXELS} of a JPEG in colour or grey"
        )
    if isinstance(image, JpegImageFile):
        _check_scans(image, opened.content)
    is_large = max(math.prod(image.size), len(content)) > _MAX_COMPRESSED_BMP
    if is_large and image.tile and image.tile[0][0] == "bmp_rle":
        raise ValueError("a large compressed BMP")
    return opened


def _check_scans(image: JpegImageFile, content: bytes) -> None:
    """Check the cost of a JPEG whose pixels are known after its last scan only, as those of progressive ones are."""
    start = _find_first_scan(content)
    is_interleaved = content[start + 4] == image.layers
    if is_interleaved and "progressive" not in image.info:
        return
    scans = content.count(_SCAN, start)
    finest = max(across * down for _, across, down, _ in image.layer)
    samples = math.prod(image.size) * sum(across * down for _, across, down, _ in image.layer) / finest
    if scans > _MAX_SCANS or 2 * samples > _MAX_COEFFICIENT_BYTES:
        raise InvalidImageError(
            f"the picture is a progressive JPEG of {image.width}×{image.height} pixels (width×height) in {scans} "
            "scans, which takes too much to read; send it smaller, or not progressive"
        )


def _find_first_scan(content: bytes) -> int:
    """Find where the first scan of a JPEG's essentials begins; a table before it may have the same bytes."""
    at = len(_START)
    while not content.startswith(_SCAN, at):
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return at


def _shrink(
    image: ImageFile, crop: Crop, turns: Sequence[Image.Transpose], *, wanted: tuple[int, int], channels: int
) -> Generator[None, None, Image.Image]:
    """Decode a part of a picture, and average it to a small one, grey or in colour, which is yet to be turned.

    Args:
        image: is not yet decoded.
        crop: which part, of the turned picture.
        turns: how it will be turned.
        wanted: the width and height that it will be resampled to.
        channels: 1 or 3.
    """
    mode = "L" if channels == 1 else "RGB"
    box = crop.x, crop.y, crop.x + crop.width, crop.y + crop.height
    for method in reversed(turns):
        box = find_before(method, box)
        wanted = wanted[::-1] if swaps_sides(method) else wanted
    sides = box[2] - box[0], box[3] - box[1]
    least = [_SPARE * pixels for pixels in wanted]
    # Averages squares of up to 8 pixels without decoding them; drops colours, whose greys may be others when decoded.
    if isinstance(image, JpegImageFile) and image.size != wanted:
        image.draft(mode, (math.ceil(least[0] / sides[0]), math.ceil(least[1] / sides[1])))
    image.load()
    yield
    left, right = _find_pixels(box[0], box[2], image.width)
    upper, lower = _find_pixels(box[1], box[3], image.height)
    across, down = max(1, (right - left) // least[0]), max(1, (lower - upper) // least[1])
    small = Image.new(mode, (-(-(right - left) // across), -(-(lower - upper) // down)))
    rows = down * max(1, _BAND_PIXELS // (channels * down * (right - left)))
    for top in range(upper, lower, rows):
        band = image.crop((left, top, right, min(top + rows, lower)))
        small.paste(
            Image.fromarray(to_pixels(band, channels=channels)).reduce((across, down)), (0, (top - upper) // down)
        )
        yield
    return small


def _find_pixels(start: float, stop: float, size: int) -> tuple[int, int]:
    """Find the pixels, one or more, from one fraction of a side up to another."""
    first = min(round(start * size), size - 1)
    return first, max(first + 1, round(stop * size))


def _is_dark_on_light(grey: Images) -> bool:
    """Tell whether the border of uint8[height, width] is lighter than its middle."""
    height, width = grey.shape
    depth = max(1, height // 16), max(1, width // 16)
    is_border = np.ones_like(grey, dtype=bool)
    is_border[depth[0] : -depth[0], depth[1] : -depth[1]] = False
    middle = grey[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None]
    return bool(np.median(grey[is_border]) > middle.mean())


def _fit(small: Image.Image, fit: Fit, *, aspect: float, wanted: tuple[int, int]) -> Images:
    """Resample a picture, which shows something of this aspect ratio, to the wanted width and height.

    By LANCZOS, as the data set's edges are sharp. Averaging has gone most of the way, as in training's pictures.
    """
    width, height = wanted
    relative = aspect * height / width  # over 1: wider than wanted
    if fit == "contain":
        width = max(1, round(width * min(1, relative)))
        height = max(1, round(height * min(1, 1 / relative)))
    box = (0.0, 0.0, float(small.width), float(small.height))
    if fit == "cover":
        across, down = small.width * max(0, 1 - 1 / relative) / 2, small.height * max(0, 1 - relative) / 2
        box = (across, down, small.width - across, small.height - down)
    fitted = Image.new(small.mode, wanted)
    resized = small.resize((width, height), Image.Resampling.LANCZOS, box)
    fitted.paste(resized, ((wanted[0] - width) // 2, (wanted[1] - height) // 2))
    return np.asarray(fitted)
