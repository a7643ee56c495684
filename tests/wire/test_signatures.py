"""The signatures of the model, as TensorFlow Serving's clients see them."""

import numpy as np
import pytest

from fashion_api.errors import InvalidRequestError, NotReadyError, UnknownModelError
from fashion_api.service.service import Service
from fashion_api.wire.operation import finish_steps
from fashion_api.wire.signatures import (
    SIGNATURES,
    TENSORFLOW_TYPES,
    check_inputs,
    check_servable,
    check_status,
    choose_outputs,
    compute_outputs,
    find_signature,
    read_input,
)
from fashion_api.wire.tensors import BYTES, NUMBERS, Tensor
from tests.fakes import NovelClassifier, fake_colour_model, fake_service, fake_test_set

DETAILS = ["probabilities", "label", "class_id", "probability", "novelty", "accepted"]


@pytest.fixture(scope="module")
def service() -> Service:
    return fake_service(NovelClassifier())


@pytest.mark.parametrize(
    ("name", "datatype", "shape", "outputs"),
    [
        ("serving_default", "FP32", (-1, 28, 28, 1), ["probabilities"]),
        ("pixels", "UINT8", (-1, 28, 28, 1), ["probabilities"]),
        ("images", BYTES, (-1,), ["probabilities"]),
        ("details", "UINT8", (-1, 28, 28, 1), DETAILS),
    ],
)
def test_signature_declares_its_input_and_outputs(
    service: Service, name: str, datatype: str, shape: tuple[int, ...], outputs: list[str]
) -> None:
    """Each form of images is a signature of one input; all but `details` have one output."""
    signature = find_signature(service, name)
    assert (signature.name, signature.input.name) == (name, "image")
    assert (signature.input.datatype, signature.input.shape) == (datatype, shape)
    assert list(signature.outputs) == outputs
    assert signature.outputs["probabilities"].shape == (-1, 10)


def test_every_type_has_a_name_in_tensorflow(service: Service) -> None:
    """What signatures declare, and what tensors may be of, can be written and read."""
    model = fake_service(model=fake_colour_model())
    declared = {
        datatype
        for signature in (find_signature(each, name) for each in (service, model) for name in SIGNATURES)
        for datatype in (signature.input.datatype, *[output.datatype for output in signature.outputs.values()])
    }
    assert declared | set(NUMBERS) <= set(TENSORFLOW_TYPES)


def test_model_in_colour_declares_its_channels() -> None:
    """The shape of the input is that of the model's images."""
    assert find_signature(fake_service(model=fake_colour_model())).input.shape == (-1, 32, 32, 3)


@pytest.mark.parametrize(
    ("name", "version", "wanted"),
    [("nope", "", "Latest(nope)"), ("nope", "1", "Specific(nope, 1)"), ("fake", "2", "Specific(fake, 2)")],
)
def test_unknown_model_is_named_to_the_letter(service: Service, name: str, version: str, wanted: str) -> None:
    """Health checks compare the text."""
    with pytest.raises(UnknownModelError) as caught:
        check_servable(service, name, version)
    assert str(caught.value) == f"Servable not found for request: {wanted}"


@pytest.mark.parametrize(
    ("name", "version", "wanted"),
    [("nope", "", "any versions of model nope"), ("fake", "2", "version 2 of model fake")],
)
def test_status_of_an_unknown_model_is_not_found(service: Service, name: str, version: str, wanted: str) -> None:
    """TensorFlow Serving has other words for it."""
    with pytest.raises(UnknownModelError) as caught:
        check_status(service, name, version)
    assert str(caught.value) == f"Could not find {wanted}"


@pytest.mark.parametrize("version", ["", "1"])
def test_served_model_is_found(service: Service, version: str) -> None:
    """The one model is found by its name, with its version or without one."""
    check_servable(service, "fake", version)
    check_status(service, "fake", version)


