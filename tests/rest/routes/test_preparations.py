"""The route that prepares a picture of any size."""

import asyncio
import base64
import threading
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from fashion_api.errors import OverloadedError
from fashion_api.pictures.decoding import decode_image
from fashion_api.pictures.preparation import Crop, Options, prepare_picture
from tests import picture_files as pictures
from tests.conftest import find_service
from tests.raw_http import LIMIT_S

ROUTE = "/api/v1/preparations"
PHOTO = pictures.exif_rotated_picture("JPEG", 6, 255 - pictures.make_pixels(400, 300))


def prepare(client: TestClient, content: bytes = PHOTO, query: str = "") -> Any:  # noqa: ANN401  # any JSON
    return client.post(f"{ROUTE}?{query}", content=content, headers={"Content-Type": "image/jpeg"}).json()


def test_answer_is_what_the_function_gives(client: TestClient) -> None:
    """The picture is prepared as the caller says, and the answer says what was done."""
    answer = prepare(client, query="crop=0,0.5,0.5,0.25&turn=90&invert=true&fit=cover")
    options = Options(Crop(0, 0.5, 0.5, 0.25), 90, invert=True, fit="cover")
    expected = prepare_picture(PHOTO, options, height=28, width=28)
    np.testing.assert_array_equal(decode_image(base64.b64decode(answer["image"]), height=28, width=28), expected.image)
    assert answer["source"] == {"width": 400, "height": 300}
    assert answer["steps"] == {
        "upright": True, "turn": 90, "crop": [0, 0.5, 0.5, 0.25], "inverted": True, "fit": "cover"
    }  # fmt: skip


def test_defaults_show_the_whole_picture(client: TestClient) -> None:
    """Without parameters, all of the upright picture is shown, with black beside it."""
    answer = prepare(client)
    assert answer["source"] == {"width": 300, "height": 400}
    assert answer["steps"] == {
        "upright": True, "turn": 0, "crop": [0, 0, 1, 1], "inverted": False, "fit": "contain"
    }  # fmt: skip


def test_form_and_raw_body_are_prepared_alike(client: TestClient) -> None:
    """A file in a form is read like the raw body."""
    form = client.post(ROUTE, files={"file": ("photo.jpg", PHOTO)}, data={"note": "hello"})
    assert form.json() == prepare(client)


def test_image_can_be_classified_as_it_is(client: TestClient) -> None:
    """What was prepared is sent on to the predictions."""
    answer = client.post("/api/v1/predictions", json={"images": [prepare(client)["image"]]})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crop", "0,0,1"), ("crop", "0,0,1,1,1"), ("crop", "a,b,c,d"), ("crop", ""), ("crop", "0,0,0,1"),
        ("crop", "0.5,0,0.6,1"), ("crop", "-1,0,1,1"), ("crop", "nan,0,1,1"), ("crop", "0,0,inf,1"), ("turn", "45"),
        ("turn", "left"), ("turn", "-90"), ("invert", "yes"), ("fit", "tight"),
    ],
)  # fmt: skip
def test_wrong_parameter_is_named(client: TestClient, name: str, value: str) -> None:
    """A parameter that is wrong is answered 422, and named."""
    problem = prepare(client, query=f"{name}={value}")
    assert (problem["status"], [error["where"] for error in problem["errors"]]) == (422, [name])


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422), (pictures.TEXT_FILE, 415), (pictures.truncated_jpeg(), 422), (pictures.bomb_png(), 422),
        (pictures.animated_picture("GIF"), 422),
    ],
    ids=["nothing", "text", "cut", "a bomb", "frames"],
)  # fmt: skip
def test_file_that_cannot_be_prepared(client: TestClient, content: bytes, status: int) -> None:
    """A file that is no picture is answered 415, a picture that cannot be read 422."""
    assert prepare(client, content)["status"] == status


def test_form_of_two_files_is_refused(client: TestClient) -> None:
    """One request prepares one picture."""
    files = [("file", ("a.png", pictures.grey_png())), ("file", ("b.png", pictures.grey_png()))]
    assert client.post(ROUTE, files=files).status_code == 422


def test_base64_is_not_the_body(client: TestClient) -> None:
    """The body is the file itself."""
    encoded = base64.b64encode(pictures.grey_png())
    assert client.post(ROUTE, content=encoded, headers={"Content-Type": "image/png"}).status_code == 415


@pytest.mark.parametrize("fit", ["contain", "cover", "stretch"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("crop", ["0,0,5e-324,1", "0,0,1,1e-20", "0.9999999999999999,0,1e-7,1", "0,1e-6,1,0.000000001"])
def test_least_crop_is_refused_or_shown(client: TestClient, crop: str, kind: str, fit: str) -> None:
    """A crop of next to nothing is refused as such, and the least one is shown."""
    content = pictures.save(Image.new("L", (10, 100)), kind)
    answer = prepare(client, content, query=f"crop={crop}&fit={fit}")
    assert "image" in answer if crop.endswith("0.000000001") else "0.000000001 or more" in answer["detail"]


def test_pictures_are_decoded_one_after_the_other(client: TestClient) -> None:
    """Pixels of one picture alone are in memory, and a quarter of the requests under way are preparations at most."""
    service = find_service(client)
    portal = client.portal
    assert portal is not None
    seen: list[int] = []
    may_end = threading.Event()

    def decode(number: int) -> Generator[None, None, None]:
        seen.append(number)
        may_end.wait(LIMIT_S)
        yield
        seen.append(number)

    async def prepare_many() -> list[BaseException | None]:
        deadline = asyncio.get_running_loop().time() + LIMIT_S
        runs = (service.preparer.run(decode(number), deadline=deadline, timeout_s=LIMIT_S) for number in range(33))
        tasks = [asyncio.create_task(run) for run in runs]
        await asyncio.wait(tasks[32:])
        may_end.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    *done, refused = portal.call(prepare_many)
    assert done == [None] * 32
    assert isinstance(refused, OverloadedError)
    assert seen == [number for number in range(32) for _ in range(2)]


def test_preparations_and_large_bodies_do_not_wait_for_each_other(client: TestClient) -> None:
    """A picture is prepared while the bodies of predictions keep their decoder busy; so they need not wait for it."""
    service = find_service(client)
    assert client.portal is not None
    gate = threading.Event()

    def hold() -> Generator[None, None, None]:
        assert gate.wait(LIMIT_S)
        yield

    async def keep_busy() -> None:
        deadline = asyncio.get_running_loop().time() + LIMIT_S
        await service.decoder.run(hold(), deadline=deadline, timeout_s=LIMIT_S)

    busy = client.portal.start_task_soon(keep_busy)
    try:
        assert prepare(client)["source"] == {"width": 300, "height": 400}
    finally:
        gate.set()
        busy.result(LIMIT_S)
