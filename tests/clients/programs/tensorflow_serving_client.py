"""Asks with `tensorflow-serving-api` over gRPC: the three calls that are offered. Usage: see served.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from served import Served, report
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

INPUT, OUTPUT = "image", "probabilities"
LIMIT_S = 60
SIGNATURES = {"serving_default": tf.float32, "pixels": tf.uint8, "images": tf.string}


def predict(served: Served, tensor: Any, signature: str = "", **more: Any) -> PredictResponse:
    request = PredictRequest(**more)
    request.model_spec.name = served.model
    request.model_spec.signature_name = signature
    request.inputs[INPUT].CopyFrom(tf.make_tensor_proto(tensor))
    return ask(served, request)


def ask(served: Served, request: PredictRequest) -> PredictResponse:
    with grpc.insecure_channel(served.grpc_address) as channel:
        return PredictionServiceStub(channel).Predict(request, LIMIT_S)


def hold_against(served: Served, given: PredictResponse) -> None:
    served.hold_against(tf.make_ndarray(given.outputs[OUTPUT]))
    # Many a client reads the numbers from where they are in answers of TensorFlow Serving.
    numbers = list(given.outputs[OUTPUT].float_val)
    served.hold_against(np.reshape(numbers, (-1, served.probabilities.shape[1])))


def classify_floats(served: Served) -> None:
    """Floats of 0–1, for the signature that is taken where none is named, and for it by its name."""
    for signature in ("", "serving_default"):
        given = predict(served, (served.images / 255).astype(np.float32), signature)
        hold_against(served, given)
        spec = given.model_spec
        assert (spec.name, spec.version.value, spec.signature_name) == (served.model, 1, "serving_default")


def classify_pixels(served: Served) -> None:
    """Whole pixels, as bytes and in typed fields."""
    hold_against(served, predict(served, served.images, "pixels"))
    request = PredictRequest()
    request.model_spec.name = served.model
    request.model_spec.signature_name = "pixels"
    tensor = request.inputs[INPUT]
    tensor.dtype = tf.uint8.as_datatype_enum
    tensor.tensor_shape.CopyFrom(tf.TensorShape(served.images.shape).as_proto())
    tensor.int_val.extend(served.images.ravel().tolist())
    hold_against(served, ask(served, request))


def classify_pictures(served: Served) -> None:
    """Picture files, which TensorFlow itself writes."""
    files = [tf.io.encode_png(image).numpy() for image in served.images]
    hold_against(served, predict(served, files, "images"))


def choose_outputs(served: Served) -> None:
    """All outputs of the signature that has them, and the one that is asked for."""
    given = predict(served, served.images, "details")
    assert {OUTPUT, "label", "class_id", "probability"} <= set(given.outputs)
    assert tf.make_ndarray(given.outputs["class_id"]).ravel().tolist() == served.probabilities.argmax(1).tolist()
    given = predict(served, served.images, "details", output_filter=[OUTPUT])
    assert list(given.outputs) == [OUTPUT]
    hold_against(served, given)


def read_metadata(served: Served) -> None:
    """The signatures, with their types and shapes."""
    request = GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = served.model
    with grpc.insecure_channel(served.grpc_address) as channel:
        given = PredictionServiceStub(channel).GetModelMetadata(request, LIMIT_S)
    assert (given.model_spec.name, given.model_spec.version.value) == (served.model, 1)
    signatures = SignatureDefMap()
    assert given.metadata["signature_def"].Unpack(signatures)
    for name, datatype in SIGNATURES.items():
        signature = signatures.signature_def[name]
        assert signature.method_name == "tensorflow/serving/predict"
        assert (list(signature.inputs), list(signature.outputs)) == ([INPUT], [OUTPUT])
        assert signature.inputs[INPUT].dtype == datatype.as_datatype_enum, name
        sizes = [size.size for size in signature.outputs[OUTPUT].tensor_shape.dim]
        assert sizes == [-1, served.probabilities.shape[1]]


def read_status(served: Served) -> None:
    """The one version is available."""
    request = GetModelStatusRequest()
    request.model_spec.name = served.model
    with grpc.insecure_channel(served.grpc_address) as channel:
        (status,) = ModelServiceStub(channel).GetModelStatus(request, LIMIT_S).model_version_status
    assert (status.version, status.state, status.status.error_code) == (1, ModelVersionStatus.AVAILABLE, 0)


def choose_versions(served: Served) -> None:
    """The version that there is, by its number; another, and a label, are refused."""
    images = served.images[:1]

    def ask_for(**version: Any) -> PredictResponse:
        request = PredictRequest()
        request.model_spec.name = served.model
        request.model_spec.signature_name = "pixels"
        for field, value in version.items():
            if field == "version":
                request.model_spec.version.value = value
            else:
                setattr(request.model_spec, field, value)
        request.inputs[INPUT].CopyFrom(tf.make_tensor_proto(images))
        return ask(served, request)

    hold_against(served, ask_for(version=1))
    with raises("NOT_FOUND", f"Servable not found for request: Specific({served.model}, 9)"):
        ask_for(version=9)
    with raises("INVALID_ARGUMENT"):
        ask_for(version_label="stable")
    with raises("NOT_FOUND", "Servable not found for request: Latest(dummy_model)"):
        ask_for(name="dummy_model")


def ask_wrongly(served: Served) -> None:
    """A wrong signature, input, type, shape and range are refused in words; the next request is answered."""
    pixels = served.images[:1]
    for tensor, signature in (
        (pixels, "nope"),
        (pixels.astype(np.float32), "serving_default"),
        (pixels, "images"),
        (np.zeros((1, 7, 7, 1), np.uint8), "pixels"),
        (np.full((1, 28, 28, 1), np.nan, np.float32), "serving_default"),
    ):
        with raises("INVALID_ARGUMENT"):
            predict(served, tensor, signature)
    hold_against(served, predict(served, pixels, "pixels"))


@contextmanager
def raises(code: str, words: str = "") -> Iterator[None]:
    """Expect a status, and words in its details."""
    try:
        yield
    except grpc.RpcError as error:
        details = error.details()
        assert error.code().name == code, (error.code(), details)
        assert details, "no details"
        assert words in details, details
    else:
        raise AssertionError(f"answered in place of {code}")


if __name__ == "__main__":
    checks = (
        classify_floats,
        classify_pixels,
        classify_pictures,
        choose_outputs,
        read_metadata,
        read_status,
        choose_versions,
        ask_wrongly,
    )
    report((check.__name__, check) for check in checks)
