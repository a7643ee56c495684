#!/usr/bin/env python3
"""Audit the locked packages: known vulnerabilities, licences, and a list of them in CycloneDX.

usage: audit.py    the lists go to dist/sbom/

Exit status: 0 where all is well; 1 where something is wrong; 2 where nothing is, but something could not be checked.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
LISTS = ROOT / "dist" / "sbom"
WELL, WRONG, NOT_CHECKED = 0, 1, 2

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", re.MULTILINE)
_PARTS = re.compile(r"\s+(?:AND|OR|WITH)\s+|\s*[();]\s*")


def main() -> int:
    """Audit, and say what was found."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["audit"]
    pins = sorted({name for path in REQUIREMENTS.glob("*.txt") for name in read_pins(path.read_text())})
    statuses = [
        check_licences(pins, find_licences(), allowed=settings["allowed"], reviewed=settings["reviewed"]),
        write_lists(),
        check_vulnerabilities(*ask_pip_audit()),
    ]
    return WRONG if WRONG in statuses else max(statuses)


def read_pins(text: str) -> list[str]:
    """Give the names of the packages that a requirements file pins."""
    return [_normalise(name) for name in _PIN.findall(text)]


def find_licences() -> dict[str, str]:
    """Give the licence of each installed package, as its metadata has it."""
    done = _run("piplicenses", "--format=json", "--from=mixed", "--with-system")
    return {_normalise(package["Name"]): package["License"] for package in json.loads(done.stdout)}


def check_licences(
    pins: Sequence[str], found: Mapping[str, str], *, allowed: Collection[str], reviewed: Mapping[str, str]
) -> int:
    """Print the licences of the pinned packages, and check that each is allowed.

    Args:
        pins: the names of the packages.
        found: the licence of those that are installed.
        allowed: the licences that may be.
        reviewed: the licences of packages that do not name theirs, or are for other platforms, read by a person.
    """
    by_licence: defaultdict[str, list[str]] = defaultdict(list)
    for name in pins:
        by_licence[reviewed.get(name) or found.get(name, "UNKNOWN")].append(name)
    for licence, names in sorted(by_licence.items(), key=lambda item: -len(item[1])):
        _say(f"{len(names):4}  {licence}: {', '.join(names)}")
    refused = {licence: names for licence, names in by_licence.items() if not is_allowed(licence, allowed)}
    for licence, names in refused.items():
        _say(f"licences: {licence!r} of {', '.join(names)} is not among those that pyproject.toml allows")
    return WRONG if refused else WELL


def is_allowed(licence: str, allowed: Collection[str]) -> bool:
    """Tell whether every licence that an expression names is allowed, those of a choice too."""
    return licence in allowed or set(filter(None, _PARTS.split(licence))) <= set(allowed)


def write_lists() -> int:
    """Write the list of each requirements file's packages, in CycloneDX."""
    LISTS.mkdir(parents=True, exist_ok=True)
    for path in sorted(REQUIREMENTS.glob("*.txt")):
        target = LISTS / f"{path.stem}.cdx.json"
        options = ("--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--output-file", str(target))
        done = _run("cyclonedx_py", "requirements", str(path), *options)
        if done.returncode:
            _say(f"list: {target.name} could not be written: {done.stderr.strip()}")
            return WRONG
        _say(f"list: {target.relative_to(ROOT)}")
    return WELL


def ask_pip_audit() -> tuple[str, str]:
    """Give what pip-audit writes of the pinned packages to standard output and standard error."""
    requirements = [f"--requirement={REQUIREMENTS / name}" for name in ("dev.txt", "docs.txt")]
    done = _run(
        "pip_audit",
        *requirements,
        "--require-hashes",
        "--disable-pip",
        "--format=json",
        "--progress-spinner=off",
        "--timeout=10",
    )
    return done.stdout, done.stderr


def check_vulnerabilities(report: str, errors: str) -> int:
    """Print the known vulnerabilities in a report of pip-audit, and which packages its database did not have."""
    try:
        packages = json.loads(report)["dependencies"]
    except ValueError:
        reason = errors.strip().rpartition("\n")[2]
        _say(f"vulnerabilities: not checked; the database cannot be reached ({reason:.200})")
        return NOT_CHECKED
    found = [(package, known) for package in packages for known in package.get("vulns", ())]
    for package, known in found:
        mended = ", ".join(known["fix_versions"]) or "no version"
        _say(f"vulnerabilities: {package['name']} {package['version']} has {known['id']}, mended in {mended}")
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        _say(f"vulnerabilities: not checked for {len(skipped)} of {len(packages)} packages, which the database lacks")
    if found:
        return WRONG
    if skipped or not packages:
        return NOT_CHECKED
    _say(f"vulnerabilities: none known in {len(packages)} packages")
    return WELL


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own command


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
