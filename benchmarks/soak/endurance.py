"""A million mixed requests: memory, descriptors and threads must not grow."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.connection import Request, Response
from benchmarks.load import Outcome, Target, run_count
from benchmarks.soak.requests import MIXED
from benchmarks.soak.service import SoakedService, SoakError, soak

_CONNECTIONS = 16
_STEPS = 10
_MOST_GROWTH = 8 * 2**20
_POOLS = 4  # threads that are started when they are first needed
_SETTLE_S = 1.0  # until the service has noticed that the callers have gone


@dataclass(frozen=True)
class MixedTarget(Target):
    """Knows the status that each request must get."""

    def judge(self, request: Request, response: Response) -> Outcome:
        """Tell what came of a request."""
        return "right" if response.status == MIXED[request.content] else "wrong"


@dataclass(frozen=True)
class Usage:
    """What the workers hold, all together."""

    rss: int
    descriptors: int
    threads: int

    @classmethod
    def measure(cls, service: SoakedService) -> "Usage":
        """Look at all processes of a service."""
        rss = descriptors = threads = 0
        for pid in service.find_processes():
            folder = Path(f"/proc/{pid}")
            fields = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines())
            rss += int(fields["VmRSS"].split()[0]) * 1024
            threads += int(fields["Threads"])
            descriptors += len(list((folder / "fd").iterdir()))
        return cls(rss, descriptors, threads)

    @classmethod
    def find_most(cls, usages: Sequence["Usage"]) -> "Usage":
        """The most of each, over several looks."""
        return cls(
            max(usage.rss for usage in usages),
            max(usage.descriptors for usage in usages),
            max(usage.threads for usage in usages),
        )


def endure(folder: Path, *, is_quick: bool) -> dict[str, str]:
    """Send a million requests, right and wrong ones, to two workers.

    Raises:
        SoakError: an answer had another status than it must have, or something grew in the second half.
    """
    requests = 20_000 if is_quick else 1_000_000
    settings = {"FASHION_LOG_FILE": str(folder / "requests.log"), "FASHION_LOG_FILE_BACKUPS": "1"}
    with soak(folder, workers=2, **settings) as service:
        target = MixedTarget(service.address, [Request(content, ()) for content in MIXED], None)
        usages, seconds = [], 0.0
        for _ in range(_STEPS):
            tally = run_count(target, concurrency=_CONNECTIONS, requests=requests // _STEPS)
            if tally.wrong or tally.failed:
                raise SoakError(f"{tally.wrong} answers with a wrong status, {tally.failed} lost")
            seconds += tally.seconds
            time.sleep(_SETTLE_S)
            usages.append(Usage.measure(service))
        service.stop()
    early, late = Usage.find_most(usages[: _STEPS // 2]), Usage.find_most(usages[_STEPS // 2 :])
    if (
        late.rss > early.rss + _MOST_GROWTH
        or late.descriptors > early.descriptors + _POOLS
        or late.threads > early.threads + _POOLS
    ):
        raise SoakError(f"grew from {early} to {late}")
    return {
        "requests": f"{requests}, {requests / seconds:.0f}/s",
        "memory, most in the first half and in the second": f"{early.rss / 2**20:.1f} MiB, {late.rss / 2**20:.1f} MiB",
        "descriptors": f"{early.descriptors}, {late.descriptors}",
        "threads": f"{early.threads}, {late.threads}",
    }
