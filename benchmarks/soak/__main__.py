"""`python -m benchmarks.soak`: prove the service reliable, and write docs/explanation/reliability.md's figures."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.environments import ROOT
from benchmarks.soak.alerts import raise_alerts
from benchmarks.soak.crowds import crowd_slowly, overload, probe_at_twice_the_capacity
from benchmarks.soak.endurance import endure
from benchmarks.soak.models import change_models
from benchmarks.soak.restarts import kill_workers, restart
from benchmarks.soak.service import NotCheckedError, SoakError

Part = Callable[..., dict[str, str]]

PARTS: dict[str, Part] = {
    "restarts": restart,
    "kills": kill_workers,
    "slow": crowd_slowly,
    "overload": overload,
    "probes": probe_at_twice_the_capacity,
    "endurance": endure,
    "models": change_models,
    "alerts": raise_alerts,
}
RESULTS = ROOT / "benchmarks" / "results" / "soak.json"
REPORT = ROOT / "docs" / "explanation" / "reliability.md"
_FAILED, _NOT_CHECKED = 1, 2
_BEGIN, _END = "<!-- soak -->\n", "<!-- /soak -->\n"


def main() -> int:
    """Run the parts; gives 1 where one of them failed, else 2 where one could not be checked here."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="short forms, a minute or two together")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C does: the services are ended too
    statuses = {0}
    for name in arguments.parts or PARTS:
        try:
            rows = _run(name, is_quick=arguments.quick)
        except* SoakError as errors:
            statuses.add(_FAILED)
            for error in errors.exceptions:
                _say(f"  FAILED: {error}")
        except* NotCheckedError as errors:
            statuses.add(_NOT_CHECKED)
            for reason in errors.exceptions:
                _say(f"  not checked: {reason}")
        else:
            _keep(name, rows, is_quick=arguments.quick)
    return _FAILED if _FAILED in statuses else max(statuses)


def _run(name: str, *, is_quick: bool) -> dict[str, str]:
    _say(name)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rows = PARTS[name](Path(folder), is_quick=is_quick)
    for label, value in rows.items():
        _say(f"  {label}: {value}")
    _say(f"  ({time.monotonic() - started:.0f} s)")
    return rows


def _keep(name: str, rows: dict[str, str], *, is_quick: bool) -> None:
    """Keep the figures of a part, and write the report anew; a short form never replaces a full one."""
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if is_quick and name in results and not results[name]["is_quick"]:
        return
    facts = machine.describe()
    results[name] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{facts['processor']}, {facts['cores']} cores ({len(os.sched_getaffinity(0))} used), "
        f"{facts['memory']}, {facts['system']}, {facts['python']}",
        "is_quick": is_quick,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    text = REPORT.read_text()
    before, rest = text.split(_BEGIN)
    _, after = rest.split(_END)
    REPORT.write_text(before + _BEGIN + _write(results) + _END + after)


def _write(results: dict[str, Any]) -> str:
    lines = []
    for name in PARTS:
        if name in results:
            result = results[name]
            command = f'make soak ARGS="{name} --quick"' if result["is_quick"] else f"make soak ARGS={name}"
            lines += [f"\n### `{command}`, {result['date']}\n", f"On {result['machine']}.\n"]
            lines += ["| | |", "| --- | --- |", *(f"| {label} | {value} |" for label, value in result["rows"].items())]
    return "\n".join([*lines, "", ""])


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
