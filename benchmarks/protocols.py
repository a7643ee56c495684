"""The inference protocols: the service beside its limits, and beside others that speak them."""

import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from benchmarks import environments
from benchmarks.compiled_load import Burst, find_missing
from benchmarks.contenders.recorded import Recorded, write_answers
from benchmarks.footprint import measure_footprints
from benchmarks.lineup import (
    CONSTANT_GRPC,
    CONSTANT_PROTOCOLS,
    MLSERVER,
    MLSERVER_UNBATCHED,
    RECORDED_ANSWERS,
    SERVICE,
    TRITON,
    Contender,
)
from benchmarks.measure import Bench, measure_engine
from benchmarks.protocol_forms import (
    GRPC,
    MODEL,
    PREDICT,
    TITLES,
    V2_BINARY,
    V2_BINARY_32,
    V2_JSON,
    Calls,
    GrpcCalls,
    HttpCalls,
    Sample,
    make_samples,
)
from benchmarks.results import ProtocolRound, Protocols
from benchmarks.servers import HOST, ContenderError, Server, find_free_port

MEASURED: Final = (
    (V2_BINARY, 1),
    (V2_BINARY, 16),
    (V2_BINARY, 64),
    (V2_BINARY_32, 1),
    (PREDICT, 16),
    (V2_JSON, 16),
    (GRPC, 1),
    (GRPC, 16),
)
"""The forms, and the concurrencies at which they are measured."""
SPEAKERS: Final[tuple[tuple[Contender, Sequence[str]], ...]] = (
    (SERVICE, (V2_BINARY, V2_BINARY_32, V2_JSON, PREDICT, GRPC)),
    (CONSTANT_PROTOCOLS, (V2_BINARY, V2_BINARY_32, PREDICT)),
    (CONSTANT_GRPC, (GRPC,)),
    (TRITON, (V2_BINARY, V2_BINARY_32, V2_JSON, GRPC)),
    (MLSERVER, (V2_JSON, GRPC)),
    (MLSERVER_UNBATCHED, (V2_JSON, GRPC)),
)
"""Who speaks what. The service is the first: the floors answer with what it has answered."""
_TITLES: Final = {contender.name: contender.title for contender, _ in SPEAKERS}
_FLOORS: Final = (CONSTANT_PROTOCOLS, CONSTANT_GRPC)
_START_TIMEOUT_S: Final = 20
_POLL_S: Final = 0.2
_WARM_UP_S: Final = 1.0
_WARM_UP_AT: Final = 16


class _Comparison:
    """All that speak the protocols, while they run."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._servers: dict[str, Server] = {}
        self._calls: dict[str, dict[str, Calls]] = {form: {} for form, _ in MEASURED}
        self.errors: dict[str, str] = {}
        """Why figures are missing, by server and form."""

    def start(self, stack: ExitStack) -> None:
        """Start and verify them, and warm them up."""
        answers: dict[str, Recorded] = {}
        samples = make_samples(self._bench)
        for contender, forms in SPEAKERS:
            grpc_port = find_free_port()
            ports = dict.fromkeys(("FASHION_GRPC_PORT", "MLSERVER_GRPC_PORT", "GRPC_PORT"), str(grpc_port))
            try:
                environments.install(contender.environment)
            except subprocess.CalledProcessError as error:
                self.errors[contender.title] = f"cannot be installed here: pip ended with status {error.returncode}"
                continue
            settings = {**ports, "FASHION_SERVED_NAME": MODEL}
            server = stack.enter_context(self._bench.run(contender, settings=settings))
            self._servers[contender.name] = server
            deadline = time.perf_counter() + _START_TIMEOUT_S
            for form in forms:
                calls = _make_calls(contender, server, grpc_port, form, samples[form])
                try:
                    answers.setdefault(form, _verify_when_ready(calls, server, deadline))
                except ContenderError as error:
                    self.errors[f"{contender.title}, {TITLES[form]}"] = str(error)
                else:
                    self._calls[form][contender.name] = calls
                deadline = 0.0  # it has started, or will not
            if contender is SERVICE:
                write_answers(RECORDED_ANSWERS, answers)

    def warm_up(self) -> None:
        """Ask each in each form for a while."""
        for form in self._calls:
            self._ask(form, _WARM_UP_AT, number=0, seconds=_WARM_UP_S)

    def measure_round(self, number: int) -> ProtocolRound:
        """Ask each in each form; who is asked first changes from round to round."""
        round_ = ProtocolRound(measure_engine(self._bench))
        for form, concurrency in MEASURED:
            bursts = self._ask(form, concurrency, number=number, seconds=self._bench.seconds)
            round_.bursts.setdefault(form, {})[concurrency] = bursts
        return round_

    def _ask(self, form: str, concurrency: int, *, number: int, seconds: float) -> dict[str, Burst]:
        names = deque(self._calls[form])
        names.rotate(number)
        bursts = {}
        for name in names:
            before_s = self._servers[name].measure_processor_s()
            try:
                burst = self._calls[form][name].run(concurrency, seconds)
            except ContenderError as error:
                self.errors[f"{_TITLES[name]}, {TITLES[form]}"] = str(error)
                del self._calls[form][name]
            else:
                taken_s = self._servers[name].measure_processor_s() - before_s
                bursts[name] = replace(burst, processor_us=taken_s / burst.answers * 1e6)
        return bursts


def measure_protocols(bench: Bench, revision: str, rounds: int, *, say: Callable[[str], None]) -> Protocols:
    """Run all of them at once on one core, and ask one after the other, so that they share what the machine does.

    A server that does not start, or answers wrongly, has no figures for that form; the errors say why.

    Args:
        bench: what is measured with.
        revision: the earlier one that memory and start are compared with.
        rounds: how often each is measured.
        say: is told how far it is.

    Raises:
        ContenderError: a load generator is missing.
    """
    if missing := find_missing():
        raise ContenderError(f"needs {' and '.join(missing)}: see benchmarks/README.md")
    measured = Protocols()
    with ExitStack() as stack:
        comparison = _Comparison(bench)
        comparison.start(stack)
        comparison.warm_up()
        for number in range(rounds):
            say(f"  round {number + 1} of {rounds}")
            measured.rounds.append(comparison.measure_round(number))
        measured.errors = comparison.errors
    say("  memory and start")
    try:
        for round_, footprints in zip(measured.rounds, measure_footprints(bench, revision, rounds), strict=True):
            round_.footprints = footprints
    except ContenderError as error:
        measured.errors["memory and start"] = str(error)
    return measured


def _make_calls(contender: Contender, server: Server, grpc_port: int, form: str, samples: Sequence[Sample]) -> Calls:
    is_constant = contender in _FLOORS
    if form != GRPC:
        return HttpCalls(server.address, form, samples, is_constant=is_constant)
    return GrpcCalls((HOST, grpc_port), samples, is_constant=is_constant)


def _verify_when_ready(calls: Calls, server: Server, deadline: float) -> Recorded:
    """Verify a server's answers, again and again until it is ready or the time is over."""
    while True:
        try:
            return calls.verify()
        except ContenderError as error:
            if server.process.poll() is not None:
                lines = server.log.read_text(errors="replace").strip().splitlines()
                raise ContenderError(f"has ended; its log ends: {' | '.join(lines[-3:])}") from None
            if time.perf_counter() >= deadline:
                raise error from None
            time.sleep(_POLL_S)
