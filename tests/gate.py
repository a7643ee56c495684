"""A classifier in another process that computes when a test lets it, and says what it was given.

The two meet at a Unix socket: the classifier connects for each batch, and waits for a byte, or for the end.
"""

import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from tests.fakes import NovelClassifier
from tests.held import SLOW_S
from tests.raw_http import LIMIT_S


class GatedClassifier(NovelClassifier):
    """Asks at the gate before it computes; where the gate is gone, it need not ask."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def classify(self, images: Images) -> Predictions:
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(str(self._path))
                sock.sendall(json.dumps(images[:, 0, 0].tolist()).encode() + b"\n")
                sock.recv(1)
            except OSError:
                pass
        time.sleep(SLOW_S)
        return super().classify(images)


class Batch:
    """A batch that waits at the gate."""

    def __init__(self, sock: socket.socket) -> None:
        with sock.makefile("rb") as file:
            self.classes: list[int] = json.loads(file.readline())
        self._sock = sock

    def release(self) -> None:
        """Let it be computed."""
        self._sock.close()


class Gate:
    """The test's side: batches come to it, one at a time."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(LIMIT_S)
        self._listener.bind(str(path))
        self._listener.listen(100)
        self._batches: list[Batch] = []

    def wait_for_batch(self) -> Batch:
        """Wait until a batch is to be computed."""
        sock, _ = self._listener.accept()
        batch = Batch(sock)
        self._batches.append(batch)
        return batch

    def open(self) -> None:
        """Let everything be computed, from now on too."""
        self._listener.close()
        for batch in self._batches:
            batch.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.open()
