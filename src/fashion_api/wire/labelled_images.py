"""The test images and what they actually show."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fashion_api.pictures.encoding import encode_png
from fashion_api.service.service import Service
from fashion_api.service.survey import Findings
from fashion_api.wire.models import ConfusionMatrix, LabelledImage, LabelledImagePage, ListedImage, ModelId
from fashion_api.wire.operation import NO_STORE, Reply
from fashion_api.wire.queries import LabelledImagesQuery, Order
from fashion_api.wire.validation import wrong

_NO_NOVELTY = "this model does not score novelty"


def list_labelled_images(service: Service, query: LabelledImagesQuery) -> LabelledImagePage:
    """List the test images that the query asks for, in its order.

    Raises:
        DataError: there is no test set.
        InvalidRequestError: no class has the query's label, or the model scores no novelty.
        PendingError: the query is about predictions that are still being computed.
    """
    labels = service.model.labels
    test_set = service.get_test_set()
    label, predicted = (
        None if name is None else _find_class(labels, name, parameter)
        for name, parameter in ((query.label, "label"), (query.predicted, "predicted"))
    )
    findings = service.get_findings() if query.needs_predictions else None
    is_listed = np.ones(len(test_set), np.bool_) if label is None else test_set.labels == label
    if findings is not None:
        is_listed &= _match(findings, query, predicted)
    indices = np.flatnonzero(is_listed)
    if findings is not None and query.sort != "index":
        indices = indices[np.argsort(_find_keys(findings, query.sort)[indices], kind="stable")]
    listed = indices[query.offset : query.offset + query.limit].tolist()
    items = [_describe(labels, index, int(test_set.labels[index]), findings=findings) for index in listed]
    return LabelledImagePage(total=len(indices), offset=query.offset, limit=query.limit, items=items)


def describe_confusions(service: Service) -> ConfusionMatrix:
    """Count which classes the model sees in the test images of each class.

    Raises:
        DataError: there is no test set.
        PendingError: the predictions are still being computed.
    """
    model = service.model
    actual = service.get_test_set().labels
    findings = service.get_findings()
    classes = len(model.labels)
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (actual, findings.class_ids), 1)
    is_accepted = findings.is_accepted
    refused = None if is_accepted is None else np.bincount(actual[~is_accepted], minlength=classes).tolist()
    return ConfusionMatrix(
        labels=list(model.labels),
        matrix=matrix.tolist(),
        refused=refused,
        total=len(actual),
        model=ModelId(name=model.name, version=model.version),
    )


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
    # Kept, it would be shown beside answers about the picture of another data set, once that is served here.
    return Reply(200, "image/png", png, (NO_STORE,))


def _find_class(labels: Sequence[str], label: str, parameter: str) -> int:
    if label in labels:  # first, as some data sets tell `a` from `A`
        return labels.index(label)
    folded = [name.casefold() for name in labels]
    if label.casefold() not in folded:
        raise wrong(parameter, f"there is no such class; the classes are {', '.join(labels)}")
    return folded.index(label.casefold())


def _match(findings: Findings, query: LabelledImagesQuery, predicted: int | None) -> npt.NDArray[np.bool_]:
    """Find the images that have what the query wants the model to see: bool[n]."""
    matches = np.ones(len(findings.class_ids), np.bool_)
    if predicted is not None:
        matches &= findings.class_ids == predicted
    if query.correct is not None:
        matches &= findings.is_correct == query.correct
    if query.accepted is not None:
        if findings.is_accepted is None:
            raise wrong("accepted", _NO_NOVELTY)
        matches &= findings.is_accepted == query.accepted
    return matches


def _find_keys(findings: Findings, order: Order) -> npt.NDArray[np.floating]:
    """Give what the images are sorted by, the least first."""
    keys: npt.NDArray[np.floating] | None = findings.probabilities if "confidence" in order else findings.novelty
    if keys is None:
        raise wrong("sort", _NO_NOVELTY)
    return -keys if order.startswith("-") else keys


def _describe(labels: Sequence[str], index: int, class_id: int, *, findings: Findings | None) -> ListedImage:
    if findings is None:
        return ListedImage(index=index, label=labels[class_id], class_id=class_id)
    novelty = findings.novelty
    return ListedImage(
        index=index,
        label=labels[class_id],
        class_id=class_id,
        predicted=labels[int(findings.class_ids[index])],
        correct=bool(findings.is_correct[index]),
        accepted=None if novelty is None else bool(novelty[index] <= 1),
        probability=float(findings.probabilities[index]),
        novelty=None if novelty is None else float(novelty[index]),
    )
