"""`fashion-api doctor`."""

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from fashion_api.cli.main import run
from fashion_api.files import sha256_hex
from fashion_api.inference.manifest import InputSpec, Manifest, write_manifest
from tests.colour_pictures import CLASSES, write_folders

MODELS = Path(__file__).parents[2] / "models"


def ask(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Give the status of `doctor --json`, and what it found, the checks by name."""
    status = run(["doctor", "--json", *arguments])
    found = json.loads(capsys.readouterr().out)
    found["checks"] = {check["name"]: check for check in found["checks"]}
    found["settings"] = {setting["name"]: setting for setting in found["settings"]}
    return status, found


@pytest.fixture
def port() -> str:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


@pytest.mark.usefixtures("own_data")
def test_missing_model_keeps_it_from_serving(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the model is missing, that is wrong, all else is looked at, and the status is 1."""
    status, found = ask(["--port", port, "--model-path", "none.h5"], capsys)
    assert (status, found["serves"]) == (1, False)
    assert {name: check["state"] for name, check in found["checks"].items() if name != "TensorFlow"} == {
        "data": "ok",
        "model": "wrong",
        "address": "ok",
    }
    assert "6 training and 6 test images" in found["checks"]["data"]["detail"]


@pytest.mark.usefixtures("own_data")
@pytest.mark.parametrize(
    ("name", "variables"),
    [("keys", ["FASHION_API_KEYS_FILE"]), ("TLS", ["FASHION_TLS_CERT", "FASHION_TLS_KEY"])],
)
def test_file_that_is_missing_keeps_it_from_serving(
    name: str, variables: list[str], port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of keys or of a certificate that is set and missing is wrong, with the setting's name."""
    for variable in variables:
        monkeypatch.setenv(variable, "none.file")
    status, found = ask(["--port", port, "--model-path", "none.h5"], capsys)
    assert (status, found["checks"][name]["state"]) == (1, "wrong")
    assert f"{variables[0]}: none.file: No such file" in found["checks"][name]["detail"]
    assert found["checks"]["address"]["detail"].startswith("https://" if name == "TLS" else "http://")


def test_model_that_is_not_compiled_is_a_note(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A model without a compiled form keeps nothing from serving where TensorFlow is."""
    status, found = ask(["--port", port, "--model-path", str(MODELS / "compact.h5")], capsys)
    checks = found["checks"]
    assert (status, found["serves"]) == (0, True)
    assert checks["engine"]["state"] == "note"
    assert "of the test set" in checks["model"]["detail"]
    assert "fashion_mnist.h5 (fashion_mnist " in checks["other models"]["detail"]


def test_names_for_other_protocols_are_said(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What clients of other protocols ask for is said: the model's name and version, and the port for gRPC."""
    monkeypatch.setenv("FASHION_SERVED_NAME", "mine")
    monkeypatch.setenv("FASHION_SERVED_VERSION", "7")
    _, found = ask(["--port", port, "--model-path", str(MODELS / "compact.h5")], capsys)
    protocols = found["checks"]["protocols"]
    assert protocols["state"] == "ok"
    assert protocols["detail"] == "/v1 and /v2 have the model mine, version 7; no port for gRPC is set"


@pytest.mark.usefixtures("own_data")
@pytest.mark.parametrize(("is_free", "state"), [(True, "ok"), (False, "wrong")], ids=["free", "in use"])
def test_port_for_grpc_is_tried(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, is_free: bool, state: str
) -> None:
    """A port for gRPC that is in use keeps the service from starting."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        other = sock.getsockname()[1]
        if is_free:
            sock.close()
        monkeypatch.setenv("FASHION_GRPC_PORT", str(other))
        _, found = ask(["--port", port, "--model-path", "none.h5"], capsys)
    assert found["checks"]["gRPC"]["state"] == state
    assert ("is free" if is_free else "in use") in found["checks"]["gRPC"]["detail"]


def test_named_folder_without_data_keeps_it_from_serving(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a folder is named that has no test set, the service does not start, and that is said."""
    status, found = ask(["--port", port, "--data-dir", "none"], capsys)
    assert (status, found["serves"], found["checks"]["data"]["state"]) == (1, False, "wrong")
    assert "As --data-dir names a folder" in found["checks"]["data"]["detail"]


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A model that is not compiled, beside a data set of pictures that differ in size."""
    write_folders(tmp_path / "flowers", {"train": 6, "test": 3}, height=9)
    write_folders(tmp_path / "flowers", {"test": 1}, height=12)
    model = tmp_path / "flowers.h5"
    model.write_bytes(b"\x89HDF\r\n\x1a\n")
    return model


def test_pictures_are_read_in_the_size_of_the_model(
    flowers: Path, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders of pictures that differ in size are read as serving reads them."""
    spec, sha256 = InputSpec(height=8, width=8, channels=3), sha256_hex(flowers.read_bytes())
    write_manifest(flowers, Manifest(name="flowers", sha256=sha256, labels=CLASSES, input=spec))
    _, found = ask(["--port", port, "--model-path", "flowers.h5", "--data-dir", "flowers"], capsys)
    assert found["checks"]["data"]["state"] == "ok"
    assert "6 training and 3 test images" in found["checks"]["data"]["detail"]


@pytest.mark.usefixtures("flowers")
def test_pictures_of_unknown_size_keep_nothing_from_serving(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the size of a model is known only once it is compiled, pictures that differ in size are a note."""
    status, found = ask(["--port", port, "--model-path", "flowers.h5", "--data-dir", "flowers"], capsys)
    assert (status, found["checks"]["data"]["state"]) == (0, "note")
    assert "once the model is compiled" in found["checks"]["data"]["detail"]


@pytest.mark.tensorflow
def test_compiled_model_is_tried(
    real_service: dict[str, str], port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that is compiled is loaded and asked."""
    for name, value in real_service.items():
        monkeypatch.setenv(name, value)
    status, found = ask(["--port", port], capsys)
    assert (status, found["checks"]["engine"]["state"]) == (0, "ok")
    assert found["checks"]["engine"]["detail"].startswith("onnx: the model loads and answers")


def test_address_in_use_keeps_it_from_serving(capsys: pytest.CaptureFixture[str]) -> None:
    """A port on which something else listens is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        status, found = ask(["--port", str(server.getsockname()[1])], capsys)
    assert (status, found["checks"]["address"]["state"]) == (1, "wrong")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "note"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "wrong"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "wrong"),
    ],
    ids=["service", "other service", "no HTTP"],
)
def test_what_listens_is_asked(
    answer: bytes, state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an address in use, a service is told from what is none, whatever that answers, and no proxy is asked."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    def answer_once() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_once)
        thread.start()
        _, found = ask(["--port", str(server.getsockname()[1])], capsys)
        thread.join()
    assert found["checks"]["address"]["state"] == state


def test_controls_are_written_out(port: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path that could steer the terminal is written out, wherever it stands."""
    (tmp_path / "other\x1b[2J.h5").touch()
    assert run(["doctor", "--port", port, "--model-path", "none\x9b2J.h5"]) == 1
    printed = capsys.readouterr().out
    assert r"other\x1b[2J.h5" in printed
    assert r"FASHION_MODEL_PATH=none\x9b2J.h5" in printed
    assert printed.replace("\n", "").isprintable()


def test_each_setting_has_its_source(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each setting is given with what sets it; a key is not shown."""
    (tmp_path / ".env").write_text("FASHION_WORKERS=2\nFASHION_MAX_BATCH_SIZE=8\n")
    monkeypatch.setenv("FASHION_MAX_BATCH_SIZE", "4")
    monkeypatch.setenv("FASHION_API_KEYS", "open-sesame")
    _, found = ask(["--port", port], capsys)
    settings = found["settings"]
    expected = {
        "FASHION_PORT": (port, "--port"),
        "FASHION_WORKERS": ("2", ".env"),
        "FASHION_MAX_BATCH_SIZE": ("4", "environment"),
        "FASHION_API_KEYS": ("hidden", "environment"),
        "FASHION_HOST": ("127.0.0.1", "default"),
    }
    assert {name: (settings[name]["value"], settings[name]["source"]) for name in expected} == expected


def test_findings_fit_a_screen(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed for people fits a screen of 80 columns and 40 lines; only a long path is not broken."""
    run(["doctor", "--port", port, "--model-path", str(MODELS / "compact.h5"), "--data-dir", "none"])
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 or "/" in line for line in lines)
    assert len(lines) <= 40
