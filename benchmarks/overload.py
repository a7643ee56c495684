"""Ten times the requests that the service can answer: what becomes of the accepted ones, of its memory, and after."""

from collections.abc import Sequence
from statistics import median

from benchmarks.lineup import SERVICE
from benchmarks.load import Phase, Tally, run_closed, run_phases
from benchmarks.measure import CONCURRENCIES, WARM_UP_S, Bench, check
from benchmarks.results import Overload
from benchmarks.servers import ContenderError

_FORM = "array"
_TIMES = 10
_LENGTH = 10  # times the length of a measurement
_MAX_CONNECTIONS = 1024  # each holds some memory of the server's
_CALM = 0.5  # of the capacity, before and after
_WINDOW_S, _WINDOWS = 0.1, 30
_NORMAL_WINDOWS = 5  # so many one after the other are no accident
_NORMAL_SLOWDOWN = 2.0


def measure_overload(bench: Bench) -> Overload:
    """Send half of the capacity, ten times the capacity, and half of it again, without a pause between them.

    Raises:
        ContenderError: the service does not start, answers wrongly, or does not answer at all.
    """
    with bench.run(SERVICE) as server:
        target = bench.target(SERVICE, server, _FORM)
        server.wait_for(target)
        closed = run_closed(target, concurrency=CONCURRENCIES[-1], seconds=bench.seconds, warm_up_s=WARM_UP_S)
        capacity = check(closed).throughput
        calm = Phase(capacity * _CALM, bench.seconds)
        flood = Phase(capacity * _TIMES, bench.seconds * _LENGTH)
        windows = [Phase(calm.rate, _WINDOW_S)] * _WINDOWS
        resident = server.measure_memory().rss
        server.forget_peak()
        before, during, *after = run_phases(target, [calm, flood, *windows], max_connections=_MAX_CONNECTIONS)
        if not check(before).right:
            raise ContenderError("answers nothing at half of its capacity")
        return Overload(
            rate=flood.rate,
            seconds=flood.seconds,
            accepted=check(during).right,
            refused=during.refused,
            failed=during.failed,
            unsent=during.unsent,
            longest_s=max(during.latencies_s, default=0.0),
            grown_bytes=server.measure_peak() - resident,
            recovered_s=_find_recovery(before, after),
        )


def _find_recovery(before: Tally, after: Sequence[Tally]) -> float | None:
    """Give the time from the end of the flood to the first of some windows that are all as before."""
    limit_s = _NORMAL_SLOWDOWN * median(before.latencies_s)
    is_normal = [_loses_nothing(window) and median(window.latencies_s) <= limit_s for window in after]
    for start in range(len(after) - _NORMAL_WINDOWS + 1):
        if all(is_normal[start : start + _NORMAL_WINDOWS]):
            return start * _WINDOW_S
    return None


def _loses_nothing(tally: Tally) -> bool:
    return bool(tally.right) and not (tally.wrong or tally.refused or tally.failed or tally.unsent)
