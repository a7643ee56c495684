"""The service of a model in colour, of 32×32 pixels and of another data set's labels."""

import base64
import gzip
import json
import re
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from jsonschema_rs import Draft202012Validator
from PIL import Image

from fashion_api.pictures.preparation import Options, prepare_picture
from fashion_api.service.decoder import Decoder
from tests import picture_files as pictures
from tests.conftest import MakeClient, await_predictions, find_service
from tests.fakes import COLOUR, COLOUR_LABELS, NovelClassifier, fake_colour_model, fake_test_set

PREDICTIONS = "/api/v1/predictions"
UPLOAD = "/api/v1/predictions/upload"
WORDS_OF_FASHION = re.compile(r"articles?\b|garment|cloth|fashion.mnist|shoe|\bboots?\b|catalogue", re.IGNORECASE)
OTHER_USES = re.compile(r"type: article|<article|'article\b|\"articles\"|FASHION_\w+")
"""An element of HTML, a field of evaluations, and names of settings."""

CAT = np.zeros((32, 32, 3), np.uint8)
CAT[0, 0] = 3, 1, 2
PHOTO = pictures.exif_rotated_picture("JPEG", 6, np.stack([pictures.make_pixels(300, 200)] * 3, axis=-1))


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client(model=fake_colour_model(NovelClassifier()))


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def upload(client: TestClient, content: bytes) -> Any:  # noqa: ANN401  # any JSON
    return client.post(UPLOAD, content=content, headers={"Content-Type": "image/png"}).json()


def test_array_and_pictures_are_the_same_image(client: TestClient) -> None:
    """Rows of triples, a file and a file in base64 are answered alike, as they are."""
    png = pictures.grey_png(CAT)
    by_json = client.post(PREDICTIONS, json={"images": [CAT.tolist(), encode(png)]}).json()["predictions"]
    (by_upload,) = upload(client, png)["predictions"]
    assert by_upload.pop("filename") is None
    assert [by_upload, by_upload] == by_json
    assert (by_upload["label"], by_upload["route"], list(by_upload["probabilities"])) == (
        "cat", "direct", list(COLOUR_LABELS)
    )  # fmt: skip


@pytest.mark.parametrize("resize", [None, "stretch", "crop"])
def test_picture_of_another_size_is_resized(make_client: MakeClient, resize: str | None) -> None:
    """A photograph is resized as is set, or else fitted, and the answer says how; each way to send it is the same."""
    client = make_client(model=fake_colour_model(), resize=resize)
    (prediction,) = upload(client, PHOTO)["predictions"]
    (in_json,) = client.post(PREDICTIONS, json={"images": [encode(PHOTO)]}).json()["predictions"]
    in_form = client.post(
        UPLOAD, files=[("file", ("a.jpg", PHOTO)), ("file", ("b.png", pictures.grey_png(CAT)))]
    ).json()
    fit = {None: "contain", "stretch": "stretch", "crop": "cover"}[resize]
    options = Options(invert=False, fit=fit)  # type: ignore[arg-type]
    image = prepare_picture(PHOTO, options, height=32, width=32, channels=3).image
    (direct,) = upload(client, pictures.grey_png(image))["predictions"]
    assert [found["route"] for found in in_form["predictions"]] == [resize or "fit", "direct"]
    assert prediction == {**direct, "route": resize or "fit"}
    assert in_json == {key: value for key, value in prediction.items() if key != "filename"}


@pytest.mark.parametrize("model_is_grey", [True, False], ids=["grey", "colour"])
def test_picture_of_another_size_is_refused_where_that_is_set(make_client: MakeClient, *, model_is_grey: bool) -> None:
    """With `refuse`, which is the default for 28×28, the answer is 422 and names both sizes and the setting."""
    client = make_client() if model_is_grey else make_client(model=fake_colour_model(), resize="refuse")
    problem = upload(client, PHOTO)
    assert problem["status"] == 422
    assert "300×200" in problem["detail"]
    assert "FASHION_RESIZE" in problem["detail"]


def test_pictures_to_resize_go_the_way_of_preparations(make_client: MakeClient) -> None:
    """However small a file is, resizing it neither holds up other requests nor adds to what decoding may take."""
    client = make_client(model=fake_colour_model())
    find_service(client).preparer = Decoder(most=0)
    small = {"images": [encode(pictures.grey_png())]}
    large = {"images": [encode(pictures.grey_png()), *[CAT.tolist()] * 20]}
    for body in (json.dumps(small).encode(), json.dumps(large).encode()):
        headers = {"Content-Type": "application/json"}
        assert client.post(PREDICTIONS, content=body, headers=headers).status_code == 503
        coded = client.post(PREDICTIONS, content=gzip.compress(body), headers={**headers, "Content-Encoding": "gzip"})
        assert coded.status_code == 503
    assert upload(client, PHOTO)["status"] == 503
    assert client.post("/api/v1/explanations", json=small).status_code == 503
    assert "predictions" in upload(client, pictures.grey_png(CAT))


