"""The test images and what they actually show."""

from collections.abc import Sequence

import numpy as np

from fashion_api.errors import Fault, InvalidRequestError
from fashion_api.pictures.encoding import encode_png
from fashion_api.service.service import Service
from fashion_api.wire.models import LabelledImage, LabelledImagePage
from fashion_api.wire.operation import Reply
from fashion_api.wire.queries import LabelledImagesQuery


def list_labelled_images(service: Service, query: LabelledImagesQuery) -> LabelledImagePage:
    """List test images in the order of their indices.

    Raises:
        DataError: there is no test set.
        InvalidRequestError: no class has the query's label.
    """
    labels = service.model.labels
    test_set = service.get_test_set()
    indices = np.arange(len(test_set))
    if query.label is not None:
        indices = np.flatnonzero(test_set.labels == _find_class(labels, query.label))
    page = indices[query.offset : query.offset + query.limit]
    items = [
        LabelledImage(index=index, label=labels[class_id], class_id=class_id)
        for index, class_id in zip(page.tolist(), test_set.labels[page].tolist(), strict=True)
    ]
    return LabelledImagePage(total=len(indices), offset=query.offset, limit=query.limit, items=items)


def describe_labelled_image(service: Service, index: int) -> LabelledImage:
    """Give the actual class of a test image.

    Raises:
        DataError: there is no test set.
        UnknownTestImageError: no test image has this index.
    """
    test_set = service.get_test_set()
    class_id = int(test_set.labels[test_set.check_index(index)])
    return LabelledImage(index=index, label=service.model.labels[class_id], class_id=class_id)


def draw_labelled_image(service: Service, index: int, *, scale: int) -> Reply:
    """Give a test image as a PNG, each pixel enlarged to `scale` × `scale`.

    Raises:
        DataError: there is no test set.
        UnknownTestImageError: no test image has this index.
    """
    test_set = service.get_test_set()
    png = encode_png(test_set.images[test_set.check_index(index)], scale=scale)
    return Reply(200, "image/png", png, (("cache-control", "private, max-age=86400"),))


def _find_class(labels: Sequence[str], label: str) -> int:
    folded = [name.casefold() for name in labels]
    if label.casefold() not in folded:
        raise InvalidRequestError([Fault("label", f"there is no such class; the classes are {', '.join(labels)}")])
    return folded.index(label.casefold())
