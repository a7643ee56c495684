"""The data set of the settings, with what reads its folders of pictures, as serving reads pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fashion_api.data.dataset import DataSource
from fashion_api.errors import WrongSizeError
from fashion_api.images import Images
from fashion_api.pictures.decoding import decode_image, explain_damage, open_picture, recognise
from fashion_api.pictures.orientation import find_upright, swaps_sides
from fashion_api.pictures.preparation import Fit, Options, prepare_picture
from fashion_api.pictures.resizing import FITS
from fashion_api.settings import Settings

_GREY_MODES: Final = frozenset(("1", "L", "LA", "I", "I;16"))


def find_data_set(
    settings: Settings, *, labels: tuple[str, ...] | None = None, shape: Sequence[int] | None = None
) -> DataSource:
    """List the places of the settings' data set; `labels` and `shape` are a model's, where it has its own.

    Its pictures of another size than the images are resized as FASHION_RESIZE says; `refuse`, which is meant for
    callers' pictures, makes them `fit`.
    """
    resize = "fit" if settings.resize is None or settings.resize == "refuse" else settings.resize
    return DataSource.from_settings(settings, labels=labels, shape=shape, pictures=LabelledPictures(FITS[resize]))


@dataclass(frozen=True)
class LabelledPictures:
    """Reads the pictures of a data set; none is inverted."""

    fit: Fit
    """What is done where a picture has another aspect ratio."""

    def measure(self, content: bytes) -> tuple[int, ...]:
        """Give the shape of the upright picture, by its header: (height, width), or (height, width, 3) in colour.

        Raises:
            ImageError: it is no picture that is read.
        """
        file_type = recognise(content)
        with explain_damage(file_type):
            opened = open_picture(file_type, content)
            width, height = opened.image.size
            turn = find_upright(opened.exif)
            if turn is not None and swaps_sides(turn):
                width, height = height, width
            return (height, width) if opened.image.mode in _GREY_MODES else (height, width, 3)

    def read(self, content: bytes, shape: tuple[int, ...]) -> Images:
        """Read a picture as uint8 of this shape, resized where it has another size.

        Raises:
            ImageError: it is no picture that is read.
        """
        height, width, channels = (*shape, 1)[:3]
        try:
            return decode_image(content, height=height, width=width, channels=channels)
        except WrongSizeError:
            options = Options(invert=False, fit=self.fit)
            return prepare_picture(content, options, height=height, width=width, channels=channels).image