@pytest.mark.parametrize(
    "content", [pictures.bomb_png(), pictures.claim_jpeg_size(pictures.grey_jpeg(), 60_000, 60_000)]
)
def test_size_that_overflows_memory_is_refused(client: TestClient, content: bytes) -> None:
    """A picture of far too many pixels is refused by its header, resized or not."""
    assert upload(client, content)["status"] == 422


def test_image_of_the_wrong_rank_says_what_the_model_takes(client: TestClient) -> None:
    """Rows of numbers are refused with the form that works."""
    problem = client.post(PREDICTIONS, json={"images": [CAT[..., 0].tolist()]}).json()
    assert problem["errors"] == [
        {
            "where": "images[0]",
            "message": "has pixels of one value, but this model takes images in colour: "
            "send 32 rows of 32 pixels [red, green, blue], whole numbers from 0 to 255",
        }
    ]


def test_test_images_are_shown_in_colour(client: TestClient) -> None:
    """A test image is a PNG in colour, enlarged if wanted, and the survey counts what the model sees in all of them."""
    content = client.get("/api/v1/test-images/3/image?scale=2").content
    with Image.open(BytesIO(content)) as picture:
        assert (picture.mode, picture.size) == ("RGB", (64, 64))
        np.testing.assert_array_equal(np.asarray(picture)[::2, ::2], fake_test_set(shape=COLOUR.shape).images[3])
    assert client.get("/api/v1/test-images/3/prediction").json()["prediction"]["label"] == "cat"
    await_predictions(client)
    assert client.get("/api/v1/confusion-matrix").json()["labels"] == list(COLOUR_LABELS)


def test_preparation_is_in_colour(client: TestClient) -> None:
    """What is prepared can be sent on, keeps its colours, and is not inverted unless that is wanted."""
    content = pictures.save(Image.new("RGB", (90, 90), (250, 240, 10)), "PNG")
    prepared = client.post("/api/v1/preparations", content=content, headers={"Content-Type": "image/png"}).json()
    with Image.open(BytesIO(base64.b64decode(prepared["image"]))) as image:
        assert (image.mode, image.size, image.getpixel((9, 9))) == ("RGB", (32, 32), (250, 240, 10))
    assert prepared["steps"]["inverted"] is False
    answer = client.post(PREDICTIONS, json={"images": [prepared["image"]]}).json()
    assert answer["predictions"][0]["route"] == "direct"


def test_explanation_has_a_value_a_pixel(client: TestClient) -> None:
    """The heat map has rows of columns, not of colours."""
    (explanation,) = client.post("/api/v1/explanations", json={"images": [CAT.tolist()]}).json()["explanations"]
    assert np.shape(explanation["heat_map"]) == (32, 32)


def test_no_text_speaks_of_fashion(client: TestClient) -> None:
    """Neither the OpenAPI document, nor the card, nor the page, nor a reason has a word of another data set's."""
    unlike = np.full((32, 32, 3), 255, np.uint8)
    texts = {
        "OpenAPI": client.get("/openapi.json").text,
        "card": client.get("/api/v1/model").text,
        "problems": client.get("/problems").text,
        "page": client.get("/", headers={"Accept": "text/html"}).text,
        "reasons": client.post(PREDICTIONS, json={"images": [unlike.tolist()]}).text,
    }
    for script in ("app", "answer", "ask", "card", "drawing", "takeaway", "testset", "notices", "heatmap", "pictures"):
        texts[script] = client.get(f"/static/page/{script}.js").text
    found = {name: WORDS_OF_FASHION.findall(OTHER_USES.sub("", text)) for name, text in texts.items()}
    assert {name: words for name, words in found.items() if words} == {}


def test_card_has_the_words_of_the_labels(client: TestClient, make_client: MakeClient) -> None:
    """The page asks what the model was trained to tell; of garments, in Fashion-MNIST's words."""
    assert client.get("/api/v1/model").json()["words"]["question"] == "What is this?"
    assert make_client().get("/api/v1/model").json()["words"]["question"] == "Which garment is this?"


def test_description_follows_the_model(client: TestClient) -> None:
    """The OpenAPI document has the size and colours of an image; its examples are valid, and can be sent."""
    document = client.get("/openapi.json").json()
    assert "32×32 pixels, in colour" in document["info"]["description"]
    operation = document["paths"][PREDICTIONS]["post"]["requestBody"]["content"]["application/json"]
    schema = {**operation["schema"], "components": document["components"]}
    for example in operation["examples"].values():
        assert Draft202012Validator(schema).is_valid(example["value"])
        assert client.post(PREDICTIONS, json=example["value"]).status_code == 200
    assert not Draft202012Validator(schema).is_valid({"images": [CAT[..., 0].tolist()]})
