"""Following a changed model, whose file names what a fake loader makes of it."""

import asyncio
import contextlib
import json
import os
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.types import ASGIApp

from fashion_api.errors import IncompleteModelError, ModelError, PendingError, UncompiledModelError
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.inference.manifest import InputSpec
from fashion_api.rest.app import ServiceApp, create_app
from fashion_api.service import following
from fashion_api.service.following import ModelFollower, look_at
from fashion_api.settings import Settings
from tests.asgi import ask, call
from tests.clock import put_clock_forward, run, turn_over
from tests.fakes import CLASSES, FakeClassifier, NovelClassifier, fake_model, load_fake_test_set
from tests.held import HeldClassifier
from tests.raw_http import LIMIT_S

INDEX_PATH = "/api/v1/test-images/3/prediction"


class NextClassifier(FakeClassifier):
    """Sees the class after the one that the fake classifier sees."""

    def classify(self, images: Images) -> Predictions:
        return Predictions(np.roll(super().classify(images).probabilities, 1, axis=1))


class Shelf:
    """A model file, and a loader to which its text is the name of a model or of what is wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "model.h5"
        self.path.with_suffix(".json").touch()
        self.loads = 0
        self.classifiers: dict[str, Classifier] = {}
        self.errors: dict[str, Exception] = {}
        self.models: dict[str, LoadedModel] = {}

    def write(self, text: str) -> None:
        """Replace the file."""
        new = self.path.with_name("new")
        new.write_text(text)
        new.replace(self.path)

    def load(self, settings: Settings) -> LoadedModel:
        """Load what the file names."""
        self.loads += 1
        text = settings.model_path.read_text()
        if text in self.errors:
            raise self.errors[text]
        return self.models.get(text) or replace(fake_model(self.classifiers.get(text)), version=text)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A file that has the model `old`."""
    shelf = Shelf(tmp_path)
    shelf.write("old")
    return shelf


@asynccontextmanager
async def running(
    shelf: Shelf, *, poll_s: float = 0.01, **changes: object
) -> AsyncIterator[tuple[ServiceApp, ModelFollower]]:
    """A running app that follows the shelf's file, and its follower."""
    followers: list[ModelFollower] = []

    @asynccontextmanager
    async def note(follower: ModelFollower) -> AsyncIterator[None]:
        followers.append(follower)
        yield

    settings = Settings(_env_file=None).model_copy(
        update={"model_path": shelf.path, "model_poll_s": poll_s, "request_timeout_s": 1e5, **changes}
    )
    app = create_app(settings, load_model=shelf.load, load_test_set=load_fake_test_set, lifespan=note)
    async with app.router.lifespan_context(app):
        yield app, followers[0]


