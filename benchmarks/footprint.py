"""Memory and start of a worker: of an earlier revision of the service, without gRPC, and with it."""

from collections import deque
from dataclasses import replace
from typing import Final

from benchmarks.before import EARLIER, extract_revision
from benchmarks.lineup import SERVICE
from benchmarks.load import run_closed
from benchmarks.measure import Bench, check
from benchmarks.protocol_forms import GRPC, MODEL, GrpcCalls, make_samples
from benchmarks.results import Footprint
from benchmarks.servers import HOST, find_free_port, verify

BEFORE, OFF, ON = EARLIER.name, "grpc-off", "grpc-on"
_FORMS: Final = ("index", "array")
_LOAD_S: Final = 0.5
_AT: Final = 16


def measure_footprints(bench: Bench, revision: str, rounds: int) -> list[dict[str, Footprint]]:
    """Start one after the other, each alone, and ask it; who is first changes from round to round.

    Raises:
        ContenderError: the revision is not there, one does not start, or one answers wrongly.
    """
    source = str(extract_revision(revision) / "src")
    variants = deque((BEFORE, OFF, ON))
    for name in variants:  # so that each finds what it keeps in the cache
        _measure(bench, name, source)
    measured = []
    for _ in range(rounds):
        measured.append({name: _measure(bench, name, source) for name in variants})
        variants.rotate()
    return measured


def _measure(bench: Bench, name: str, source: str) -> Footprint:
    grpc_port = find_free_port()
    settings = {"FASHION_SERVED_NAME": MODEL}
    if name == BEFORE:
        settings = {"PYTHONPATH": source}
    elif name == ON:
        settings["FASHION_GRPC_PORT"] = str(grpc_port)
    contender = replace(SERVICE, name=name)  # whose log is its own
    with bench.run(contender, settings=settings) as server:
        targets = [bench.target(contender, server, form) for form in _FORMS]
        start_s = server.wait_for(targets[0])
        for target in targets:
            verify(target)
            check(run_closed(target, concurrency=_AT, seconds=_LOAD_S, warm_up_s=0))
        if name == ON:
            calls = GrpcCalls((HOST, grpc_port), make_samples(bench)[GRPC])
            calls.verify()
            calls.run(_AT, _LOAD_S)
        return Footprint(start_s, server.measure_memory().rss)
