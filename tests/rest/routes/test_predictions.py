"""The routes that classify the caller's own images."""

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests import picture_files as pictures
from tests.conftest import MakeClient
from tests.fakes import fake_test_set

JSON_ROUTE = "/api/v1/predictions"
UPLOAD_ROUTE = "/api/v1/predictions/upload"

BOOT = fake_test_set().images[9].tolist()
DRESS = fake_test_set().images[3].tolist()


def test_arrays_are_classified_in_their_order(client: TestClient) -> None:
    """Each array of a request gets its prediction, in the order of the request."""
    answer = client.post(JSON_ROUTE, json={"images": [BOOT, DRESS]}).json()
    assert [prediction["label"] for prediction in answer["predictions"]] == ["Ankle boot", "Dress"]
    assert answer["model"] == {"name": "fake", "version": "0123456789ab"}


def test_large_request_is_answered_whole(make_client: MakeClient) -> None:
    """A request of more images than a batch holds gets all of its answers."""
    client = make_client(max_batch_size=4)
    answer = client.post(JSON_ROUTE, json={"images": fake_test_set().images.tolist()}).json()
    expected = [(index + (index % 10 == 0)) % 10 for index in range(30)]
    assert [prediction["class_id"] for prediction in answer["predictions"]] == expected


@pytest.mark.parametrize(
    ("picture", "status"),
    [
        (b"", 422),
        (pictures.TEXT_FILE, 415),
        (pictures.truncated_png(), 422),
        (pictures.truncated_jpeg(), 422),
        (pictures.grey_png(pictures.make_pixels(29, 28)), 422),
        (pictures.zero_by_zero_png(), 422),
        (pictures.animated_picture("GIF"), 422),
        (pictures.bomb_png(), 422),
        (pictures.sixteen_bit_png(np.full((28, 28), 30_000, np.uint16)), 200),
        (pictures.palette_png([(255, 0, 0), (0, 0, 255)]), 200),
        (pictures.rgba_picture("PNG", (255, 0, 0, 128)), 200),
        (pictures.cmyk_jpeg((10, 20, 30, 40)), 200),
        (pictures.exif_rotated_picture("JPEG", 6), 200),
    ],
    ids=["empty", "text", "truncated PNG", "truncated JPEG", "29×28", "0×0", "animated GIF", "bomb", "16-bit",
         "palette", "alpha", "CMYK", "EXIF-rotated"],
)  # fmt: skip
def test_each_kind_of_picture_has_its_answer(client: TestClient, picture: bytes, status: int) -> None:
    """What is accepted, converted or refused is as docs/reference/inputs.md says, whatever the file is called."""
    response = client.post(UPLOAD_ROUTE, files={"file": ("boot.png", picture, "image/png")})
    assert response.status_code == status


def test_other_form_fields_are_ignored(client: TestClient) -> None:
    """Fields beside the files, as browsers and upload widgets send them, change nothing."""
    files = {"file": ("a.png", pictures.grey_png()), "other": ("b.png", b"x")}
    response = client.post(UPLOAD_ROUTE, files=files, data={"_charset_": "utf-8"})
    assert (response.status_code, len(response.json()["predictions"])) == (200, 1)


def test_overloaded_service_refuses_before_it_reads(make_client: MakeClient) -> None:
    """Where the queue has no room, the answer is 503 with when to come again, whatever the body holds."""
    client = make_client(max_queue_size=0)
    answers = [client.post(JSON_ROUTE, content=b"nonsense"), client.post(UPLOAD_ROUTE, content=b"nonsense")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].headers["retry-after"] == "1"
    assert answers[0].json()["type"] == "/problems#overloaded"