async def until(is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(LIMIT_S):
        while not is_so():  # noqa: ASYNC110  # files and threads set no event
            await asyncio.sleep(0.005)


async def get(app: ASGIApp, path: str) -> dict[str, object]:
    """Ask for a JSON object."""
    answered: dict[str, object] = json.loads((await ask(app, "GET", path)).body)
    return answered


def find_version(app: ServiceApp) -> str:
    """The version in force."""
    assert app.service is not None
    return app.service.model.version


def count_changes(app: ServiceApp) -> dict[str, float]:
    """How often each outcome was counted."""
    assert app.service is not None
    registry = app.service.metrics.registry
    values = {
        outcome: registry.get_sample_value("fashion_model_changes_total", {"outcome": outcome})
        for outcome in ("served", "waiting", "refused")
    }
    return {outcome: value for outcome, value in values.items() if value}


def test_changed_file_is_followed(shelf: Shelf) -> None:
    """Once the file is replaced, answers are the new model's, and name it; so do the metrics."""
    shelf.classifiers["new"] = NextClassifier()

    async def test() -> None:
        async with running(shelf) as (app, _):
            before = await get(app, INDEX_PATH)
            shelf.write("new")
            await until(lambda: find_version(app) == "new")
            after = await get(app, INDEX_PATH)
            assert [answer["model"] for answer in (before, after)] == [
                {"name": "fake", "version": "old"},
                {"name": "fake", "version": "new"},
            ]
            assert [answer["correct"] for answer in (before, after)] == [True, False]
            assert (await get(app, "/api/v1/model"))["pending"] is None
            assert count_changes(app) == {"served": 1}
            metrics = (await ask(app, "GET", "/metrics")).body.decode()
            for version, value in (("old", 0), ("new", 1)):
                assert f'fashion_model_info{{engine="fake",name="fake",version="{version}"}} {value}.0\n' in metrics

    run(test)


def test_request_in_several_batches_is_one_models(shelf: Shelf) -> None:
    """A request that was taken in before a change is computed to its end by the old model, in all its batches."""
    old = HeldClassifier()
    shelf.classifiers |= {"old": old, "new": NextClassifier()}
    body = json.dumps({"images": [[[i] + [0] * 27] + [[0] * 28] * 27 for i in range(CLASSES)]}).encode()

    async def test() -> None:
        async with running(shelf, max_batch_size=4) as (app, _):
            early = call(app, "POST", "/api/v1/predictions", {"Content-Type": "application/json"}, body=body)
            await old.wait_until_entered()
            shelf.write("new")
            await until(lambda: find_version(app) == "new")
            late = call(app, "POST", "/api/v1/predictions", {"Content-Type": "application/json"}, body=body)
            answers = {"new": json.loads((await late.read_answer()).body)}
            old.release()
            answers["old"] = json.loads((await early.read_answer()).body)
            assert old.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
            for version, step in (("old", 0), ("new", 1)):
                seen = [prediction["class_id"] for prediction in answers[version]["predictions"]]
                assert answers[version]["model"]["version"] == version
                assert seen == [(i + step) % CLASSES for i in range(CLASSES)]

    run(test)


def test_old_model_goes_with_its_last_request(shelf: Shelf) -> None:
    """While a request waits for it, the old model is there; then it is freed, and its thread ends."""
    held = HeldClassifier()
    shelf.classifiers["old"] = held
    model = weakref.ref(held)
    before = set(threading.enumerate())  # other tests' threads may be about to end

    def count_threads() -> int:
        return sum(thread.name == "classifier" for thread in set(threading.enumerate()) - before)

    async def test() -> None:
        nonlocal held
        async with running(shelf) as (app, _):
            await get(app, "/openapi.json")  # which is completed once for each service
            waiting = call(app, "GET", INDEX_PATH)
            await held.wait_until_entered()
            shelf.write("new")
            await until(lambda: find_version(app) == "new")
            await turn_over()
            assert count_threads() == 2
            held.release()
            assert json.loads((await waiting.read_answer()).body)["model"]["version"] == "old"
            del held, waiting
            shelf.classifiers.clear()
            await until(lambda: count_threads() == 1 and model() is None)
            assert (await get(app, INDEX_PATH))["model"] == {"name": "fake", "version": "new"}

    run(test)


def test_model_goes_after_many_changes(shelf: Shelf) -> None:
    """Of many models, none is left but the one in force."""
    alive: weakref.WeakSet[FakeClassifier] = weakref.WeakSet()

    def load(settings: Settings) -> LoadedModel:
        model = Shelf.load(shelf, settings)
        alive.add(model.classifier)  # type: ignore[arg-type]  # the fakes' own
        return model

    shelf.load = load  # type: ignore[method-assign]  # a fake's

    async def test() -> None:
        async with running(shelf) as (app, _):
            for version in ("second", "third", "fourth"):
                shelf.write(version)
                await until(lambda wanted=version: find_version(app) == wanted)  # type: ignore[misc]  # mypy knows no default here
                await get(app, INDEX_PATH)
            await until(lambda: len(alive) == 1)

    run(test)


REFUSALS = [
    pytest.param(IncompleteModelError("/secret: no"), "waiting", "do not agree", id="incomplete"),
    pytest.param(UncompiledModelError("/secret: no"), "refused", "`fashion-api compile`", id="not compiled"),
    pytest.param(ModelError("/secret: no"), "refused", "the log says why", id="not a model"),
    pytest.param(MemoryError("/secret"), "refused", "the log says why", id="a bug or the system"),
]


@pytest.mark.parametrize(("error", "state", "reason"), REFUSALS)
def test_model_that_cannot_be_served_is_refused(
    shelf: Shelf, caplog: pytest.LogCaptureFixture, error: Exception, state: str, reason: str
) -> None:
    """The old model goes on; metric, log and `pending` say what became of the new one, the latter without paths."""
    shelf.errors["bad"] = error
    caplog.set_level("INFO")

    async def test() -> None:
        async with running(shelf) as (app, _):
            shelf.write("bad")
            await until(lambda: count_changes(app))
            card = await get(app, "/api/v1/model")
            assert isinstance(card["pending"], dict)
            assert (card["version"], card["pending"]["state"]) == ("old", state)
            assert reason in card["pending"]["reason"]
            assert "secret" not in json.dumps(card)
            assert count_changes(app) == {state: 1}
            assert (await get(app, INDEX_PATH))["model"] == {"name": "fake", "version": "old"}
            assert "the model stays fake old: /secret" in caplog.text

    run(test)


def test_model_whose_manifest_is_away_is_not_loaded(shelf: Shelf) -> None:
    """Without its manifest, it would be compiled as another model; the manifest is waited for instead."""
    manifest = shelf.path.with_suffix(".json")
    shelf.models |= {"old": CALIBRATED, "new": replace(CALIBRATED, version="new")}

    async def test() -> None:
        async with running(shelf) as (app, _):
            manifest.unlink()
            shelf.write("new")
            await until(lambda: count_changes(app))
            assert (shelf.loads, count_changes(app)) == (1, {"waiting": 1})
            manifest.touch()
            await until(lambda: find_version(app) == "new")

    run(test)


def test_refused_model_is_tried_again_when_the_file_changes(shelf: Shelf) -> None:
    """A refused file is loaded once, not with each look; another one is served."""
    shelf.errors["bad"] = ModelError("no")

    async def test() -> None:
        async with running(shelf) as (app, _):
            shelf.write("bad")
            await until(lambda: count_changes(app))
            for _ in range(3):
                await put_clock_forward(1)
                await asyncio.sleep(0.02)
            assert (shelf.loads, count_changes(app)) == (2, {"refused": 1})
            shelf.write("new")
            await until(lambda: find_version(app) == "new")
            assert (await get(app, "/api/v1/model"))["pending"] is None

    run(test)


def test_putting_the_old_file_back_is_the_way_back(shelf: Shelf) -> None:
    """After a refusal, the old file back in its place leaves nothing pending, and is no further change."""
    shelf.errors["bad"] = ModelError("no")

    async def test() -> None:
        async with running(shelf) as (app, _):
            service = app.service
            assert service is not None
            shelf.write("bad")
            await until(lambda: service.pending)
            shelf.write("old")
            await until(lambda: not service.pending)
            assert app.service is service
            assert count_changes(app) == {"refused": 1}

    run(test)


CALIBRATED = fake_model(NovelClassifier())
CONTRACTS = [
    pytest.param({"labels": ("a", "b")}, "its labels are a, b, not T-shirt/top, ", id="labels"),
    pytest.param(
        {"input": InputSpec(height=32, width=20)}, "it takes images of 32×20 pixels, not 28×28", id="image size"
    ),
    pytest.param({"manifest": None}, "it has no manifest", id="no manifest"),
]


@pytest.mark.parametrize(("change", "difference"), CONTRACTS)
def test_change_of_contract_needs_a_restart(shelf: Shelf, change: dict[str, object], difference: str) -> None:
    """Other labels or another image size, which callers would have to know, are refused; so is a lost manifest."""
    shelf.models |= {"old": CALIBRATED, "other": replace(CALIBRATED, version="other", **change)}  # type: ignore[arg-type]  # by name

    async def test() -> None:
        async with running(shelf) as (app, _):
            shelf.write("other")
            await until(lambda: count_changes(app))
            pending = (await get(app, "/api/v1/model"))["pending"]
            assert isinstance(pending, dict)
            assert (pending["state"], pending["version"]) == ("refused", "other")
            assert pending["reason"].startswith(difference)
            assert pending["reason"].endswith("restart to serve it")
            assert find_version(app) == CALIBRATED.version

    run(test)


def test_file_is_followed_when_asked(shelf: Shelf) -> None:
    """Without polling, a changed file is followed when that is asked for, and not before."""

    async def test() -> None:
        async with running(shelf, poll_s=0.0) as (app, follower):
            shelf.write("new")
            await put_clock_forward(10_000)
            await asyncio.sleep(0.05)
            assert shelf.loads == 1
            follower.look_again()
            await until(lambda: find_version(app) == "new")

    run(test)


def test_refused_file_is_tried_again_when_asked(shelf: Shelf) -> None:
    """Asked to look again, it tries a refused file again, though that has not changed: something else may have."""
    shelf.errors["new"] = ModelError("no")

    async def test() -> None:
        async with running(shelf, poll_s=0.0) as (app, follower):
            shelf.write("new")
            follower.look_again()
            await until(lambda: count_changes(app))
            shelf.errors.clear()
            follower.look_again()
            await until(lambda: find_version(app) == "new")

    run(test)


def test_file_that_is_being_written_is_left_alone(shelf: Shelf) -> None:
    """A file is loaded once it stays as it is, so that the parts of one change are one change."""

    async def test() -> None:
        async with running(shelf) as (app, _):
            for i in range(40):
                shelf.write(f"part {i}")
                await asyncio.sleep(0.01)
            shelf.write("new")
            await until(lambda: find_version(app) == "new")
            assert count_changes(app)["served"] <= 2  # one, but where this process stood still

    run(test)


def test_link_to_itself_is_refused_and_followed_again(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    """A link that leads to itself is a model that cannot be read; what is put in its place is served."""

    async def test() -> None:
        async with running(shelf) as (app, _):
            shelf.path.unlink()
            shelf.path.symlink_to(shelf.path.name)
            await until(lambda: count_changes(app) == {"refused": 1})
            shelf.write("new")
            await until(lambda: find_version(app) == "new")
            assert "Too many levels of symbolic links" in caplog.text

    run(test)


def test_look_that_fails_is_not_the_last(
    shelf: Shelf, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the files cannot be looked at, the log says so, and they are looked at again."""

    async def test() -> None:
        async with running(shelf) as (app, _):
            with monkeypatch.context() as patch:
                patch.setattr(following, "look_at", None)
                await until(lambda: "cannot be looked at" in caplog.text)
            shelf.write("new")
            await until(lambda: find_version(app) == "new")

    run(test)


def test_file_that_may_be_read_now_is_another(tmp_path: Path) -> None:
    """Other permissions, and another content of the same size and time, are changes too."""
    path = tmp_path / "model.h5"
    path.write_text("first")
    seen = [look_at(path)]
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    time.sleep(0.02)  # the clock of a file system may tick each 10 ms
    path.chmod(0o600)
    seen.append(look_at(path))
    time.sleep(0.02)
    path.write_text("other")
    os.utime(path, ns=times)
    seen.append(look_at(path))
    assert len(set(seen)) == len(seen)


def test_service_ends_while_a_model_is_compiled(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that takes long to load does not keep the service from ending."""
    is_loading, may_end = threading.Event(), threading.Event()
    monkeypatch.setattr(following, "_LAST_LOAD_S", 0.01)

    def load(settings: Settings) -> LoadedModel:
        if settings.model_path.read_text() == "new":
            is_loading.set()
            may_end.wait(LIMIT_S)
        return Shelf.load(shelf, settings)

    shelf.load = load  # type: ignore[method-assign]  # a fake's

    before = set(threading.enumerate())

    async def test() -> None:
        async with running(shelf):
            shelf.write("new")
            await asyncio.to_thread(is_loading.wait, LIMIT_S)
        await asyncio.get_running_loop().shutdown_default_executor()
        assert not may_end.is_set()
        begun = set(threading.enumerate()) - before
        assert [thread.daemon for thread in begun if thread.name == "model"] == [True]

    try:
        run(test)
    finally:
        may_end.set()


def test_findings_are_the_new_models(shelf: Shelf) -> None:
    """What is said of the test set is computed anew by the new model."""
    shelf.classifiers["new"] = NextClassifier()

    async def find(app: ServiceApp) -> list[int]:
        while True:
            assert app.service is not None
            with contextlib.suppress(PendingError):
                return list(app.service.get_findings().class_ids)
            await asyncio.sleep(0.005)

    async def test() -> None:
        async with running(shelf) as (app, _):
            before = await find(app)
            shelf.write("new")
            await until(lambda: find_version(app) == "new")
            assert await find(app) == [(class_id + 1) % CLASSES for class_id in before]

    run(test)


def test_service_that_drains_changes_no_model(shelf: Shelf) -> None:
    """Once the service is about to stop, a new model is not put in force."""

    async def test() -> None:
        async with running(shelf) as (app, follower):
            follower.service.drain()
            shelf.write("new")
            await until(lambda: shelf.loads == 2)
            await asyncio.sleep(0.05)
            assert find_version(app) == "old"

    run(test)


def test_drain_that_begins_in_the_midst_of_a_change_holds_for_the_new_model(shelf: Shelf) -> None:
    """A signal's handler may find the old service in force for the last time."""

    async def test() -> None:
        async with running(shelf) as (app, follower):

            class Signalled(LoadedModel):
                """A model that SIGTERM comes with."""

                @property
                def calibration(self) -> None:
                    follower.service.drain()

            model = fake_model()
            shelf.models["new"] = Signalled(
                "fake", "new", model.labels, model.input, model.engine, model.manifest, model.classifier
            )
            shelf.write("new")
            await until(lambda: find_version(app) == "new")
            assert app.service is not None
            assert app.service.is_draining

    run(test)


def test_turned_link_is_another_file(tmp_path: Path) -> None:
    """A link that leads elsewhere, an exchanged manifest and a compiled form beside the model are seen."""
    link = tmp_path / "served.h5"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.h5").write_text("model")
        (tmp_path / name / "model.json").write_text("{}")
    seen = []
    for target in ("a", "b"):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / target / "model.h5")
        seen.append(look_at(link))
    for name in ("model.json", "model.onnx", "model.onnx.sha256"):
        (tmp_path / "b" / name).write_text("new")
        seen.append(look_at(link))
    assert len(set(seen)) == len(seen)
    assert look_at(link) == seen[-1]
