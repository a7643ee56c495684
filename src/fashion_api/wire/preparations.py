"""Pictures of any size, prepared for the model and shown before they are classified."""

import base64
from collections.abc import Generator

from fashion_api.pictures.encoding import encode_png
from fashion_api.pictures.preparation import Options, prepare_in_steps
from fashion_api.service.service import Service
from fashion_api.wire.native import read_files
from fashion_api.wire.operation import Reply, RequestHead
from fashion_api.wire.predictions import write_json
from fashion_api.wire.queries import PreparationQuery, read_query

_INVERT = {"auto": None, "true": True, "false": False}


def prepare_upload(service: Service, head: RequestHead, body: bytes) -> Generator[None, None, Reply]:
    """Answer with the `models.Preparation` of the picture in a body, in steps; some take up to half a second.

    Raises:
        ImageError: the picture cannot be prepared.
        InvalidRequestError: a parameter is wrong, or the form has no file or several.
    """
    query = read_query(head, PreparationQuery)
    (file,) = yield from read_files(head, body, max_files=1)
    options = Options(query.crop, query.turn, _INVERT[query.invert], query.fit)
    spec = service.model.input
    prepared = yield from prepare_in_steps(
        file.content, options, height=spec.height, width=spec.width, channels=spec.channels
    )
    steps = prepared.steps
    return write_json(
        {
            "image": base64.b64encode(encode_png(prepared.image)).decode(),
            "source": {"width": prepared.source_width, "height": prepared.source_height},
            "steps": {
                "upright": steps.upright,
                "turn": steps.turn,
                "crop": list(steps.crop),
                "inverted": steps.inverted,
                "fit": steps.fit,
            },
        }
    )
