"""What public servers of the Open Inference Protocol were asked over HTTP, and this service's answers beside theirs."""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from fashion_api.rest.app import create_app
from fashion_api.settings import Settings
from tests.fakes import fake_model, load_fake_test_set
from tests.reference.stand_in import StandIn
from tests.reference.table import HTTP, LARGEST_BATCH, MODEL, HttpCase, find_difference

DIFFERENCES: Mapping[str, str] = {
    "server metadata, slash": "the published description of the protocol spells the path so; two servers redirect",
    "model list": "KServe has a list of models there",
    "load": "callers do not load models: 503, as Triton's where it is not told that they may",
    "gzip in, trailing": "what follows the packed body is refused: it is no part of the request",
    "data 256": "256 is no UINT8: refused, where Triton takes it for 0",
    "nested 200 deep": "lists of different depths are no tensor",
    "output twice": "outputs are read by name, of which there can be one each: most often a mistake",
    "json with BOM": "JSON for others begins with no byte-order mark (RFC 8259, 8.1)",
    "escaped name": "names in paths are percent-decoded, as URIs want it (RFC 3986, 2.3)",
    "v1 instances empty": "no image is no request, as in the other protocols",
}
"""By case, why the status differs in its class from Triton's where that was 200 or 404 (KServe's, where there is only
that), or from that of all three. Not listed is where all three answer 5xx: here, a caller's mistake is never one."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The service, by the name and with the batch that the servers had."""
    cache = tmp_path_factory.mktemp("cache")
    settings = Settings(_env_file=None, cache_dir=cache, served_name=MODEL, max_images_per_request=LARGEST_BATCH)
    app = create_app(settings, load_model=lambda _: fake_model(StandIn()), load_test_set=load_fake_test_set)
    with TestClient(app, raise_server_exceptions=False) as client:
        client.headers.clear()  # the servers were sent none but those in the table
        yield client


def ask(service: TestClient, case: HttpCase) -> httpx2.Response:
    body = case.write_body()
    return service.request(case.method, case.path, content=body, headers=dict(case.headers), follow_redirects=False)


def read(answer: httpx2.Response) -> Any:  # noqa: ANN401  # any JSON
    """Read an answer; its binary data as the numbers and texts that JSON would have had."""
    length = answer.headers.get("Inference-Header-Content-Length")
    if length is None:
        return answer.json()
    read, rest = json.loads(answer.content[: int(length)]), answer.content[int(length) :]
    for output in read["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is not None:
            data, rest = rest[:size], rest[size:]
            output["data"] = read_tensor(output["datatype"], data)
    assert rest == b""
    return read


def read_tensor(datatype: str, data: bytes) -> list[Any]:
    """Read the binary form of a tensor."""
    if datatype == "FP32":
        return [float(number) for number in np.frombuffer(data, "<f4")]
    return list(read_texts(data))


def read_texts(data: bytes) -> Iterator[str]:
    while data:
        (length,) = struct.unpack("<I", data[:4])
        yield data[4 : 4 + length].decode()
        data = data[4 + length :]


def differs(case: HttpCase, status: int) -> bool:
    """Tell whether a status is of another class than the servers' where it should be the same."""
    reference = case.statuses.get("triton", case.statuses.get("kserve", 0))
    classes = {each // 100 for each in case.statuses.values()}
    do_agree = len(case.statuses) == 3 and len(classes) == 1 and classes != {5}
    return (do_agree or reference in (200, 404)) and status // 100 != reference // 100


@pytest.mark.parametrize("case", HTTP, ids=lambda case: case.case)
def test_answer_is_of_the_class_of_the_servers(case: HttpCase, service: TestClient) -> None:
    """What public servers take is taken and what they don't have is not found; no mistake of a caller's is a 5xx."""
    status = ask(service, case).status_code
    assert differs(case, status) == (case.case in DIFFERENCES), (status, case.statuses)
    assert status < 500 or case.case.startswith("load")


@pytest.mark.parametrize("case", [case for case in HTTP if case.answer is not None], ids=lambda case: case.case)
def test_answer_has_what_clients_read(case: HttpCase, service: TestClient) -> None:
    """Names, types, shapes, probabilities and the texts of classes are those that the servers gave."""
    answer = ask(service, case)
    if case.case not in DIFFERENCES or answer.status_code == 200:
        assert find_difference(read(answer), case.answer) is None


def test_every_difference_is_of_a_case() -> None:
    """No difference is explained of which there is none."""
    assert set(DIFFERENCES) <= {case.case for case in HTTP}
