"""Closed loops by compiled load generators: `wrk` for HTTP/1.1, and `h2load` for gRPC.

Both run on the cores of the process that starts them. Each must find every answer to be right as far as it can look:
its status and its size.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import NamedTuple

import numpy as np

from benchmarks.connection import Address
from benchmarks.servers import ContenderError

PROGRAMS = ("wrk", "h2load")
_SCRIPT = Path(__file__).with_name("wrk.lua")
_LONGEST_START_S = 30
_MICROSECONDS = 1e6
_FRAME_BYTES = 5
"""What gRPC writes before each message: a flag, and its length."""


@dataclass(frozen=True)
class Burst:
    """What came of one run."""

    answers: int
    throughput: float
    """Right answers a second."""
    p50_ms: float
    processor_us: float = 0.0
    """Processor time of the server, an answer."""


def find_missing() -> list[str]:
    """List the programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def run_wrk(
    address: Address, requests: Sequence[bytes], *, body_bytes: tuple[int, int], concurrency: int, seconds: float
) -> Burst:
    """Keep `concurrency` requests under way, each on its own connection.

    Args:
        address: of the server.
        requests: as they go over the wire; they are sent one after the other, and again from the first.
        body_bytes: the least and the most that the body of a right answer has.
        concurrency: how many are under way.
        seconds: how long; `wrk` knows whole seconds only.

    Raises:
        ContenderError: there was no answer, or a wrong one.
    """
    with NamedTemporaryFile() as file:
        file.write(b"".join(b"%d\n%b" % (len(request), request) for request in requests))
        file.flush()
        url = f"http://{address[0]}:{address[1]}"
        load = ["--threads", "1", "--connections", str(concurrency), "--duration", f"{_whole(seconds)}s"]
        output = _run(
            ["wrk", *load, "--script", str(_SCRIPT), url, "--", file.name, *map(str, body_bytes)], seconds
        ).stderr
    try:
        counts = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        raise ContenderError(f"wrk gave no figures: {output.strip()[-300:]}") from None
    if counts["bad"] or not counts["answers"]:
        raise ContenderError(f"gave {counts['answers']} answers to wrk, and {counts['bad']} of them were wrong")
    return Burst(counts["answers"], counts["answers"] / counts["seconds"], counts["p50_ms"])


class Rpc(NamedTuple):
    """A gRPC call with one message each way."""

    path: str
    """Of the method."""
    message: bytes
    """What is sent."""
    answer_bytes: int
    """The size of the message of a right answer."""


def run_h2load(address: Address, rpc: Rpc, *, concurrency: int, seconds: float) -> Burst:
    """Keep `concurrency` gRPC calls under way, each on its own connection.

    Args:
        address: of the server.
        rpc: what is called.
        concurrency: how many are under way.
        seconds: how long, in whole seconds.

    Raises:
        ContenderError: there was no answer, or a wrong one.
    """
    with TemporaryDirectory() as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(b"\0" + len(rpc.message).to_bytes(4, "big") + rpc.message)
        load = ["--clients", str(concurrency), "--max-concurrent-streams", "1", "--duration", str(_whole(seconds))]
        headers = ["--header", "content-type: application/grpc", "--header", "te: trailers"]
        url = f"http://{address[0]}:{address[1]}{rpc.path}"
        output = _run(["h2load", *load, *headers, "--data", str(body), "--log-file", str(log), url], seconds).stdout
        durations = np.loadtxt(log, usecols=2, ndmin=1) if log.is_file() and log.stat().st_size else np.zeros(0)
    answers, succeeded, data = (_read_count(output, *words) for words in _COUNTS)
    expected = answers * (_FRAME_BYTES + rpc.answer_bytes)
    if not answers or succeeded != answers or data != expected:
        raise ContenderError(
            f"gave h2load {answers} answers, {succeeded} with status 200, of {data} bytes: not {expected}"
        )
    return Burst(answers, answers / _whole(seconds), float(np.median(durations)) / _MICROSECONDS * 1e3)


_COUNTS = (("requests: ", " done"), ("requests: ", " succeeded"), ("traffic: ", " data"))
"""Where h2load's output has the answers, those with a status of 2xx, and the bytes of all messages."""


def _read_count(output: str, line: str, what: str) -> int:
    """Read a count, as in `requests: 9 total, 9 started, …` and `traffic: 1KB (1024) total, …`."""
    rest = next((each for each in output.splitlines() if each.startswith(line)), "")
    words = next((part for part in rest.removeprefix(line).split(", ") if part.endswith(what)), "0")
    return int(words.removesuffix(what).rpartition("(")[2].rstrip(")") or 0)


def _whole(seconds: float) -> int:
    return max(1, round(seconds))


def _run(command: Sequence[str], seconds: float) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603  # our own
            command, capture_output=True, text=True, check=False, timeout=_whole(seconds) + _LONGEST_START_S
        )
    except subprocess.TimeoutExpired:
        raise ContenderError(f"left {command[0]} without answers") from None
