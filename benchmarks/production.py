"""The service with all that serves its operation on, beside itself with all of it off."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

from benchmarks.before import measure_round, start
from benchmarks.lineup import SERVICE
from benchmarks.measure import CONCURRENCIES, Bench
from benchmarks.results import Throughputs

ON, OFF = "on", "off"
PRODUCTION_FORMS = ("index", "array")
PRODUCTION_AT = (CONCURRENCIES[0], CONCURRENCIES[-1])
_PAIRS_A_ROUND = 2  # so that the usual rounds are ten pairs

_SETTINGS: Mapping[str, Mapping[str, str]] = {
    ON: {"FASHION_METRICS": "true", "FASHION_LOG_REQUESTS": "all"},
    OFF: {"FASHION_METRICS": "false", "FASHION_LOG_REQUESTS": "none"},
}


def measure_production(bench: Bench, rounds: int) -> list[Throughputs]:
    """Run both at once on one core, and ask one after the other, so that they share what the machine does.

    Each round has processes of its own: two processes of the same service can differ by more than what is measured.

    Raises:
        ContenderError: one does not start, or answers wrongly.
    """
    return [pair for _ in range(rounds) for pair in _measure_pairs(bench)]


def _measure_pairs(bench: Bench) -> list[Throughputs]:
    with ExitStack() as stack:
        targets = {}
        for name, settings in _SETTINGS.items():
            contender = replace(SERVICE, name=f"service-{name}")  # whose log is its own
            targets[name] = start(bench, stack, contender, forms=PRODUCTION_FORMS, settings=settings)
        return [
            measure_round(bench, targets, number, forms=PRODUCTION_FORMS, concurrencies=PRODUCTION_AT)
            for number in range(_PAIRS_A_ROUND)
        ]
