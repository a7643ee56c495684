"""The file of keys, as an operator of `fashion-api serve` changes it."""

import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from fashion_api.service.keys import make_key
from tests.server.service_process import Service, connect, read_answer, serve
from tests.servers import ROOT

pytestmark = [pytest.mark.services, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

EVERYWHERE = "0.0.0.0"  # noqa: S104  # that is what is warned of


def ask(port: int, key: str) -> bytes:
    """Ask for the model with a key; gives the status."""
    with connect(port) as connection:
        connection.sendall(b"GET /api/v1/model HTTP/1.1\r\nHost: x\r\nX-API-Key: %b\r\n\r\n" % key.encode())
        return read_answer(connection).split()[1]


@pytest.mark.parametrize("workers", [1, 2], ids=["one worker", "two workers"])
def test_sighup_reads_it_anew(tmp_path: Path, workers: int) -> None:
    """After SIGHUP, new keys are accepted and those taken out are not; a broken file changes nothing; nothing ends."""
    file = tmp_path / "keys.toml"
    (old, old_line), (new, new_line) = make_key("old"), make_key("new")
    file.write_text(old_line)
    with serve(workers=workers, FASHION_API_KEYS_FILE=str(file)) as service:
        assert (ask(service.port, old), ask(service.port, new)) == (b"200", b"401")
        file.write_text(new_line)
        service.send(signal.SIGHUP)
        service.log.wait_for(r"1 API key\(s\) are in force", times=workers)
        assert (ask(service.port, old), ask(service.port, new)) == (b"401", b"200")
        file.write_text("new")
        service.send(signal.SIGHUP)
        service.log.wait_for("ERROR.*what was in force stays: FASHION_API_KEYS_FILE", times=workers)
        assert ask(service.port, new) == b"200"
        assert not service.log.find("Traceback|ended")


@pytest.mark.parametrize("workers", [1, 2], ids=["one worker", "two workers"])
def test_sighup_during_the_start_reads_it_anew(tmp_path: Path, workers: int) -> None:
    """Also where it was read already, and the model is still being loaded."""
    file, model = tmp_path / "keys.toml", tmp_path / "fashion_mnist.h5"
    for suffix in (".h5", ".json"):
        shutil.copy((ROOT / "models" / model.name).with_suffix(suffix), tmp_path)
    (old, old_line), (new, new_line) = make_key("old"), make_key("new")
    file.write_text(old_line)
    environment = {"FASHION_API_KEYS_FILE": str(file), "FASHION_MODEL_PATH": str(model), "FAULT_OPEN": str(model)}
    with serve(workers=workers, is_ready=False, **environment) as service:
        service.log.wait_for("the file is opened", times=workers)
        file.write_text(new_line)
        service.send(signal.SIGHUP)
        model.with_name(f"{model.name}.go").touch()
        service.log.wait_for(r"1 API key\(s\) are in force", times=workers)
        assert (ask(service.port, old), ask(service.port, new)) == (b"401", b"200")


def test_worker_that_finds_it_broken_says_so_and_is_tried_again(tmp_path: Path) -> None:
    """While the file is broken a worker that ends is not replaced, one line says why, and the other goes on."""
    file = tmp_path / "keys.toml"
    key, line = make_key("laptop")
    file.write_text(line)
    with serve(workers=2, FASHION_API_KEYS_FILE=str(file)) as service:
        file.write_text("laptop")
        os.kill(service.find_workers()[0], signal.SIGKILL)
        service.log.wait_for(f"CRITICAL.*cannot start: FASHION_API_KEYS_FILE: {re.escape(str(file))}")
        assert ask(service.port, key) == b"200"
        file.write_text(line)
        service.wait_until_ready(times=3)
        assert not service.log.find("Traceback")


@pytest.mark.parametrize("workers", [1, 2], ids=["one worker", "two workers"])
def test_broken_file_stops_the_start_with_one_line(tmp_path: Path, workers: int) -> None:
    """A file that cannot be read is one line, before any model is loaded, and status 1."""
    file = tmp_path / "keys.toml"
    with serve(workers=workers, is_ready=False, FASHION_API_KEYS_FILE=str(file)) as service:
        assert service.wait() == 1
        service.log.wait_for_end()
        assert service.log.lines == [f"fashion-api: FASHION_API_KEYS_FILE: {file}: No such file or directory\n"]


@pytest.mark.parametrize(
    ("host", "keys", "warnings"),
    [(EVERYWHERE, {}, 1), (EVERYWHERE, {"FASHION_API_KEYS": "one"}, 0), ("localhost", {}, 0)],
    ids=["everybody", "with a key", "this machine"],
)
def test_serving_to_everybody_is_one_warning(host: str, keys: dict[str, str], warnings: int) -> None:
    """Who listens beyond this machine and asks for no key is warned once, at the start."""
    service = Service({"FASHION_WORKERS": "2", "FASHION_HOST": host, **keys})
    try:
        service.log.wait_for("will serve on")
        assert len(service.log.find("WARNING.*everybody who can reach")) == warnings
    finally:
        service.end()
