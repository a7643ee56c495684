"""`python -m benchmarks`: install, measure, and write the tables and the plot into benchmarks/README.md."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import before, environments, lineup, machine, report, results
from benchmarks.endurance import measure_endurance, measure_workers
from benchmarks.inputs import CACHE, load_inputs, prepare_model
from benchmarks.lag import measure_ceiling, measure_lag
from benchmarks.lineup import LINEUP, PEERS, SERVICE, Contender
from benchmarks.measure import GENERATOR_CORE, SERVER_CORE, Bench, measure, measure_engine
from benchmarks.overload import measure_overload
from benchmarks.production import measure_production
from benchmarks.protocols import SPEAKERS, measure_protocols
from benchmarks.results import Results, Round, Row
from benchmarks.servers import ContenderError
from benchmarks.slow_callers import measure_slow_callers
from fashion_api.settings import Settings

RESULTS = environments.ROOT / "benchmarks" / "results" / "latest.json"
_QUICK_SECONDS = 0.3
_QUICK_SCALE = 0.01

_COMPARED = ("lineup", "shipped")
_IN_ROUNDS = (*_COMPARED, "workers")


@dataclass(frozen=True)
class Benches:
    """The two models that are measured with."""

    compared: Bench
    """With the model that all can serve: the tutorial's, or the one that is named."""
    own: Bench
    """With the project's own."""


@dataclass(frozen=True)
class Options:
    """What the command was told."""

    rounds: int
    seconds: float
    contenders: Sequence[Contender]
    parts: Sequence[str]
    against: str
    is_quick: bool
    model: Path | None


def main() -> int:
    """Run the benchmark, or write the report anew from what it measured last."""
    signal.signal(signal.SIGTERM, _stop)
    arguments = _make_parser().parse_args()
    if (arguments.report or arguments.add) and not RESULTS.is_file():
        sys.stderr.write("benchmarks: there are no results yet\n")
        return 1
    if arguments.report:
        report.write(results.load(RESULTS))
        return 0
    if not {SERVER_CORE, GENERATOR_CORE} <= os.sched_getaffinity(0):
        sys.stderr.write("benchmarks: two cores are needed, one for the server and one for the load generator\n")
        return 1
    options = _read_options(arguments)
    run = results.load(RESULTS) if arguments.add else Results({}, {}, options.seconds, is_quick=options.is_quick)
    _measure_all(run, options)
    _publish(run)
    return 0