def test_stopping_service_is_not_ready() -> None:
    """While it drains, a service answers predictions, but says that it is not ready."""
    service = fake_service()
    service.drain()
    check_servable(service, "fake")
    with pytest.raises(NotReadyError):
        check_status(service, "fake")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "takes one input, image, but the request has 0"),
        (["image", "image"], "takes one input, image, but the request has 2"),
        (["image", "x"], "input tensor alias not found in signature: x. Inputs expected to be in the set {image}."),
    ],
    ids=str,
)
def test_other_inputs_are_refused(service: Service, names: list[str], said: str) -> None:
    """A request has the one input, once, and no other."""
    with pytest.raises(InvalidRequestError) as caught:
        check_inputs(find_signature(service), names)
    assert said in str(caught.value)


def test_outputs_are_chosen_in_the_order_of_the_request(service: Service) -> None:
    """A filter names some of the outputs; without one, all are given."""
    signature = find_signature(service, "details")
    assert list(choose_outputs(signature, ["label", "probabilities"])) == ["label", "probabilities"]
    assert list(choose_outputs(signature)) == DETAILS


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["x"], "output tensor alias not found in signature: x Outputs expected to be in the set {probabilities}."),
        (["probabilities"] * 2, "duplicate output tensor alias: probabilities"),
    ],
    ids=["unknown", "twice"],
)
def test_other_outputs_are_refused(service: Service, names: list[str], said: str) -> None:
    """A filter that names what is not there, or something twice, is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        choose_outputs(find_signature(service), names)
    assert str(caught.value) == said


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_floats_of_every_precision_are_read(service: Service, datatype: str) -> None:
    """A signature of floats takes those of other precision than it declares."""
    image = fake_test_set().images[3]
    values = (image / 255).astype(NUMBERS[datatype]).ravel()
    tensor = Tensor("image", datatype, (1, 28, 28, 1), values)
    found = finish_steps(read_input(service, find_signature(service), tensor))
    np.testing.assert_array_equal(found.images, image[np.newaxis])


@pytest.mark.parametrize("name", ["pixels", "details"])
@pytest.mark.parametrize("datatype", ["UINT8", "INT64", "FP32"])
def test_pixels_of_every_type_are_read(service: Service, name: str, datatype: str) -> None:
    """A signature of pixels takes numbers of any type."""
    images = fake_test_set().images[2:4]
    tensor = Tensor("image", datatype, images.shape, images.astype(NUMBERS[datatype]).ravel())
    found = finish_steps(read_input(service, find_signature(service, name), tensor))
    np.testing.assert_array_equal(found.images, images)


@pytest.mark.parametrize(
    ("name", "datatype", "said"),
    [
        ("images", "FP32", "send numbers to the signature pixels; images takes picture files, of the type DT_STRING"),
        ("pixels", BYTES, "send picture files to the signature images; pixels takes numbers, of the type DT_UINT8"),
    ],
)
def test_type_of_another_signature_is_refused(service: Service, name: str, datatype: str, said: str) -> None:
    """Picture files are no numbers, and the other way round; the error names the signature that is meant."""
    with pytest.raises(InvalidRequestError, match=said):
        finish_steps(read_input(service, find_signature(service, name), Tensor("image", datatype, (1,), [b""])))


def test_outputs_are_computed_by_the_names_that_clients_call_them() -> None:
    """The first output has the name of the settings."""
    service = fake_service(NovelClassifier(), served_output="Dense")
    images = fake_test_set().images[3:5]
    predictions = service.model.classifier.classify(images)
    outputs = choose_outputs(find_signature(service, "details"), ["class_id", "Dense"])
    computed = compute_outputs(outputs, service.model, predictions)
    assert list(computed) == ["class_id", "Dense"]
    np.testing.assert_array_equal(computed["class_id"], [3, 4])
    np.testing.assert_array_equal(computed["Dense"], predictions.probabilities)
