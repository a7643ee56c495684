"""The routes that classify the caller's own images."""

import base64
import json
from collections.abc import Iterator

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


def changed(value: object) -> list[list[object]]:
    """An image of which the pixel in row 3, column 5 is `value`."""
    rows: list[list[object]] = [list(row) for row in BOOT]
    rows[3][5] = value
    return rows


def test_arrays_are_classified_in_their_order(client: TestClient) -> None:
    """Each array of a request gets its prediction, in the order of the request."""
    answer = client.post(JSON_ROUTE, json={"images": [BOOT, DRESS]}).json()
    assert [prediction["label"] for prediction in answer["predictions"]] == ["Ankle boot", "Dress"]
    assert answer["model"] == {"name": "fake", "version": "0123456789ab"}


def test_base64_pictures_are_classified_like_arrays(client: TestClient) -> None:
    """A picture file in base64 may stand wherever an array may, beside arrays too."""
    picture = base64.b64encode(client.get("/api/v1/test-images/3/image").content).decode()
    answer = client.post(JSON_ROUTE, json={"images": [BOOT, picture]}).json()
    assert [prediction["label"] for prediction in answer["predictions"]] == ["Ankle boot", "Dress"]


def test_whole_numbers_may_be_written_as_floats(client: TestClient) -> None:
    """Pixels such as 9.0, which some languages write for 9, are whole numbers too."""
    image = [[float(value) for value in row] for row in BOOT]
    assert client.post(JSON_ROUTE, json={"images": [image]}).json()["predictions"][0]["label"] == "Ankle boot"


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b'{"images": [', b"[]", b"[[1, 2]]", b"null", b"{}", b'{"images": []}', b'{"images": "x"}',
     b'{"images": null}', b'{"images": {"0": 1}}', b'{"images": [null]}', b'{"images": [5]}', b"[" * 100_000],
    ids=["empty", "no JSON", "cut short", "empty list", "top-level list", "null", "no images", "no image", "a string",
         "images null", "an object", "an image null", "an image a number", "nested deeply"],
)  # fmt: skip
def test_body_of_another_form_is_refused(client: TestClient, body: bytes) -> None:
    """A body that is not JSON, or JSON of another form, is answered 422 with a problem."""
    response = client.post(JSON_ROUTE, content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["type"]) == (422, "/problems#invalid-request")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(256, "256"), (-1, "-1"), (0.5, "0.5"), (float("nan"), "nan"), ("7", "a string"), (None, "null"),
     (True, "a boolean"), (10**30, "1e+30"), ([1], "a list")],
    ids=["256", "-1", "0.5", "NaN", "a string", "null", "true", "huge", "a list"],
)  # fmt: skip
def test_pixel_that_is_none_is_named_with_its_place(client: TestClient, value: object, shown: str) -> None:
    """A pixel that is no whole number from 0 to 255 is answered 422, with where it is and what it is."""
    body = json.dumps({"images": [BOOT, changed(value)]})
    response = client.post(JSON_ROUTE, content=body, headers={"Content-Type": "application/json"})
    error = {"where": "images[1][3][5]", "message": f"must be a whole number from 0 to 255, not {shown}"}
    assert (response.status_code, response.json()["errors"]) == (422, [error])


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (BOOT[:27], {"where": "images[0]", "message": "has 27 rows, not 28"}),
        ([*BOOT[:27], BOOT[27][:27]], {"where": "images[0][27]", "message": "has 27 values, not 28"}),
        ([*BOOT[:27], 28], {"where": "images[0][27]", "message": "must be a row of 28 whole numbers, not a number"}),
    ],
    ids=["27 rows", "a row of 27", "a number for a row"],
)
def test_image_of_another_shape_is_named_with_its_place(
    client: TestClient, image: list[object], error: dict[str, str]
) -> None:
    """An image of another shape is answered 422, with the row that is wrong."""
    response = client.post(JSON_ROUTE, json={"images": [image]})
    assert (response.status_code, response.json()["errors"]) == (422, [error])