def _stop(*_: object) -> None:
    """End, and the servers that run too: each is ended where it was started."""
    sys.exit(128 + signal.SIGTERM)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often everyone is measured (default: 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long one measurement takes (default: 3)")
    servers = [contender.name for contender in LINEUP]
    parts = [*_IN_ROUNDS, *_ALONE]
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*parts, *servers],
        metavar="NAME",
        help=f"measure only these parts ({', '.join(parts)}) and, where servers are compared, only these "
        f"({', '.join(servers)}); servers alone mean the lineup",
    )
    parser.add_argument(
        "--against",
        default=before.REVISION,
        metavar="REV",
        help=f"the earlier revision of the part `before` (default: {before.REVISION})",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--add", action="store_true", help="add to the last results: more rounds, other parts")
    kind.add_argument("--quick", action="store_true", help="one short round, to see that all works; no fit figures")
    parser.add_argument("--model", type=Path, help="a .h5 to serve; without it, the tutorial's, trained when missing")
    parser.add_argument("--report", action="store_true", help="write the report anew, and measure nothing")
    return parser


def _read_options(arguments: argparse.Namespace) -> Options:
    named = arguments.only or ()
    parts = [part for part in (*_IN_ROUNDS, *_ALONE) if part in named or not named]
    return Options(
        rounds=1 if arguments.quick else arguments.rounds,
        seconds=_QUICK_SECONDS if arguments.quick else arguments.seconds,
        contenders=[contender for contender in LINEUP if contender.name in named] or LINEUP,
        parts=parts or ["lineup"],
        against=arguments.against,
        is_quick=arguments.quick,
        model=arguments.model,
    )


def _measure_all(run: Results, options: Options) -> None:
    has_peers = any(part in options.parts for part in _COMPARED)
    contenders, failures = _install(options.contenders if has_peers else ())
    run.machine = machine.describe()
    run.versions.update(_read_versions(contenders))
    lineup.write_mlserver_models()
    own = options.model or Settings().model_path
    benches = Benches(_make_bench(options.model, options.seconds), _make_bench(own, options.seconds))
    os.sched_setaffinity(0, {GENERATOR_CORE})
    in_rounds = [part for part in _IN_ROUNDS if part in options.parts]
    for number in range(options.rounds if in_rounds else 0):
        _say(f"round {number + 1} of {options.rounds}")
        round_ = Round()
        run.rounds.append(round_)
        if "lineup" in in_rounds:
            round_.engine_s = measure_engine(benches.compared)
            round_.rows = _measure_rows(benches.compared, contenders, failures)
        if "shipped" in in_rounds:
            round_.shipped = _measure_rows(benches.own, _on_same_body(contenders), {})
        if "workers" in in_rounds:
            _say("  workers")
            round_.one_worker = measure_workers(benches.own, 1)
            round_.two_workers = measure_workers(benches.own, 2)
    for part in options.parts:
        if part in _ALONE:
            _say(part)
            run.errors.pop(part, None)
            try:
                _ALONE[part](benches, run, options)
            except ContenderError as error:
                run.errors[part] = str(error)
                _say(f"  {error}")


def _make_bench(path: Path | None, seconds: float) -> Bench:
    model = prepare_model(path)
    return Bench(model, load_inputs(model), seconds)


def _install(contenders: Sequence[Contender]) -> tuple[list[Contender], dict[str, str]]:
    """Install what is to be compared; gives what can be, and why the rest cannot."""
    environments.install(environments.SERVICE)
    usable, failures = [], {}
    for contender in contenders:
        try:
            environments.install(contender.environment)
            usable.append(contender)
        except subprocess.CalledProcessError as error:
            failures[contender.name] = f"cannot be installed here: pip ended with status {error.returncode}"
    return usable, failures


def _read_versions(contenders: Sequence[Contender]) -> dict[str, str]:
    return {
        contender.name: f"{contender.package} {environments.read_version(contender.environment, contender.package)}"
        for contender in contenders
    }


def _on_same_body(contenders: Sequence[Contender]) -> list[Contender]:
    """The service and its peers, as far as they take the same body, with that alone and no open loop.

    The tutorial's pattern cannot serve the project's model, which has more than one output.
    """
    chosen = [peer for peer in (SERVICE, *PEERS) if "array" in peer.forms and peer.name != "tutorial"]
    return [replace(each, forms=("array",), open_forms=()) for each in chosen if each in contenders]


def _measure_rows(bench: Bench, contenders: Sequence[Contender], failures: Mapping[str, str]) -> dict[str, Row]:
    rows = {name: Row(error=error) for name, error in failures.items()}
    for contender in contenders:
        _say(f"  {contender.name}")
        row = rows[contender.name] = Row()
        try:
            measure(bench, contender, row)
        except ContenderError as error:
            row.error = str(error)
            _say(f"    {error}")
    return rows


def _measure_protocols(benches: Benches, run: Results, options: Options) -> None:
    run.protocols = measure_protocols(benches.compared, options.against, options.rounds, say=_say)
    measured = run.protocols.list_servers()
    run.versions.update(_read_versions([contender for contender, _ in SPEAKERS if contender.name in measured]))


def _compare_before(_benches: Benches, run: Results, options: Options) -> None:
    bench = _make_bench(options.model or before.find_model(options.against), options.seconds)
    run.comparison = before.compare(bench, options.against, options.rounds)


def _measure_production(benches: Benches, run: Results, options: Options) -> None:
    run.production = measure_production(benches.own, options.rounds)


def _measure_overload(benches: Benches, run: Results, _: Options) -> None:
    run.overload = measure_overload(benches.own)


def _measure_slow_callers(benches: Benches, run: Results, options: Options) -> None:
    run.slow_callers = measure_slow_callers(benches.own, options.rounds)


def _measure_lag(benches: Benches, run: Results, _: Options) -> None:
    run.ceiling = measure_ceiling(benches.compared)
    run.lag_ms = measure_lag(benches.compared)


def _measure_endurance(benches: Benches, run: Results, options: Options) -> None:
    run.rss_after = measure_endurance(benches.compared, scale=_QUICK_SCALE if options.is_quick else 1)


_ALONE: Mapping[str, Callable[[Benches, Results, Options], None]] = {
    "protocols": _measure_protocols,
    "before": _compare_before,
    "production": _measure_production,
    "overload": _measure_overload,
    "slow-callers": _measure_slow_callers,
    "lag": _measure_lag,
    "endurance": _measure_endurance,
}
"""The parts that are not measured in rounds with the others."""


def _publish(run: Results) -> None:
    """Keep the results and write the report; a quick run's go where they are taken for no results."""
    path = CACHE / "quick" / "latest.json" if run.is_quick else RESULTS
    results.save(run, path)
    readme = CACHE / "README.md" if run.is_quick else report.README
    if run.is_quick:
        readme.write_text(report.README.read_text())
    report.write(run, readme=readme, plot=path.with_suffix(".png"))
    _say(f"the tables are in {readme.relative_to(environments.ROOT)}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
