"""The service beside an earlier revision of itself."""

import io
import subprocess
import tarfile
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.inputs import CACHE
from benchmarks.lineup import GRANIAN, SERVICE, Contender
from benchmarks.load import Target, run_closed
from benchmarks.measure import CONCURRENCIES, WARM_UP_S, Bench, check
from benchmarks.results import Comparison, Throughputs
from benchmarks.servers import ROOT, ContenderError, verify

REVISION = "6616e26"
"""The last one that spoke no inference protocol."""
EARLIER = replace(SERVICE, name="before", title="before")
SIDE_BY_SIDE = (EARLIER, SERVICE, GRANIAN)
COMPARED_AT = CONCURRENCIES[1:]


def compare(bench: Bench, revision: str, rounds: int) -> Comparison:
    """Run them all at once on one core, and ask one after the other, so that they share what the machine does.

    Raises:
        ContenderError: the revision is not there, one does not start, or one answers wrongly.
    """
    source = extract_revision(revision) / "src"
    with ExitStack() as stack:
        targets: dict[str, Mapping[str, Target]] = {}
        for contender in SIDE_BY_SIDE:
            settings = {"PYTHONPATH": str(source)} if contender is EARLIER else None
            targets[contender.name] = start(bench, stack, contender, forms=SERVICE.forms, settings=settings)
        return Comparison(
            revision,
            [
                measure_round(bench, targets, number, forms=SERVICE.forms, concurrencies=COMPARED_AT)
                for number in range(rounds)
            ],
        )


def start(
    bench: Bench,
    stack: ExitStack,
    contender: Contender,
    *,
    forms: Sequence[str],
    settings: Mapping[str, str] | None = None,
) -> dict[str, Target]:
    """Start a contender that runs until the stack is left; gives its requests by form, each of which was verified.

    Raises:
        ContenderError: it does not start, or answers wrongly.
    """
    server = stack.enter_context(bench.run(contender, settings=settings))
    targets = {form: bench.target(contender, server, form) for form in forms}
    server.wait_for(targets[forms[0]])
    for target in targets.values():
        verify(target)
    return targets


def find_model(revision: str) -> Path:
    """Give the model that a revision serves, which both can read.

    Raises:
        ContenderError: there is no such revision here.
    """
    return extract_revision(revision) / "models" / "fashion_mnist.h5"


def measure_round(
    bench: Bench,
    targets: Mapping[str, Mapping[str, Target]],
    number: int,
    *,
    forms: Sequence[str],
    concurrencies: Sequence[int],
) -> Throughputs:
    """Ask running servers, by name and form, at each concurrency; who is asked first changes from round to round.

    Raises:
        ContenderError: one answers wrongly.
    """
    names = deque(targets)
    names.rotate(number)
    round_: Throughputs = {name: {} for name in names}
    for form in forms:
        for concurrency in concurrencies:
            for name in names:
                target = targets[name][form]
                tally = run_closed(target, concurrency=concurrency, seconds=bench.seconds, warm_up_s=WARM_UP_S)
                round_[name].setdefault(form, {})[concurrency] = check(tally).throughput
    return round_


def extract_revision(revision: str) -> Path:
    """Put a revision's source and models into the cache, and give their folder.

    Raises:
        ContenderError: there is no such revision here.
    """
    try:
        commit = _git("rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()
        folder = CACHE / "revisions" / commit
        if not folder.is_dir():
            with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", commit, "src", "models"))) as archive:
                archive.extractall(folder, filter="data")
    except subprocess.CalledProcessError as error:
        raise ContenderError(f"there is no revision {revision} here: {error.stderr.decode().strip()}") from error
    return folder


def _git(*arguments: str) -> bytes:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603  # our own