def test_every_wrong_image_is_named(client: TestClient) -> None:
    """Where several images are wrong, each of them is named."""
    response = client.post(JSON_ROUTE, json={"images": [changed(256), BOOT, "???", changed(-1)]})
    assert [error["where"] for error in response.json()["errors"]] == [
        "images[0][3][5]",
        "images[2]",
        "images[3][3][5]",
    ]


def test_number_of_faults_described_is_bounded(client: TestClient) -> None:
    """A hopeless request gets a short answer: no more than twenty faults are described."""
    problem = client.post(JSON_ROUTE, json={"images": ["???"] * 30}).json()
    assert len(problem["errors"]) == 20
    assert problem["detail"].endswith("(and more)")


@pytest.mark.parametrize(
    "text",
    ["not base64!", base64.b64encode(b"plain text").decode(), base64.b64encode(pictures.truncated_png()).decode(), ""],
    ids=["no base64", "no picture", "truncated", "empty"],
)
def test_base64_of_no_picture_is_refused(client: TestClient, text: str) -> None:
    """Text that is no base64, or base64 of no whole picture, is answered 422: the JSON around it is right."""
    response = client.post(JSON_ROUTE, json={"images": [text]})
    assert (response.status_code, response.json()["errors"][0]["where"]) == (422, "images[0]")


def test_too_many_images_are_refused_with_the_limit(make_client: MakeClient) -> None:
    """More images than one request may hold are answered 422, and the answer names the limit."""
    client = make_client(max_images_per_request=2)
    response = client.post(JSON_ROUTE, json={"images": [BOOT] * 3})
    assert (response.status_code, "2" in response.json()["detail"]) == (422, True)


def test_large_request_is_answered_whole(make_client: MakeClient) -> None:
    """A request of more images than a batch holds gets all of its answers."""
    client = make_client(max_batch_size=4)
    answer = client.post(JSON_ROUTE, json={"images": fake_test_set().images.tolist()}).json()
    expected = [(index + (index % 10 == 0)) % 10 for index in range(30)]
    assert [prediction["class_id"] for prediction in answer["predictions"]] == expected


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_json_route_reads_json_only(client: TestClient, content_type: str) -> None:
    """A body that does not say it is JSON is answered 415."""
    body = json.dumps({"images": [BOOT]})
    response = client.post(JSON_ROUTE, content=body, headers={"Content-Type": content_type})
    assert response.status_code == 415


def in_chunks(body: bytes) -> Iterator[bytes]:
    """A body whose length is not told beforehand."""
    yield from (body[start : start + 1000] for start in range(0, len(body), 1000))


@pytest.mark.parametrize("route", [JSON_ROUTE, UPLOAD_ROUTE])
@pytest.mark.parametrize("declares_length", [True, False], ids=["with Content-Length", "without"])
def test_body_over_the_limit_is_refused(make_client: MakeClient, route: str, *, declares_length: bool) -> None:
    """A body over the limit is answered 413, whether it says its length or not."""
    client = make_client(max_upload_bytes=5000)
    body = b" " * 5001
    media_type = "application/json" if route == JSON_ROUTE else "image/png"
    content = body if declares_length else in_chunks(body)
    response = client.post(route, content=content, headers={"Content-Type": media_type})
    assert (response.status_code, response.json()["type"]) == (413, "/problems#too-large")


def test_multipart_over_the_limit_is_refused(make_client: MakeClient) -> None:
    """A multipart body over the limit is answered 413 as well."""
    client = make_client(max_upload_bytes=5000)
    response = client.post(UPLOAD_ROUTE, files={"file": ("a.png", b"x" * 5001)})
    assert response.status_code == 413


def test_files_are_classified_in_their_order(client: TestClient) -> None:
    """Each uploaded file gets its prediction, under its name, in the order of the parts."""
    files = [("file", (f"{i}.png", client.get(f"/api/v1/test-images/{i}/image").content)) for i in (9, 3)]
    answer = client.post(UPLOAD_ROUTE, files=files).json()
    named = [(prediction["filename"], prediction["label"]) for prediction in answer["predictions"]]
    assert named == [("9.png", "Ankle boot"), ("3.png", "Dress")]


