"""The table of what Triton 2.51.0, MLServer 1.7.1 and KServe 0.21.0 were asked, and what they answered.

`http.jsonl` and `grpc.jsonl` have an object a line: `case`; the request (of HTTP; test_grpc.py has those of gRPC);
the `statuses` or `codes` of the servers; and `answer`, what matters to clients of a good answer, Triton's or, if only
KServe has such a call, its. In bodies, which have one byte a character, words in angle brackets stand for parts of the
one image that was sent. All servers gave it the same probabilities.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
MODEL = "fashion"
LARGEST_BATCH = 8

IMAGE = np.random.default_rng(100).integers(0, 256, (28, 28, 1), np.uint8)
"""uint8[28, 28, 1]"""
PROBABILITIES = np.frombuffer(
    bytes.fromhex("fd7ca93d9353bd3da2bad03da7cc8b3df9c6dc3d922fbc3d49b6623d31321d3e07da1f3e073eb83d"), "<f4"
)
"""What the servers give for it: float32[10]"""

_PIXELS = json.dumps(IMAGE.ravel().tolist())[1:-1]
_ROWS = json.dumps(IMAGE.tolist())
_PARTS: Mapping[bytes, bytes] = {
    b"<pixels>": _PIXELS.encode(),
    b"<but the first>": _PIXELS.split(", ", 1)[1].encode(),
    b"<but the last>": _PIXELS.rsplit(", ", 1)[0].encode(),
    b"<rows>": _ROWS.encode(),
    b"<but the first row>": json.dumps(IMAGE[1:].tolist()).encode(),
    b"<bytes>": IMAGE.tobytes(),
    b"<but the last byte>": IMAGE.tobytes()[:-1],
    b"<brackets>": b"[" * 200 + b"]" * 200,
    b"<100000 brackets>": b"[" * 100_000 + b"]" * 100_000,
}


@dataclass(frozen=True)
class HttpCase:
    """A request, and what it was answered."""

    case: str
    method: str
    path: str
    statuses: Mapping[str, int]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    packed: str = ""
    answer: Any = None

    def write_body(self) -> bytes:
        """Write the bytes that were sent."""
        body = self.body.encode("latin-1")
        for word, part in _PARTS.items():
            body = body.replace(word, part)
        match self.packed:
            case "":
                return body
            case "gzip":
                return gzip.compress(body)
            case "gzip cut":
                return gzip.compress(body)[:-20]
            case "gzip trailing":
                return gzip.compress(body) + b"xyz"
        raise ValueError(self.packed)


@dataclass(frozen=True)
class GrpcCase:
    """The name of a call, and what it was answered."""

    case: str
    codes: Mapping[str, str]
    answer: Any = None


HTTP = tuple(HttpCase(**json.loads(line)) for line in (HERE / "http.jsonl").read_text().splitlines())
GRPC = tuple(GrpcCase(**json.loads(line)) for line in (HERE / "grpc.jsonl").read_text().splitlines())


def find_difference(found: Any, wanted: Any, place: str = "answer") -> str | None:  # noqa: ANN401  # any JSON
    """Say where an answer lacks what another has: a member of an object, or an item; it may have more members."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return f"{place}: {found!r} in place of an object"
        differences = (find_difference(found.get(name), value, f"{place}.{name}") for name, value in wanted.items())
    elif isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return f"{place}: {found!r} in place of {wanted!r}"
        differences = (
            find_difference(*pair, f"{place}[{n}]") for n, pair in enumerate(zip(found, wanted, strict=True))
        )
    elif isinstance(wanted, float) and isinstance(found, float):
        return None if abs(found - wanted) < 1e-6 else f"{place}: {found} in place of {wanted}"
    else:
        return None if found == wanted else f"{place}: {found!r} in place of {wanted!r}"
    return next(filter(None, differences), None)
