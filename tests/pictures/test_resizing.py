"""Pictures of another size than a model's images."""

import numpy as np
import pytest

from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.preparation import Options, prepare_picture
from fashion_api.pictures.resizing import FITS, Resize, choose_resize, resize_in_steps
from fashion_api.settings import Settings
from fashion_api.wire.operation import finish_steps
from tests import picture_files as pictures

GREY = InputSpec(height=28, width=28)
COLOUR = InputSpec(height=20, width=30, channels=3)
PAPER = np.full((400, 300), 230, np.uint8)
PAPER[100:300, 75:225] = 30
PHOTO = pictures.exif_rotated_picture("JPEG", 6, PAPER)
"""Dark on light, which a preparation for a grey model would invert."""


@pytest.mark.parametrize(
    ("setting", "spec", "chosen"),
    [
        (None, GREY, None),
        (None, COLOUR, "fit"),
        ("refuse", COLOUR, None),
        ("stretch", GREY, "stretch"),
        ("crop", COLOUR, "crop"),
    ],
)
def test_setting_decides_and_else_the_size(setting: str | None, spec: InputSpec, chosen: Resize | None) -> None:
    """Without a setting, pictures are refused where images have 28×28 pixels, and else fitted."""
    settings = Settings(_env_file=None).model_copy(update={"resize": setting})
    assert choose_resize(settings, spec) == chosen


@pytest.mark.parametrize("spec", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("resize", FITS)
def test_picture_is_what_preparation_makes_of_it_without_inverting(resize: Resize, spec: InputSpec) -> None:
    """One function resizes, for uploads as for preparations; the picture is upright, and is not inverted."""
    image = finish_steps(resize_in_steps(PHOTO, resize, spec))
    options = Options(invert=False, fit=FITS[resize])
    expected = prepare_picture(PHOTO, options, height=spec.height, width=spec.width, channels=spec.channels)
    np.testing.assert_array_equal(image, expected.image)
    assert image.shape == spec.shape
    assert image[spec.height // 2, spec.width // 2].max() < 60