@pytest.mark.parametrize("media_type", ["image/png", "IMAGE/PNG; x=y", "image/jpg", "application/octet-stream"])
def test_raw_body_is_classified(client: TestClient, media_type: str) -> None:
    """A picture may be the body itself; it has no name then."""
    picture = client.get("/api/v1/test-images/9/image").content
    answer = client.post(UPLOAD_ROUTE, content=picture, headers={"Content-Type": media_type}).json()
    assert (answer["predictions"][0]["label"], answer["predictions"][0]["filename"]) == ("Ankle boot", None)


@pytest.mark.parametrize("name", ["C:\\photos\\boot.png", "/etc/photos/boot.png", "../../boot.png"])
def test_folders_of_a_file_name_are_left_out(client: TestClient, name: str) -> None:
    """Of a file name with folders, only the name comes back."""
    answer = client.post(UPLOAD_ROUTE, files={"file": (name, pictures.grey_png())}).json()
    assert answer["predictions"][0]["filename"] == "boot.png"


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


def test_wrong_file_among_others_is_named(client: TestClient) -> None:
    """Where one of several files is wrong, the answer says which."""
    files = [("file", ("a.png", pictures.grey_png())), ("file", ("b.png", pictures.TEXT_FILE))]
    response = client.post(UPLOAD_ROUTE, files=files)
    assert (response.status_code, [error["where"] for error in response.json()["errors"]]) == (422, ["file[1]"])


@pytest.mark.parametrize(
    "parts",
    [
        {"files": {"image": ("a.png", pictures.grey_png())}},
        {"files": {"x": ("", b"")}, "data": {"file": "text"}},
    ],
    ids=["wrong name", "no file"],
)
def test_form_without_a_file_is_refused(client: TestClient, parts: dict[str, object]) -> None:
    """A form with no file in a part named `file` is answered 422, and the answer names that part."""
    response = client.post(UPLOAD_ROUTE, **parts)  # type: ignore[arg-type]  # what httpx takes
    assert (response.status_code, "file" in response.json()["detail"]) == (422, True)


def test_other_form_fields_are_ignored(client: TestClient) -> None:
    """Fields beside the files, as browsers and upload widgets send them, change nothing."""
    files = {"file": ("a.png", pictures.grey_png()), "other": ("b.png", b"x")}
    response = client.post(UPLOAD_ROUTE, files=files, data={"_charset_": "utf-8"})
    assert (response.status_code, len(response.json()["predictions"])) == (200, 1)


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
        (b"no parts", "multipart/form-data; boundary=x"),
        (b"--x\r\n", "multipart/form-data"),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
            "multipart/form-data; boundary=x",
        ),
        (b"--x\r\nContent-Type: image/png\r\n\r\nabc\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    ],
    ids=["no part", "no multipart", "no boundary", "cut short", "no name"],
)
def test_multipart_without_parts_is_refused(client: TestClient, body: bytes, media_type: str) -> None:
    """A multipart body with no part in it, or none that can be read, is answered 422."""
    response = client.post(UPLOAD_ROUTE, content=body, headers={"Content-Type": media_type})
    assert response.status_code == 422


def test_overloaded_service_refuses_before_it_reads(make_client: MakeClient) -> None:
    """Where the queue has no room, the answer is 503 with when to come again, whatever the body holds."""
    client = make_client(max_queue_size=0)
    answers = [client.post(JSON_ROUTE, content=b"nonsense"), client.post(UPLOAD_ROUTE, content=b"nonsense")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].headers["retry-after"] == "1"
    assert answers[0].json()["type"] == "/problems#overloaded"


def test_too_many_files_are_refused(make_client: MakeClient) -> None:
    """More files than one request may hold are answered 422."""
    client = make_client(max_images_per_request=2)
    files = [("file", ("a.png", pictures.grey_png()))] * 3
    assert client.post(UPLOAD_ROUTE, files=files).status_code == 422


@pytest.mark.parametrize("media_type", ["text/plain", "application/json", ""])
def test_upload_of_another_type_is_refused(client: TestClient, media_type: str) -> None:
    """A body that is neither multipart nor a type of picture that is read is answered 415, with those that are."""
    response = client.post(UPLOAD_ROUTE, content=b"x", headers={"Content-Type": media_type})
    assert (response.status_code, "image/png" in response.json()["detail"]) == (415, True)
