"""What the programs in this folder share: the service that they ask, images with its own answers, and the report.

usage of each of them: PROGRAM URL GRPC_ADDRESS MODEL IMAGES
IMAGES is an .npz: `images`, uint8[n, h, w], and `probabilities`, float32[n, classes], as the native API gives them.
Each writes JSON to standard output: for every check by its name null, or what went wrong.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from inspect import isawaitable

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Served:
    """A running service, and what it answers."""

    url: str
    grpc_address: str
    model: str
    images: NDArray[np.uint8]
    """uint8[n, h, w, 1]"""
    probabilities: NDArray[np.float32]
    """float32[n, classes]"""

    @property
    def address(self) -> str:
        """Host and port of the URL."""
        return self.url.removeprefix("http://")

    def hold_against(self, probabilities: object, first: int = 0) -> None:
        """Compare what a client got for the images from the first on with the answers of the native API.

        Raises:
            AssertionError: it is of another shape, or differs by more than `TOLERANCE`.
        """
        found = np.asarray(probabilities, np.float64)
        wanted = self.probabilities[first : first + len(found)]
        assert found.shape == wanted.shape, f"{found.shape} in place of {wanted.shape}"
        np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE)


Check = Callable[[Served], Awaitable[None] | None]


def read_arguments() -> Served:
    """Read what stands on the command line."""
    url, grpc_address, model, path = sys.argv[1:]
    with np.load(path) as file:
        return Served(url, grpc_address, model, file["images"][..., np.newaxis], file["probabilities"])


def report(checks: Iterable[tuple[str, Check]]) -> None:
    """Make every check, and write what came of each."""
    served = read_arguments()
    asyncio.run(_report(served, checks))


async def _report(served: Served, checks: Iterable[tuple[str, Check]]) -> None:
    report: dict[str, str | None] = {}
    for name, check in checks:
        assert name not in report
        try:
            made = check(served)
            if isawaitable(made):
                await made
        except Exception:  # noqa: BLE001  # whatever a client raises belongs into the report
            report[name] = traceback.format_exc()
        else:
            report[name] = None
    json.dump(report, sys.stdout)
