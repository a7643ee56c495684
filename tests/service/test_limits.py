"""Limits on whole requests and on the memory of bodies."""

import pytest

from fashion_api.errors import OverloadedError
from fashion_api.inference.manifest import InputSpec
from fashion_api.service.limits import (
    UNCOUNTED_BODY_BYTES,
    BodyMemory,
    HeldBody,
    RequestLimit,
    find_max_explained,
    find_max_images,
)
from fashion_api.settings import Settings

LARGE = UNCOUNTED_BODY_BYTES + 1


class FakeReader:
    """Remembers whether its wait was ended."""

    def __init__(self) -> None:
        self.is_over = False

    def end(self) -> None:
        self.is_over = True


def hold(memory: BodyMemory, size: int, now: float) -> HeldBody:
    """A body of which so many bytes have come, whose reader waits for more."""
    body = memory.hold()
    body.reader = FakeReader()
    body.add(size, now)
    return body


def is_over(body: HeldBody) -> bool:
    """Whether the wait for more of a body was ended."""
    assert isinstance(body.reader, FakeReader)
    return body.reader.is_over


def test_request_limit_takes_as_many_as_it_says() -> None:
    """A request is refused while as many as there may be are under way, and taken again after one has ended."""
    limit = RequestLimit(2)
    limit.under_way = 1
    limit.check()
    limit.under_way = 2
    with pytest.raises(OverloadedError, match="2 requests are under way"):
        limit.check()
    limit.under_way = 1
    limit.check()


def test_bytes_of_large_bodies_are_counted_until_they_end() -> None:
    """Large bodies count with all of their bytes, as long as they are held."""
    memory = BodyMemory(10 * LARGE)
    with memory.hold() as first:
        first.add(LARGE, now=0)
        with memory.hold() as second:
            second.add(LARGE, now=0)
            second.add(5, now=0)
            assert memory.held_bytes == 2 * LARGE + 5
        assert memory.held_bytes == LARGE
    assert memory.held_bytes == 0


def test_small_bodies_are_never_refused() -> None:
    """However full the memory is, bodies of up to 64 KiB are taken, and do not count."""
    memory = BodyMemory(LARGE)
    hold(memory, LARGE, now=0)
    small = [hold(memory, UNCOUNTED_BODY_BYTES, now=0) for _ in range(100)]
    assert (memory.held_bytes, len(small)) == (LARGE, 100)


def test_body_without_room_is_refused() -> None:
    """A large body is refused where those that are still arriving leave no room, and none of them is given up."""
    memory = BodyMemory(2 * LARGE)
    arriving = [hold(memory, LARGE, now=0) for _ in range(2)]
    with pytest.raises(OverloadedError, match="in memory already"):
        hold(memory, LARGE, now=0.9)
    assert [is_over(body) for body in arriving] == [False, False]


def test_bodies_that_have_stalled_longest_give_way() -> None:
    """For a large body, those that have not grown for a second are given up, longest first, and no more than needed."""
    memory = BodyMemory(3 * LARGE)
    second, first, third = (hold(memory, LARGE, now=now) for now in (0.0, 0.1, 0.2))
    second.add(0, now=0.3)  # now the first has stalled longest
    hold(memory, LARGE, now=2)
    assert [is_over(body) for body in (first, second, third)] == [True, False, False]
    assert memory.held_bytes == 3 * LARGE


def test_body_that_gave_way_says_so() -> None:
    """A body that was given up tells its caller that it stalled; one that was not says nothing."""
    memory = BodyMemory(LARGE)
    stalled = hold(memory, LARGE, now=0)
    taken = hold(memory, LARGE, now=2)
    taken.check()
    with pytest.raises(OverloadedError, match="the body stalled"):
        stalled.check()


def test_no_body_gives_way_in_vain() -> None:
    """Where giving up those that have stalled would not make enough room, none is given up."""
    memory = BodyMemory(2 * LARGE)
    stalled = hold(memory, LARGE, now=0)
    hold(memory, LARGE, now=1.9)
    with pytest.raises(OverloadedError):
        hold(memory, 2 * LARGE, now=2)
    assert not is_over(stalled)


def test_whole_body_never_gives_way() -> None:
    """A body that is whole, and is being decoded, is not given up however long that takes."""
    memory = BodyMemory(LARGE)
    whole = hold(memory, LARGE, now=0)
    whole.finish()
    with pytest.raises(OverloadedError):
        hold(memory, LARGE, now=1000)
    assert not is_over(whole)


def test_body_that_nobody_reads_can_give_way() -> None:
    """A stalled body without a reader leaves the memory all the same."""
    memory = BodyMemory(LARGE)
    memory.hold().add(LARGE, 0)
    hold(memory, LARGE, now=2)
    assert memory.held_bytes == LARGE


@pytest.mark.parametrize(
    ("spec", "images", "explained"),
    [
        (InputSpec(height=28, width=28), 256, 4),
        (InputSpec(height=512, width=512), 256, 2),
        (InputSpec(height=1024, width=1024, channels=3), 21, 1),
        (InputSpec(height=8192, width=8192, channels=3), 1, 1),
    ],
    ids=["usual", "large", "large in colour", "larger than the memory"],
)
def test_pixels_of_a_request_are_bounded(spec: InputSpec, images: int, explained: int) -> None:
    """A request may hold fewer images where they are so large that small files would fill the memory."""
    settings = Settings(_env_file=None)
    assert (find_max_images(settings, spec), find_max_explained(settings, spec)) == (images, explained)
