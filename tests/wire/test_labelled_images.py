"""The test images and what they actually show."""

import io

import numpy as np
import pytest
from PIL import Image

from fashion_api.errors import InvalidRequestError, UnknownTestImageError
from fashion_api.wire.labelled_images import describe_labelled_image, draw_labelled_image, list_labelled_images
from fashion_api.wire.models import LabelledImage, LabelledImagePage, ListedImage
from fashion_api.wire.queries import LabelledImagesQuery
from tests.fakes import fake_model, fake_service, fake_test_set


def list_page(**parameters: object) -> LabelledImagePage:
    return list_labelled_images(fake_service(), LabelledImagesQuery.model_validate(parameters))


def test_page_lists_index_label_and_total() -> None:
    """A page names each image's index and actual class, and how many images there are in all."""
    assert list_page(offset=9, limit=2) == LabelledImagePage(
        total=30,
        offset=9,
        limit=2,
        items=[
            ListedImage(index=9, label="Ankle boot", class_id=9),
            ListedImage(index=10, label="T-shirt/top", class_id=0),
        ],
    )


def test_page_beyond_the_end_is_empty() -> None:
    """An offset past the last image gives an empty page."""
    assert list_page(offset=30).items == []


@pytest.mark.parametrize("label", ["Ankle boot", "ankle BOOT"])
def test_label_leaves_only_its_class(label: str) -> None:
    """A label, in any case, leaves only the images of its class, and counts only those."""
    page = list_page(label=label)
    assert (page.total, [item.index for item in page.items]) == (3, [9, 19, 29])


def test_label_in_its_own_case_comes_first() -> None:
    """Of classes that differ in their case alone, a label means the one that is written so."""
    service = fake_service(model=fake_model(labels=tuple("AaBbCcDdEe")))
    pages = [list_labelled_images(service, LabelledImagesQuery(label=label)) for label in "Aa"]
    assert [page.items[0].label for page in pages] == ["A", "a"]


def test_unknown_label_is_refused_with_the_known_ones() -> None:
    """A label of no class is refused, and the message lists the classes."""
    with pytest.raises(InvalidRequestError, match=r"label: there is no such class; .* Sneaker"):
        list_page(label="Hat")


def test_image_is_described_by_its_actual_class() -> None:
    """A test image has its actual class."""
    assert describe_labelled_image(fake_service(), 29) == LabelledImage(index=29, label="Ankle boot", class_id=9)


@pytest.mark.parametrize("scale", [1, 3])
def test_picture_is_enlarged_without_smoothing(scale: int) -> None:
    """The PNG has exactly the pixels of the data set, each enlarged to a square."""
    reply = draw_labelled_image(fake_service(), 5, scale=scale)
    assert (reply.status, reply.media_type) == (200, "image/png")
    with Image.open(io.BytesIO(reply.body)) as picture:
        expected = np.kron(fake_test_set().images[5], np.ones((scale, scale)))
        np.testing.assert_array_equal(np.asarray(picture), expected)


def test_picture_is_not_kept() -> None:
    """A browser asks for the picture each time: at the same address may be another data set's."""
    assert draw_labelled_image(fake_service(), 5, scale=1).headers == ((b"cache-control", b"no-store"),)


@pytest.mark.parametrize("index", [-1, 30, 10**30])
def test_index_that_no_image_has_is_unknown(index: int) -> None:
    """An index that no test image has is refused."""
    with pytest.raises(UnknownTestImageError):
        describe_labelled_image(fake_service(), index)
    with pytest.raises(UnknownTestImageError):
        draw_labelled_image(fake_service(), index, scale=1)
