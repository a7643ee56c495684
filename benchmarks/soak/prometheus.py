"""A Prometheus that scrapes the service under test, with the project's rules."""

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.connection import Address
from benchmarks.servers import HOST, ROOT, find_free_port
from benchmarks.soak.service import NotCheckedError, SoakError

MONITORING = ROOT / "deploy" / "monitoring"
SCRAPE_S = 1
_KEPT = ROOT / "benchmarks" / ".cache" / "prometheus"
_FASTER = 30
_LONGEST_S = 20
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LIMIT_S = 30.0


@dataclass(frozen=True)
class Series:
    """The values of one series, at times in seconds since the epoch."""

    labels: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def find_firing(self) -> set[str]:
        """The names of the alerts that fire."""
        alerts = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def query(self, expression: str, at: float) -> list[Series]:
        """Ask for the value of an expression at a time."""
        found = self._get("query", query=expression, time=at)["result"]
        return [_read_series(each["metric"], [each["value"]]) for each in found]

    def query_range(self, expression: str, start: float, end: float) -> list[Series]:
        """Ask for the values of an expression between two times."""
        found = self._get("query_range", query=expression, start=start, end=end, step=SCRAPE_S)["result"]
        return [_read_series(each["metric"], each["values"]) for each in found]

    def _get(self, path: str, **parameters: str | float) -> Any:  # noqa: ANN401  # JSON
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=_LIMIT_S) as answer:  # noqa: S310  # our own
            return json.load(answer)["data"]


def _read_series(labels: Mapping[str, str], samples: list[tuple[float, str]]) -> Series:
    return Series(labels, tuple(at for at, _ in samples), tuple(float(value) for _, value in samples))


@contextlib.contextmanager
def watch(folder: Path, metrics: Address) -> Iterator[Prometheus]:
    """A Prometheus that scrapes an address, and is ended.

    Raises:
        NotCheckedError: Prometheus cannot be had here.
        SoakError: it does not start.
    """
    program = find_prometheus()
    (folder / "rules.yml").write_text(json.dumps(shorten_rules(_load("rules.yml"))))
    configuration = _load("prometheus.yml")
    configuration["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}
    target = {"targets": [f"{metrics[0]}:{metrics[1]}"], "labels": {"instance": "soak"}}
    configuration["scrape_configs"][0]["static_configs"] = [target]
    (folder / "prometheus.yml").write_text(json.dumps(configuration))  # JSON is YAML
    address = f"{HOST}:{find_free_port()}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'series'}",
                f"--web.listen-address={address}",
            ],
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        _wait_until_ready(f"http://{address}", folder / "prometheus.log")
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(url: str, log: Path) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while True:
        with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(f"{url}/-/ready"):  # noqa: S310  # our own
            return
        if time.monotonic() > deadline:
            raise SoakError(f"Prometheus does not start: {log.read_text()[-500:]}")
        time.sleep(0.1)


def find_prometheus() -> Path:
    """Find Prometheus, or take it out of Debian's package, once; nothing is installed.

    Raises:
        NotCheckedError: neither can be had.
    """
    if found := shutil.which("prometheus"):
        return Path(found)
    kept = _KEPT / "prometheus"
    if not kept.exists():
        _KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_KEPT) as scratch:
            try:
                _run("apt-get", "download", "prometheus", folder=scratch)
                (package,) = Path(scratch).glob("*.deb")
                _run("dpkg-deb", "--extract", package.name, "unpacked", folder=scratch)
            except (OSError, subprocess.CalledProcessError) as error:
                raise NotCheckedError("Prometheus is not installed, and Debian's package cannot be had") from error
            (Path(scratch) / "unpacked" / "usr" / "bin" / "prometheus").replace(kept)
    return kept


def _run(*command: str, folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603  # our own commands


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((MONITORING / name).read_text())
    return loaded


def shorten_rules(rules: dict[str, Any]) -> dict[str, Any]:
    """Shorten the times of rules, so that an alert that takes minutes to fire takes seconds.

    Each window in an expression and each `for:` becomes a thirtieth of what it is, at most 20 s: 1m is 2s, 5m is 10s,
    and 10m, 15m and 1h are 20s. As scrapes come every second and not every 15 s, a window has about as many as before.
    Names, expressions and limits stay as they are.
    """
    groups = []
    for group in rules["groups"]:
        shortened = []
        for rule in group["rules"]:
            expression = re.sub(r"\[(\w+)\]", lambda window: f"[{_shorten(window[1])}]", rule["expr"])
            waits = {"for": _shorten(rule["for"])} if "for" in rule else {}
            shortened.append(rule | {"expr": expression} | waits)
        groups.append(group | {"rules": shortened})
    return rules | {"groups": groups}


def _shorten(duration: str) -> str:
    seconds = int(duration[:-1]) * _SECONDS[duration[-1]]
    return f"{min(seconds // _FASTER, _LONGEST_S)}s"
