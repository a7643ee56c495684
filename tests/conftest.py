"""What the tests share."""

import gc
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, cast

import pytest
from fastapi.testclient import TestClient
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from fashion_api.data.dataset import DataSource
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.loading import LoadedModel, compile_model
from fashion_api.rest.app import ServiceApp, TestSetLoader, create_app
from fashion_api.service.service import Service
from fashion_api.settings import Settings
from tests.fakes import load_fake_test_set, model_loader
from tests.raw_http import LIMIT_S

MODEL = Path(__file__).parents[1] / "models" / "fashion_mnist.h5"
_PAGE = "tests/rest/page/"
_LONGEST = (
    _PAGE,
    "tests/rest/test_generated_requests.py",
    "tests/server/test_stopping.py",
    "tests/docs/test_pages.py",
    "tests/server/test_supervisor.py",
    "tests/training/fit/test_training.py",
    "tests/inference/test_old_models.py",
    "tests/server/test_log_queue.py",
    "tests/inference/test_model_process.py",
    "tests/contract/",
    "tests/server/test_metrics.py",
    "tests/training/evaluate/test_evaluation.py",
    "tests/server/test_asgi_servers.py",
    "tests/cli/test_train.py",
)
"""What takes longest, each more than 15 s."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where the tests that need TensorFlow are left out, do not import the modules that have only such tests."""
    if "not tensorflow" not in config.getoption("markexpr") or collection_path.suffix != ".py":
        return None
    return bool(re.search(r"^pytestmark = .*mark\.tensorflow", collection_path.read_text(), re.MULTILINE)) or None


class _FilesAndPage(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives each file to one process, and all files of the page: they share a browser, and a service that is asked."""

    def _split_scope(self, nodeid: str) -> str:
        return _PAGE if nodeid.startswith(_PAGE) else nodeid.split("::", 1)[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _FilesAndPage | None:
    """With `--dist loadfile`, spread the files, but keep those of the page together."""
    return _FilesAndPage(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_xdist_auto_num_workers() -> int:
    """Half as many processes again as there are cores: for a third of their time the tests wait."""
    return 3 * (os.cpu_count() or 1) // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that all processes end together."""
    ranks = {start: rank for rank, start in enumerate(_LONGEST)}
    items.sort(key=lambda item: next((ranks[start] for start in _LONGEST if item.nodeid.startswith(start)), len(ranks)))


def pytest_collection_finish() -> None:
    """Leave the tests and the modules that they import, TensorFlow's among them, out of garbage collections.

    These are seldom, too: by default they take a tenth of the time of tests that build models.
    """
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them, and those of OpenTelemetry."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in list(os.environ):
            if name.upper().startswith(("FASHION_", "OTEL_")):
                monkeypatch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Put the root logger back as pytest had set it up."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers = handlers
    root.setLevel(level)  # which all other loggers are told
    logging.captureWarnings(capture=False)


@pytest.fixture(scope="session")
def real_service(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings, as variables, of the committed model, compiled once into a cache of the tests' own, and the real data.

    For tests that are marked `tensorflow`. Processes that share the tests out share the cache, too.
    """
    folder = tmp_path_factory.getbasetemp()
    cache = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "cache"
    compile_model(Settings(_env_file=None, model_path=MODEL, cache_dir=cache))
    data = DataSource.from_settings(Settings(_env_file=None)).find("test")
    return {"FASHION_MODEL_PATH": str(MODEL), "FASHION_CACHE_DIR": str(cache), "FASHION_DATA_DIR": str(data)}


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A place for a .env file; there is none yet."""
    return tmp_path / ".env"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The defaults, with a cache of the test's own."""
    return Settings(_env_file=None, cache_dir=tmp_path / "cache")


def find_service(client: TestClient) -> Service:
    """Give the service of a client's app."""
    service = cast("ServiceApp", client.app).service
    assert service is not None
    return service


def await_predictions(client: TestClient) -> None:
    """Wait until the model's predictions for the whole test set are there."""
    deadline = time.monotonic() + LIMIT_S
    while client.get("/api/v1/confusion-matrix").status_code == 503:  # they are being computed
        assert time.monotonic() < deadline
        time.sleep(0.01)  # they are computed where nobody asks


class MakeClient(Protocol):
    """Starts an app with parts of the test's choosing, and gives a client of it."""

    def __call__(
        self,
        classifier: Classifier | None = None,
        *,
        model: LoadedModel | None = ...,
        load_test_set: TestSetLoader = ...,
        **changes: object,
    ) -> TestClient: ...


@pytest.fixture
def make_client(settings: Settings) -> Iterator[MakeClient]:
    """Start apps that are stopped when the test is over; `changes` are settings by field name."""
    with ExitStack() as stack:

        def make(
            classifier: Classifier | None = None,
            *,
            model: LoadedModel | None = None,
            load_test_set: TestSetLoader = load_fake_test_set,
            **changes: object,
        ) -> TestClient:
            load_model = model_loader(classifier) if model is None else lambda _: model
            app = create_app(settings.model_copy(update=changes), load_model=load_model, load_test_set=load_test_set)
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield make


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    """A client of a service with a fake classifier and thirty fake test images."""
    return make_client()
