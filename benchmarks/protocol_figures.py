"""The figures of the inference protocols: computed in each round, judged, and tabulated."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from benchmarks.compiled_load import Burst
from benchmarks.footprint import BEFORE, OFF, ON
from benchmarks.lineup import CONSTANT_GRPC, CONSTANT_PROTOCOLS, MLSERVER, MLSERVER_UNBATCHED, SERVICE, TRITON
from benchmarks.protocol_forms import GRPC, MANY, PREDICT, TITLES, V2_BINARY, V2_BINARY_32, V2_JSON
from benchmarks.protocols import MEASURED
from benchmarks.results import ProtocolRound, Protocols, need
from benchmarks.verdicts import Verdict, at_least, at_most, show

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""The head, and the rows."""

_MB: Final = 1e6
_MLSERVERS: Final = (MLSERVER, MLSERVER_UNBATCHED)
_SHARES: Final = ((V2_BINARY, 16, 0.85), (V2_BINARY, 64, 0.92), (PREDICT, 16, 0.7), (GRPC, 16, 0.85))
"""The least share of the limit, by form and concurrency."""
_OVERHEADS: Final = ((V2_BINARY, 0.1), (V2_BINARY_32, 0.3), (GRPC, 0.15))
"""The most milliseconds above the limit, one request at a time, by form."""
_AGAINST_MLSERVER: Final = ((V2_JSON, 2.5), (GRPC, 1.7))
_FOOTPRINTS: Final = ((OFF, "off", 1, 0.02), (ON, "on", 35, 0.3))
"""The most megabytes and seconds more than the earlier revision."""


def judge_protocols(measured: Protocols) -> Iterator[Verdict]:
    """Hold the protocols' figures against their targets."""
    collect = measured.collect
    for form, at, least in _SHARES:
        figure = f"{TITLES[form]}: throughput as a share of the limit, concurrency {at}"
        yield at_least(figure, least, collect(partial(share_of_limit, form=form, at=at)))
    for form, most in _OVERHEADS:
        figure = f"{TITLES[form]}: p50 at concurrency 1, above the floor plus the engine"
        yield at_most(figure, most, collect(partial(_overhead_ms, form=form)), "ms")
    for form, least in _AGAINST_MLSERVER:
        figure = f"{TITLES[form]}: against MLServer, concurrency 16"
        yield at_least(figure, least, collect(partial(_against_mlserver, form=form, at=16)), "×")
    for name, state, most_mb, most_s in _FOOTPRINTS:
        memory, start = partial(_more_mb, name=name), partial(_more_s, name=name)
        yield at_most(f"memory with gRPC {state}, above the earlier revision's", most_mb, collect(memory), "MB")
        yield at_most(f"start with gRPC {state}, above the earlier revision's", most_s, collect(start), "s")


def tabulate_throughput(measured: Protocols) -> Table:
    """Give the table of throughputs, with the ratios of each round."""
    collect = measured.collect
    head = ("form", "concurrency", "**fashion-api**", "floor", "share of limit", "Triton", "against it")
    rows = []
    for form, at in MEASURED:
        names = (SERVICE.name, _floor_of(form), TRITON.name, *(each.name for each in _MLSERVERS))
        ours, floor, triton, batched, unbatched = (
            show(collect(partial(_throughput, form=form, at=at, name=name))) for name in names
        )
        share = show(collect(partial(share_of_limit, form=form, at=at)))
        against = (show(collect(partial(each, form=form, at=at)), "×") for each in (_against_triton, _against_mlserver))
        against_triton, against_mlserver = against
        rows.append(
            (TITLES[form], str(at), ours, floor, share, triton, against_triton, batched, unbatched, against_mlserver)
        )
    return (*head, "MLServer", "the same without batching", "against the faster"), rows


