"""`python -m benchmarks`: install, measure, and write the tables and the plot into benchmarks/README.md."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import environments, lineup, machine, report, results
from benchmarks.endurance import measure_endurance, measure_workers
from benchmarks.inputs import CACHE, load_inputs, prepare_model
from benchmarks.lag import measure_ceiling, measure_lag
from benchmarks.lineup import LINEUP, Contender
from benchmarks.measure import GENERATOR_CORE, SERVER_CORE, Bench, measure, measure_engine
from benchmarks.results import Results, Round, Row
from benchmarks.servers import ContenderError
from fashion_api.settings import Settings

RESULTS = environments.ROOT / "benchmarks" / "results" / "latest.json"
_QUICK_SECONDS = 0.3
_QUICK_SCALE = 0.01


@dataclass(frozen=True)
class Options:
    """What the command was told."""

    rounds: int
    seconds: float
    contenders: Sequence[Contender]
    has_extras: bool
    is_quick: bool
    model: Path | None


def main() -> int:
    """Run the benchmark, or write the report anew from what it measured last."""
    arguments = _make_parser().parse_args()
    if arguments.report:
        if not RESULTS.is_file():
            sys.stderr.write("benchmarks: there are no results yet\n")
            return 1
        report.write(results.load(RESULTS))
        return 0
    if not {SERVER_CORE, GENERATOR_CORE} <= os.sched_getaffinity(0):
        sys.stderr.write("benchmarks: two cores are needed, one for the server and one for the load generator\n")
        return 1
    options = _read_options(arguments)
    contenders, failures = _install(options.contenders)
    lineup.write_mlserver_model()
    model = prepare_model(options.model)
    bench = Bench(model, load_inputs(model), options.seconds)
    heavy = prepare_model(options.model or Settings().model_path)
    heavy_bench = Bench(heavy, load_inputs(heavy), options.seconds)
    os.sched_setaffinity(0, {GENERATOR_CORE})
    run = Results(machine.describe(), _read_versions(contenders), options.seconds, is_quick=options.is_quick)
    for number in range(options.rounds):
        _say(f"round {number + 1} of {options.rounds}")
        run.rounds.append(_run_round(bench, contenders, failures))
        if options.has_extras:
            _say("  two workers")
            run.rounds[-1].one_worker = measure_workers(heavy_bench, 1)
            run.rounds[-1].two_workers = measure_workers(heavy_bench, 2)
    if options.has_extras:
        _run_extras(bench, run, options)
    _publish(run)
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often everyone is measured (default: 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long one measurement takes (default: 3)")
    names = [contender.name for contender in LINEUP]
    parser.add_argument("--only", nargs="+", choices=names, help="measure only these", metavar="NAME")
    parser.add_argument(
        "--no-extras", action="store_true", help="leave out what is measured once, of the service alone"
    )
    parser.add_argument("--quick", action="store_true", help="one short round, to see that all works; no fit figures")
    parser.add_argument("--model", type=Path, help="a .h5 to serve; without it, the tutorial's, trained when missing")
    parser.add_argument("--report", action="store_true", help="write the report anew, and measure nothing")
    return parser


def _read_options(arguments: argparse.Namespace) -> Options:
    chosen = [contender for contender in LINEUP if not arguments.only or contender.name in arguments.only]
    return Options(
        rounds=1 if arguments.quick else arguments.rounds,
        seconds=_QUICK_SECONDS if arguments.quick else arguments.seconds,
        contenders=chosen,
        has_extras=not arguments.no_extras,
        is_quick=arguments.quick,
        model=arguments.model,
    )


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


def _run_round(bench: Bench, contenders: Sequence[Contender], failures: dict[str, str]) -> Round:
    round_ = Round(engine_s=measure_engine(bench))
    round_.rows.update({name: Row(error=error) for name, error in failures.items()})
    for contender in contenders:
        _say(f"  {contender.name}")
        row = round_.rows[contender.name] = Row()
        try:
            measure(bench, contender, row)
        except ContenderError as error:
            row.error = str(error)
            _say(f"    {error}")
    return round_


def _run_extras(bench: Bench, run: Results, options: Options) -> None:
    _say("the generator's ceiling, event-loop lag, memory over many predictions")
    run.ceiling = measure_ceiling(bench)
    run.lag_ms = measure_lag(bench)
    run.rss_after = measure_endurance(bench, scale=_QUICK_SCALE if options.is_quick else 1)


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
