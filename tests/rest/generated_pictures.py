"""Pictures and crops for schemathesis, which cannot make any from a schema: the value of SCHEMATHESIS_HOOKS."""

import base64

import schemathesis
from hypothesis import strategies as st

from fashion_api.wire.json_schema import CROP, PICTURE, PICTURE_BASE64
from tests.picture_files import grey_picture

_files = st.sampled_from([grey_picture(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP")])

schemathesis.openapi.format(PICTURE, _files)
schemathesis.openapi.format(PICTURE_BASE64, _files.map(lambda content: base64.b64encode(content).decode()))
_starts = st.floats(0, 0.5)
_sides = st.floats(0.001, 0.5)
schemathesis.openapi.format(
    CROP, st.tuples(_starts, _starts, _sides, _sides).map(lambda crop: ",".join(map(str, crop)))
)
