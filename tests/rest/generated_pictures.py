"""Pictures of the model's size and crops for schemathesis, which makes none from a schema: SCHEMATHESIS_HOOKS."""

import base64

import schemathesis
from hypothesis import strategies as st

from fashion_api.pictures.file_types import MEDIA_TYPES
from fashion_api.wire.json_schema import CROP, PICTURE_BASE64
from tests.picture_files import grey_picture

_files = st.sampled_from([grey_picture(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP")])
_starts = st.floats(0, 0.5)
_sides = st.floats(0.001, 0.5)
_crops = st.tuples(_starts, _starts, _sides, _sides)

schemathesis.openapi.format("binary", _files)
schemathesis.openapi.format(PICTURE_BASE64, _files.map(lambda content: base64.b64encode(content).decode()))
schemathesis.openapi.format(CROP, _crops.map(lambda crop: ",".join(map(str, crop))))
for _media_type in MEDIA_TYPES:
    schemathesis.openapi.media_type(_media_type, _files)
