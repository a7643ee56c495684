"""The predictions for the whole test set, with classifiers that tests hold and let go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from fashion_api.data.dataset import Split
from fashion_api.errors import EngineError, NotReadyError, PendingError
from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.inference.classifier import Classifier
from fashion_api.service.batcher import Batcher
from fashion_api.service.survey import Findings, Survey
from tests.clock import put_clock_forward, run, turn_over
from tests.fakes import FailingClassifier, FakeClassifier, NovelClassifier, fake_test_set
from tests.held import HeldClassifier

TEST_SET = fake_test_set(10)
CHUNKS = [[1, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
"""What the fake classifier sees in the test set, a few images at a time."""
TIMEOUT_S = 60.0


@asynccontextmanager
async def survey_of(
    classifier: Classifier, thresholds: NoveltyThresholds | None = None, *, max_queue_size: int = 100
) -> AsyncIterator[tuple[Survey, Batcher]]:
    """A survey and its batcher, which are closed afterwards."""
    batcher = Batcher(classifier, max_batch_size=16, max_queue_size=max_queue_size, timeout_s=TIMEOUT_S)
    survey = Survey(batcher, thresholds, max_queue_size=max_queue_size)
    try:
        yield survey, batcher
    finally:
        await survey.aclose()
        await batcher.aclose()


async def wait_for(survey: Survey, test_set: Split = TEST_SET) -> Findings:
    """Ask until the findings are there."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                return survey.get(test_set)
            except PendingError:
                await asyncio.sleep(0.001)


def test_findings_are_the_models() -> None:
    """Each test image has the class that the model sees, with its probability, and whether that is right."""

    async def test() -> None:
        async with survey_of(FakeClassifier()) as (survey, _):
            findings = await wait_for(survey)
            assert findings.class_ids.tolist() == [1, *range(1, 10)]
            assert findings.is_correct.tolist() == [False] + [True] * 9
            np.testing.assert_allclose(findings.probabilities, 0.91)
            assert findings.novelty is None
            assert findings.is_accepted is None

    run(test)


@pytest.mark.parametrize("class_thresholds", [None, (2.0,) * 9 + (0.5,)], ids=["one", "a class's own"])
def test_novelty_is_relative_to_the_threshold(class_thresholds: tuple[float, ...] | None) -> None:
    """The novelty is a multiple of the predicted class's threshold, and accepted up to 1."""
    images = TEST_SET.images.copy()
    images[8:, -1, -1] = 20
    thresholds = NoveltyThresholds(threshold=2.0, threshold_98=4.0, class_thresholds=class_thresholds)

    async def test() -> None:
        async with survey_of(NovelClassifier(), thresholds) as (survey, _):
            findings = await wait_for(survey, Split(images, TEST_SET.labels, sha256="0" * 64))
            assert findings.novelty is not None
            assert findings.is_accepted is not None
            assert findings.novelty.tolist() == [0.0] * 8 + [1.0, 1.0 if class_thresholds is None else 4.0]
            assert findings.is_accepted.tolist() == [True] * 9 + [class_thresholds is None]

    run(test)


def test_nothing_is_computed_until_it_is_asked_for() -> None:
    """A service whose test set nobody looks through computes nothing."""

    async def test() -> None:
        classifier = HeldClassifier()
        async with survey_of(classifier):
            await turn_over()
            assert classifier.batches == []

    run(test)


def test_progress_is_told() -> None:
    """Until all images are predicted, an error says how many are."""

    async def test() -> None:
        classifier = HeldClassifier()
        async with survey_of(classifier) as (survey, batcher):
            with pytest.raises(PendingError, match="0 of 10"):
                survey.get(TEST_SET)
            await classifier.wait_until_entered()
            classifier.release(1)
            await classifier.wait_until_entered()
            with pytest.raises(PendingError, match="4 of 10"):
                survey.get(TEST_SET)
            classifier.release()
            await wait_for(survey)
            assert classifier.batches == CHUNKS
            assert batcher.waiting_images == 0

    run(test)


def test_it_is_computed_once() -> None:
    """Further requests, while it is computed and afterwards, compute nothing."""

    async def test() -> None:
        classifier = HeldClassifier()
        classifier.release()
        async with survey_of(classifier) as (survey, _):
            found = await wait_for(survey)
            assert survey.get(TEST_SET) is found
            await turn_over()
            assert classifier.batches == CHUNKS

    run(test)