def tabulate_latency(measured: Protocols) -> Table:
    """Give the table of the median latencies of one request at a time."""
    collect = measured.collect
    rows = []
    for form in (V2_BINARY, V2_BINARY_32, GRPC):
        figures: list[Callable[[ProtocolRound], float]] = [
            partial(_p50_ms, form=form, name=SERVICE.name),
            partial(_p50_ms, form=form, name=_floor_of(form)),
            partial(_engine_ms, form=form),
            partial(_overhead_ms, form=form),
            partial(_p50_ms, form=form, name=TRITON.name),
        ]
        rows.append((TITLES[form], *(show(collect(figure)) for figure in figures)))
    return ("p50, ms", "**fashion-api**", "floor", "engine", "above both", "Triton"), rows


def tabulate_processor(measured: Protocols) -> Table:
    """Give the table of the processor time of a request, which other work on the machine changes least."""
    collect = measured.collect
    rows = []
    for form, at in MEASURED:
        names = (SERVICE.name, _floor_of(form), TRITON.name, *(each.name for each in _MLSERVERS))
        figures = (show(collect(partial(_processor_us, form=form, at=at, name=name))) for name in names)
        rows.append((TITLES[form], str(at), *figures))
    head = ("processor time, µs", "concurrency", "**fashion-api**", "floor", "Triton", "MLServer")
    return (*head, "the same without batching"), rows


def tabulate_footprints(measured: Protocols) -> Table:
    """Give the table of memory and start."""
    collect = measured.collect
    rows = []
    for name, title in ((BEFORE, "the earlier revision"), (OFF, "without gRPC"), (ON, "with gRPC, after calls")):
        figures = (_rss_mb, _more_mb, _start_s, _more_s)
        rows.append((title, *(show(collect(partial(figure, name=name))) for figure in figures)))
    return ("", "memory (RSS), MB", "more than before", "start, s", "more than before"), rows


def share_of_limit(round_: ProtocolRound, form: str, at: int) -> float:
    """The service's throughput as a share of 1 / (t_floor + t_engine), as defined in benchmarks/README.md."""
    images = _images_of(form)
    floor_s = 1 / _throughput(round_, form, at, _floor_of(form))
    return _throughput(round_, form, at, SERVICE.name) * (floor_s + images * min(round_.engine_s.values()))


def _floor_of(form: str) -> str:
    return (CONSTANT_GRPC if form == GRPC else CONSTANT_PROTOCOLS).name


def _images_of(form: str) -> int:
    return MANY if form == V2_BINARY_32 else 1


def _burst(round_: ProtocolRound, form: str, at: int, name: str) -> Burst:
    return round_.bursts[form][at][name]


def _throughput(round_: ProtocolRound, form: str, at: int, name: str) -> float:
    return _burst(round_, form, at, name).throughput


def _processor_us(round_: ProtocolRound, form: str, at: int, name: str) -> float:
    return _burst(round_, form, at, name).processor_us


def _p50_ms(round_: ProtocolRound, form: str, name: str) -> float:
    return _burst(round_, form, 1, name).p50_ms


def _engine_ms(round_: ProtocolRound, form: str) -> float:
    images = _images_of(form)
    return round_.engine_s[images] * images * 1e3


def _overhead_ms(round_: ProtocolRound, form: str) -> float:
    floor = _p50_ms(round_, form, _floor_of(form))
    return _p50_ms(round_, form, SERVICE.name) - floor - _engine_ms(round_, form)


def _against_triton(round_: ProtocolRound, form: str, at: int) -> float:
    return _throughput(round_, form, at, SERVICE.name) / _throughput(round_, form, at, TRITON.name)


def _against_mlserver(round_: ProtocolRound, form: str, at: int) -> float:
    bursts = round_.bursts[form][at]
    fastest = max((bursts[each.name].throughput for each in _MLSERVERS if each.name in bursts), default=None)
    return bursts[SERVICE.name].throughput / need(fastest)


def _rss_mb(round_: ProtocolRound, name: str) -> float:
    return round_.footprints[name].rss / _MB


def _more_mb(round_: ProtocolRound, name: str) -> float:
    return _rss_mb(round_, name) - _rss_mb(round_, BEFORE)


def _start_s(round_: ProtocolRound, name: str) -> float:
    return round_.footprints[name].start_s


def _more_s(round_: ProtocolRound, name: str) -> float:
    return _start_s(round_, name) - _start_s(round_, BEFORE)
