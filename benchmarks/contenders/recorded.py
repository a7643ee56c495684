"""Answers that the service has once given, for the floors that answer with the same bytes."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Recorded(NamedTuple):
    """An answer."""

    headers: dict[str, str]
    """Those that the protocol wants; of gRPC, none."""
    body: bytes


def write_answers(path: Path, answers: Mapping[str, Recorded]) -> None:
    """Keep answers, by the name of their form."""
    kept = {name: [answer.headers, base64.b64encode(answer.body).decode()] for name, answer in answers.items()}
    path.write_text(json.dumps(kept))


def read_answers(path: Path) -> dict[str, Recorded]:
    """Read kept answers."""
    kept = json.loads(path.read_text())
    return {name: Recorded(headers, base64.b64decode(body)) for name, (headers, body) in kept.items()}
