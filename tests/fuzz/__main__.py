"""Fuzzes each target for a while: `make fuzz ARGS="--seconds 20 --only json"`."""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
SEEDS = Path(__file__).parent / "corpus"
WORK = ROOT / ".fuzz"
MOST_MEMORY_MIB = 1024
INPUT_LIMIT_S = 10


def main() -> int:
    """Fuzz, and say what was found; gives the exit status."""
    options = _parse()
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("fuzzing needs atheris, which has wheels for Linux on x86-64 only\n")
        return 2
    found = [name for name in options.only or TARGETS if not _fuzz(name, options.seconds)]
    for name in found:
        sys.stdout.write(f"{name}: see above; add its input, in {WORK / name / 'found'}, to {SEEDS / name}\n")
    return 1 if found else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description="Look for inputs that break a reader or the server.")
    parser.add_argument("--seconds", type=int, default=600, help="for each target (default: 600)")
    parser.add_argument("--only", action="append", choices=TARGETS, help="this target; may be repeated (default: all)")
    return parser.parse_args()


def _fuzz(name: str, seconds: int) -> bool:
    """Fuzz one target; tells whether nothing was found. Inputs that reach new lines are kept for the next time."""
    kept, found = WORK / name / "kept", WORK / name / "found"
    for folder in (kept, found):
        folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"{name}: {seconds} s\n")
    sys.stdout.flush()
    command = [
        *(sys.executable, "-m", "tests.fuzz.engine", name),
        f"-max_total_time={seconds}",
        f"-max_len={TARGETS[name].max_bytes}",
        f"-timeout={INPUT_LIMIT_S}",
        f"-rss_limit_mb={MOST_MEMORY_MIB}",
        f"-artifact_prefix={found}{os.sep}",
        "-print_final_stats=1",
        str(kept),
        str(SEEDS / name),
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0  # noqa: S603  # our own command


if __name__ == "__main__":
    sys.exit(main())
