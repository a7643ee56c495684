"""What is counted of requests, and how Prometheus is given it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import exposition as openmetrics

from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.inference.manifest import read_manifest
from fashion_api.service.events import RequestEvent, Work
from fashion_api.service.metrics import Histogram, Metrics
from fashion_api.settings import FASHION_MNIST_LABELS
from tests.fakes import FakeClassifier, NovelClassifier, fake_model
from tests.servers import ROOT


def event(
    route: str | None = "/predict",
    *,
    method: str = "GET",
    status: int = 200,
    refusal: str | None = None,
    work: Work | None = None,
) -> RequestEvent:
    """A request that is over."""
    return RequestEvent(0.0, method, route, status, 20.0, "id", refusal, work)


def find(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    """A sample of a metric."""
    return metrics.registry.get_sample_value(name, labels)


def test_many_values_are_observed_as_one_at_a_time() -> None:
    """Buckets, count and sum are those of the library's own way."""
    amounts = [0.0, 1.0, 1.5, 2.0, 7.0]
    registries = CollectorRegistry(), CollectorRegistry()
    together, alone = (Histogram("h", "", buckets=(1, 2), registry=registry) for registry in registries)
    together.observe_all(amounts)
    for amount in amounts:
        alone.observe(amount)
    ours, theirs = (
        [
            (sample.name, sample.labels, sample.value)
            for family in registry.collect()
            for sample in family.samples
            if sample.name != "h_created"
        ]
        for registry in registries
    )
    assert ours == theirs


def test_requests_are_counted_by_route_method_and_status() -> None:
    """An answer adds one to the counter of its kind, and its duration to its route's histogram."""
    metrics = Metrics()
    metrics.count_requests([event(), event(), event(status=503, refusal="overloaded")])
    assert find(metrics, "fashion_requests_total", route="/predict", method="GET", status="200") == 2
    assert find(metrics, "fashion_requests_total", route="/predict", method="GET", status="503") == 1
    assert find(metrics, "fashion_refusals_total", reason="overloaded") == 1
    assert find(metrics, "fashion_request_duration_seconds_count", route="/predict") == 3
    assert find(metrics, "fashion_request_duration_seconds_bucket", route="/predict", le="0.01") == 0


def test_invented_methods_and_paths_add_no_series() -> None:
    """What callers make up is counted under one name."""
    metrics = Metrics()
    metrics.count_requests([event(None, method=f"BREW{number}", status=405) for number in range(100)])
    assert find(metrics, "fashion_requests_total", route="(no route)", method="other", status="405") == 100


def test_requests_of_several_models_and_routes_are_told_apart() -> None:
    """In one flush, each route has its durations, and each model's classes go by its own labels."""
    first, second = fake_model(), replace(fake_model(), labels=tuple("abcdefghij"))
    predictions = FakeClassifier().classify(np.full((2, 28, 28), 3, np.uint8))
    metrics = Metrics()
    metrics.count_requests(
        [
            event("/predict", work=Work(first, 2, predictions, 0.1, 0.1, 0.1, 0.1, 0.1)),
            event("/livez"),
            event("/predict", work=Work(second, 2, predictions, 0.1, 0.1, 0.1, 0.1, 0.1)),
        ]
    )
    assert find(metrics, "fashion_request_duration_seconds_count", route="/predict") == 2
    assert find(metrics, "fashion_request_duration_seconds_count", route="/livez") == 1
    assert find(metrics, "fashion_predictions_total", label="Dress", accepted="unknown") == 2
    assert find(metrics, "fashion_predictions_total", label="d", accepted="unknown") == 2


@pytest.mark.parametrize(
    ("classifier", "accepted"),
    [(NovelClassifier(), ["true", "false"]), (FakeClassifier(), ["unknown", "unknown"])],
    ids=["calibrated", "not calibrated"],
)
def test_predictions_are_counted_by_class_and_acceptance(classifier: Classifier, accepted: list[str]) -> None:
    """An image over its class's novelty threshold counts as not accepted; without a threshold nothing is known."""
    model = fake_model(classifier)
    probabilities = np.full((2, 10), 0.01, np.float32)
    probabilities[0, 3] = probabilities[1, 4] = 0.91
    novelty = np.array([0.0, 1e6], np.float32)
    metrics = Metrics()
    metrics.count_requests(
        [event(work=Work(model, 2, Predictions(probabilities, novelty), 0.0, 0.001, 0.002, 0.003, 0.004))]
    )
    for class_id, is_accepted in zip((3, 4), accepted, strict=True):
        label = model.labels[class_id]
        assert find(metrics, "fashion_predictions_total", label=label, accepted=is_accepted) == 1
    assert find(metrics, "fashion_top_probability_bucket", le="0.9") == 0
    assert find(metrics, "fashion_top_probability_bucket", le="0.95") == 2
    assert find(metrics, "fashion_queue_wait_seconds_sum") == pytest.approx(0.002)


