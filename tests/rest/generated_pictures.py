"""Pictures for schemathesis, which makes none of the model's size from a schema: the value of SCHEMATHESIS_HOOKS."""

import base64

import schemathesis
from hypothesis import strategies as st

from fashion_api.pictures.file_types import MEDIA_TYPES
from fashion_api.wire.json_schema import PICTURE_BASE64
from tests.picture_files import grey_picture

_files = st.sampled_from([grey_picture(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP")])

schemathesis.openapi.format("binary", _files)
schemathesis.openapi.format(PICTURE_BASE64, _files.map(lambda content: base64.b64encode(content).decode()))
for _media_type in MEDIA_TYPES:
    schemathesis.openapi.media_type(_media_type, _files)
