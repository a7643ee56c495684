"""Pictures in colour, each channel by the preparation of grey ones."""

import numpy as np
from PIL import Image

from fashion_api.images import Images
from fashion_api.pictures.decoding import explain_damage, open_picture, recognise
from fashion_api.pictures.encoding import encode_png
from fashion_api.pictures.orientation import turn_upright
from fashion_api.pictures.preparation import Fit, prepare_picture


def read_colours(content: bytes, *, height: int, width: int, fit: Fit) -> Images:
    """Read a picture as uint8[height, width, 3], transparent parts over black."""
    file_type = recognise(content)
    with explain_damage(file_type):
        opened = open_picture(file_type, content)
        opened.image.load()
        image = turn_upright(opened.image, opened.exif).convert("RGBA")
        black = Image.new("RGBA", image.size, "black")
        channels = Image.alpha_composite(black, image).convert("RGB").split()
    return np.stack(
        [
            prepare_picture(encode_png(np.asarray(channel)), height=height, width=width, invert=False, fit=fit).image
            for channel in channels
        ],
        axis=-1,
    )