def test_openmetrics_are_given_on_request() -> None:
    """`Accept` chooses between Prometheus text and OpenMetrics."""
    metrics = Metrics()
    assert metrics.write("")[1].startswith("text/plain; version=0.0.4")
    content, media_type = metrics.write("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith(openmetrics.CONTENT_TYPE_LATEST.partition(";")[0])
    assert content.endswith(b"# EOF\n")


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=abc", "text/plain;version=x.y"])
def test_version_that_is_none_is_passed_over(accept: str) -> None:
    """What no scraper asks for is answered as text, and is no fault of the service."""
    content, media_type = Metrics().write(accept)
    assert media_type.startswith("text/plain; version=0.0.4")
    assert b"fashion_build_info" in content


def test_images_that_no_caller_sent_are_no_predictions() -> None:
    """The parts of an explanation are computed, and their time counts, but they say nothing about what callers send."""
    metrics = Metrics()
    metrics.count_requests([event(work=Work(fake_model(), 101, None, 0.0, 0.001, 0.002, 0.003, 0.004))])
    assert find(metrics, "fashion_compute_seconds_count") == 1
    assert find(metrics, "fashion_top_probability_count") == 0


def evaluated_model(accepted: float | None) -> LoadedModel:
    """A model that took 3 of 10 test images for trousers, and the others for T-shirts."""
    model = fake_model(NovelClassifier())
    manifest = read_manifest(ROOT / "models" / "fashion_mnist.h5")
    assert manifest is not None
    assert manifest.evaluation is not None
    assert manifest.evaluation.novelty is not None
    assert manifest.evaluation.novelty.articles is not None
    articles = manifest.evaluation.novelty.articles.model_copy(update={"accepted": accepted})
    novelty = manifest.evaluation.novelty.model_copy(update={"articles": None if accepted is None else articles})
    matrix = ((4, 1, *[0] * 8), (3, 2, *[0] * 8))
    evaluation = manifest.evaluation.model_copy(update={"images": 10, "confusion_matrix": matrix, "novelty": novelty})
    return replace(model, version="evaluated", manifest=manifest.model_copy(update={"evaluation": evaluation}))


def test_shares_of_the_test_set_are_those_of_the_manifest() -> None:
    """What a model made of the test set is there to compare with; what its manifest does not say is NaN."""
    metrics = Metrics()
    metrics.set_model(evaluated_model(0.9))
    shares = [find(metrics, "fashion_expected_share", label=label) for label in FASHION_MNIST_LABELS]
    assert shares == [0.7, 0.3, *[0] * 8]
    assert find(metrics, "fashion_expected_accepted_share") == 0.9
    metrics.set_model(evaluated_model(None))
    assert math.isnan(find(metrics, "fashion_expected_accepted_share") or 0)
    metrics.set_model(fake_model())
    assert math.isnan(find(metrics, "fashion_expected_share", label="Trouser") or 0)


def test_model_that_is_no_longer_served_is_0() -> None:
    """After a change, the info of the model before is 0, and the change is counted."""
    metrics = Metrics()
    metrics.set_model(fake_model())
    metrics.set_model(evaluated_model(0.9))
    metrics.count_model_change("served")
    labels = {"name": "fake", "engine": "fake"}
    assert find(metrics, "fashion_model_info", version="0123456789ab", **labels) == 0
    assert find(metrics, "fashion_model_info", version="evaluated", **labels) == 1
    assert find(metrics, "fashion_model_changes_total", outcome="served") == 1
    assert find(metrics, "fashion_model_changes_total", outcome="refused") == 0


@pytest.mark.parametrize("is_ready", [True, False], ids=["ready", "stopping"])
def test_worker_that_is_alone_says_whether_it_is_ready(*, is_ready: bool) -> None:
    """It is one ready worker, as a supervisor would say it; and none has ended."""
    metrics = Metrics()
    metrics.set_ready(is_ready=is_ready)
    assert find(metrics, "fashion_workers", state="ready") == is_ready
    assert find(metrics, "fashion_worker_ends_total", reason="SIGKILL") == 0
