"""A million mixed requests: memory, descriptors and threads must not grow."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.connection import Request, Response
from benchmarks.load import Outcome, Target, run_count
from benchmarks.soak.requests import MIXED
from benchmarks.soak.service import SoakedService, SoakError, soak

_CONNECTIONS = 16
_STEPS = 10
_MOST_GROWTH = 8 * 2**20


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


def endure(folder: Path, *, is_quick: bool) -> dict[str, str]:
    """Send a million requests, right and wrong ones, to two workers.

    Raises:
        SoakError: an answer had another status than it must have, or something grew after the first fifth.
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
            usages.append(Usage.measure(service))
        service.stop()
    early, late = usages[1], usages[-1]
    if late.rss > early.rss + _MOST_GROWTH or late.descriptors > early.descriptors or late.threads > early.threads:
        raise SoakError(f"grew from {early} to {late}")
    return {
        "requests": f"{requests}, {requests / seconds:.0f}/s",
        "memory after a fifth and at the end": f"{early.rss / 2**20:.1f} MiB, {late.rss / 2**20:.1f} MiB",
        "descriptors": f"{early.descriptors}, {late.descriptors}",
        "threads": f"{early.threads}, {late.threads}",
    }
