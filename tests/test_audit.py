"""`make audit`: what it makes of pins, licences and reports of vulnerabilities."""

import json
import runpy
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LOCKED = [ROOT / "requirements" / name for name in ("dev.txt", "docs.txt")]
ALLOWED = ("MIT", "Apache-2.0", "MPL-2.0", "BSD License (BSD)")


@pytest.fixture(scope="module")
def audit() -> dict[str, Any]:
    """The names of the script."""
    return runpy.run_path(str(ROOT / "scripts" / "audit.py"))


def make_report(*packages: Mapping[str, object]) -> str:
    """What pip-audit writes."""
    return json.dumps({"dependencies": packages, "fixes": []})


SOUND = {"name": "sound", "version": "1", "vulns": []}
BROKEN = {"name": "broken", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "not in the database"}


@pytest.mark.parametrize(
    ("report", "status", "said"),
    [
        (make_report(SOUND), 0, "none known in 1 packages"),
        (make_report(SOUND, BROKEN), 1, "broken 1 has CVE-1, mended in 2"),
        (make_report(SOUND, UNKNOWN), 2, "not checked for 1 of 2 packages"),
        (make_report(BROKEN, UNKNOWN), 1, "not checked for 1 of 2 packages"),
        (make_report(), 2, ""),
        ("", 2, "not checked; the database cannot be reached (ConnectionError)"),
        ("Traceback", 2, "not checked; the database cannot be reached"),
    ],
    ids=["sound", "vulnerable", "a package unknown", "both", "no package", "no database", "no report"],
)
def test_vulnerabilities(
    audit: dict[str, Any], capsys: pytest.CaptureFixture[str], report: str, status: int, said: str
) -> None:
    """Nothing passes as checked that was not; a known vulnerability counts for more than a missing database."""
    assert audit["check_vulnerabilities"](report, "Traceback\nConnectionError") == status
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", True),
        ("MIT AND MPL-2.0", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("MIT; Apache-2.0", True),
        ("BSD License (BSD)", True),
        ("GPL-3.0-only", False),
        ("MIT AND LGPL-2.1-only", False),
        ("MIT OR GPL-2.0-only", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("UNKNOWN", False),
    ],
)
def test_licence(audit: dict[str, Any], licence: str, *, expected: bool) -> None:
    """A licence passes where all of its parts are allowed."""
    assert audit["is_allowed"](licence, ALLOWED) is expected


@pytest.mark.parametrize(
    ("found", "reviewed", "status"),
    [({"a": "MIT"}, {}, 0), ({}, {"a": "MIT"}, 0), ({}, {}, 1), ({"a": "GPL-3.0-only"}, {}, 1)],
    ids=["installed", "reviewed", "unknown", "refused"],
)
def test_licence_of_a_package(
    audit: dict[str, Any], found: dict[str, str], reviewed: dict[str, str], status: int
) -> None:
    """A package's licence is known, from it or from a person, and allowed."""
    assert audit["check_licences"](["a"], found, allowed=ALLOWED, reviewed=reviewed) == status


def test_pins_are_read(audit: dict[str, Any]) -> None:
    """A pin may have extras and a marker, and its name any spelling."""
    text = "Foo.Bar[x]==1 ; sys_platform == 'win32' \\\n    --hash=sha256:0\n    # via b==2\nbaz==2\n"
    assert audit["read_pins"](text) == ["foo-bar", "baz"]


def test_every_locked_package_has_an_allowed_licence(audit: dict[str, Any]) -> None:
    """No package is locked whose licence is unknown or not allowed."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["audit"]
    pins = [name for path in LOCKED for name in audit["read_pins"](path.read_text())]
    assert audit["check_licences"](pins, audit["find_licences"](), **settings) == 0


def test_licences_that_were_reviewed_are_of_locked_packages(audit: dict[str, Any]) -> None:
    """What nobody installs any more needs no review."""
    reviewed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["audit"]["reviewed"]
    assert set(reviewed) <= {name for path in LOCKED for name in audit["read_pins"](path.read_text())}
