"""The query parameter `coverage`, which the routes that predict share."""

from typing import Any

from fashion_api.errors import Fault, summarise_faults
from fashion_api.inference.calibration import COVERAGES, DEFAULT_COVERAGE
from fashion_api.rest import problems as errors
from fashion_api.rest.problems import HttpError
from fashion_api.wire.operation import RequestHead

_ACCEPTED = ", ".join(f"{coverage:g}" for coverage in COVERAGES)

COVERAGE_PARAMETER: dict[str, Any] = {
    "name": "coverage",
    "in": "query",
    "required": False,
    "description": "In which share of cases the prediction set is to hold the right class.",
    "schema": {"type": "number", "enum": list(COVERAGES), "default": DEFAULT_COVERAGE},
}
"""As OpenAPI describes it."""


def read_coverage(head: RequestHead) -> float:
    """Give the coverage that is asked for.

    Raises:
        HttpError: there are no prediction sets for it.
    """
    text = head.read_query().get("coverage")
    if text is None:
        return DEFAULT_COVERAGE
    try:
        coverage = float(text)
    except ValueError:
        coverage = 0.0
    if coverage not in COVERAGES:
        faults = [Fault("coverage", f"must be one of {_ACCEPTED}")]
        raise HttpError(errors.INVALID, summarise_faults(faults), faults)
    return coverage
