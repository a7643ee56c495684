"""Explanations, from a request to its reply."""

import json

import numpy as np
import pytest

from fashion_api.errors import InvalidRequestError
from fashion_api.inference.occlusion import VARIANTS
from fashion_api.service.service import Service
from fashion_api.wire.explanations import EXPLAIN_IMAGES
from fashion_api.wire.models import ExplanationList
from fashion_api.wire.operation import Job, Reply, RequestHead, finish_steps
from tests.fakes import fake_colour_model, fake_service, fake_test_set
from tests.wire.asking import ask, read_json

IMAGES = fake_test_set().images


def write_body(*indices: int) -> bytes:
    return json.dumps({"images": [IMAGES[index].tolist() for index in indices]}).encode()


def read_job(body: bytes, service: Service | None = None) -> Job[Reply]:
    read = EXPLAIN_IMAGES.read(service or fake_service(), RequestHead((), b"", ()), body)
    return read if isinstance(read, Job) else finish_steps(read)


def test_each_image_is_explained_in_its_order() -> None:
    """The reply has the label of each image, its probability, and a map of the image's size."""
    answer = read_json(ask(EXPLAIN_IMAGES, fake_service(), write_body(9, 3)))
    assert ExplanationList.model_validate(answer, strict=True).model_dump() == answer
    assert [each["label"] for each in answer["explanations"]] == ["Ankle boot", "Dress"]
    assert {np.shape(each["heat_map"]) for each in answer["explanations"]} == {(28, 28)}
    assert answer["model"] == {"name": "fake", "version": "0123456789ab"}


def test_map_is_hot_where_the_class_is_seen() -> None:
    """The fake sees the class in the first pixel: covering that one lowers its probability by 0.9, no other does."""
    (explanation,) = read_json(ask(EXPLAIN_IMAGES, fake_service(), write_body(9)))["explanations"]
    heat = np.array(explanation["heat_map"])
    assert (heat[0, 0], heat.max()) == (pytest.approx(0.9), pytest.approx(0.9))
    assert not heat[10:, 10:].any()


def test_queue_without_room_for_an_image_is_told() -> None:
    """Where one image never fits into the queue, asking again would not help: the setting is named."""
    assert len(read_job(write_body(9), fake_service(max_queue_size=VARIANTS)).images) == VARIANTS
    with pytest.raises(InvalidRequestError, match="takes 101 of the queue, and FASHION_MAX_QUEUE_SIZE is 100"):
        read_job(write_body(9), fake_service(max_queue_size=VARIANTS - 1))


def test_request_counts_as_all_that_is_classified() -> None:
    """The job has every variant of every image, so that the limits of the queue hold for them."""
    assert len(read_job(write_body(9, 3)).images) == 2 * VARIANTS


@pytest.mark.parametrize(
    ("service", "most"),
    [
        (fake_service(), 4),
        (fake_service(max_images_per_request=2), 2),
        (fake_service(max_queue_size=3 * VARIANTS), 3),
    ],
    ids=["usual", "small requests", "small queue"],
)
def test_number_of_images_is_limited(service: Service, most: int) -> None:
    """A request with more images than the queue could hold is refused with the limit."""
    assert len(read_job(write_body(*range(most)), service).images) == most * VARIANTS
    with pytest.raises(InvalidRequestError, match=f"may hold {most}"):
        read_job(write_body(*range(most + 1)), service)


def test_map_of_an_image_in_colour_has_a_value_a_pixel() -> None:
    """All channels of a part are covered together, and the map is as high and wide as the image."""
    service = fake_service(model=fake_colour_model())
    image = np.zeros((32, 32, 3), np.uint8)
    image[0, 0] = 9, 0, 0
    answer = read_json(ask(EXPLAIN_IMAGES, service, json.dumps({"images": [image.tolist()]}).encode()))
    (explanation,) = answer["explanations"]
    assert ExplanationList.model_validate(answer, strict=True).model_dump() == answer
    heat = np.array(explanation["heat_map"])
    assert (explanation["label"], heat.shape) == ("truck", (32, 32))
    assert (heat[0, 0], heat.max()) == (pytest.approx(0.9), pytest.approx(0.9))
    assert not heat[10:, 10:].any()