def test_callers_request_is_computed_before_the_next_images() -> None:
    """A request that arrives meanwhile waits for the few images under way, and for no more."""

    async def test() -> None:
        classifier = HeldClassifier()
        async with survey_of(classifier) as (survey, batcher):
            with pytest.raises(PendingError):
                survey.get(TEST_SET)
            await classifier.wait_until_entered()
            asked = [asyncio.create_task(batcher.classify(TEST_SET.images[9:])) for _ in range(2)]
            await turn_over()
            classifier.release()
            await asyncio.gather(*asked)
            await wait_for(survey)
            assert classifier.batches == [CHUNKS[0], [9, 9], *CHUNKS[1:]]

    run(test)


def test_it_waits_while_callers_requests_are_computed() -> None:
    """It begins when the batcher has nothing to do, not beside callers' requests."""

    async def test() -> None:
        classifier = HeldClassifier()
        async with survey_of(classifier) as (survey, batcher):
            first = asyncio.create_task(batcher.classify(TEST_SET.images[9:]))
            await classifier.wait_until_entered()
            with pytest.raises(PendingError):
                survey.get(TEST_SET)
            second = asyncio.create_task(batcher.classify(TEST_SET.images[8:9]))
            await turn_over()
            assert batcher.waiting_images == 1
            classifier.release()
            await asyncio.gather(first, second)
            await wait_for(survey)
            assert classifier.batches == [[9], [8], *CHUNKS]

    run(test)


def test_small_queue_gets_as_much_as_it_takes() -> None:
    """With a queue of two images, two are given at a time."""

    async def test() -> None:
        classifier = HeldClassifier()
        classifier.release()
        async with survey_of(classifier, max_queue_size=2) as (survey, _):
            await wait_for(survey)
            assert {len(batch) for batch in classifier.batches} == {2}

    run(test)


def test_stopped_it_computes_no_more() -> None:
    """After it was stopped, the images under way are the last, and who asks is told so."""

    async def test() -> None:
        classifier = HeldClassifier()
        async with survey_of(classifier) as (survey, batcher):
            with pytest.raises(PendingError):
                survey.get(TEST_SET)
            await classifier.wait_until_entered()
            survey.stop()
            classifier.release()
            await batcher.wait_until_idle()
            await turn_over()
            for _ in range(2):
                with pytest.raises(NotReadyError):
                    survey.get(TEST_SET)
            assert classifier.batches == CHUNKS[:1]

    run(test)


def test_closed_it_leaves_the_queue_at_once() -> None:
    """Closing waits for no image that is not yet computed."""

    async def test() -> None:
        classifier = HeldClassifier()
        async with survey_of(classifier) as (survey, batcher):
            with pytest.raises(PendingError):
                survey.get(TEST_SET)
            await classifier.wait_until_entered()
            await survey.aclose()
            with pytest.raises(NotReadyError):
                survey.get(TEST_SET)
            classifier.release()
            await batcher.wait_until_idle()
            assert classifier.batches == CHUNKS[:1]

    run(test)


def test_failure_of_the_model_is_told_and_the_next_request_begins_anew() -> None:
    """Where the model fails on an image, who asks gets the error; another request tries again."""

    async def test() -> None:
        classifier = FailingClassifier([5])
        async with survey_of(classifier) as (survey, _):
            with pytest.raises(EngineError):
                await wait_for(survey)
            classifier.classes = []
            assert len((await wait_for(survey)).class_ids) == 10

    run(test)


def test_model_that_stood_still_is_asked_again() -> None:
    """Images whose deadline passed while the model stood still are given to it again."""

    async def test() -> None:
        classifier = HeldClassifier()
        async with survey_of(classifier) as (survey, _):
            with pytest.raises(PendingError):
                survey.get(TEST_SET)
            await classifier.wait_until_entered()
            await put_clock_forward(TIMEOUT_S + 1)
            classifier.release()
            for _ in CHUNKS:
                await classifier.wait_until_entered()
            assert classifier.batches == [CHUNKS[0], *CHUNKS]

    run(test)
