"""What the model has done so far, in sums: the statistics that clients of the inference protocols read."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from fashion_api.service.events import Batch, Work


@dataclass(slots=True)
class Total:
    """How often something was done, and how long that took together."""

    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Add one more."""
        self.count += 1
        self.seconds += seconds

    @property
    def nanoseconds(self) -> int:
        """How long it took together."""
        return int(self.seconds * 1e9)


@dataclass(slots=True)
class Statistics:
    """Sums of one worker since it started, over all protocols and all models that it has served; none ever falls.

    To be used on the event loop.
    """

    answered: Total = field(default_factory=Total)
    """Requests whose images were classified: from the whole body to the reply's bytes."""
    failed: Total = field(default_factory=Total)
    """Requests whose images were read, and that got no answer: no room, no time, a failure, or the caller has gone."""
    decoded: Total = field(default_factory=Total)
    """Of those answered: from the whole body to pixels."""
    queued: Total = field(default_factory=Total)
    """The same: from the batcher's queue to the first batch."""
    computed: Total = field(default_factory=Total)
    """The same: from the first batch to the predictions."""
    encoded: Total = field(default_factory=Total)
    """The same: from the predictions to the reply's bytes."""
    images: int = 0
    """Images that were computed, also for other purposes than a request."""
    batches: int = 0
    """Batches that they were computed in."""
    by_batch_size: dict[int, Total] = field(default_factory=dict)
    """The batches of each number of images."""
    last_batch_at_s: float = 0.0
    """Seconds since 1970 at which the last batch was computed; 0 before the first one."""

    def add_answered(self, work: Work) -> None:
        """Add a request that is answered."""
        self.answered.add(work.decode_s + work.queue_s + work.compute_s + work.encode_s)
        self.decoded.add(work.decode_s)
        self.queued.add(work.queue_s)
        self.computed.add(work.compute_s)
        self.encoded.add(work.encode_s)

    def add_batches(self, batches: Sequence[Batch]) -> None:
        """Add batches that are over."""
        for batch in batches:
            self.images += batch.images
            self.batches += 1
            self.by_batch_size.setdefault(batch.images, Total()).add(batch.ended_at - batch.started_at)
        if batches:
            at_s = time.time() - (time.perf_counter() - batches[-1].ended_at)
            self.last_batch_at_s = max(self.last_batch_at_s, at_s)
