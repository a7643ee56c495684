"""Each alert, raised by its fault in a running service that a Prometheus watches."""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.environments import ROOT
from benchmarks.inputs import get, post
from benchmarks.servers import HOST, find_free_port
from benchmarks.soak.balancer import exchange
from benchmarks.soak.dashboard import Span, draw_dashboard
from benchmarks.soak.prometheus import Prometheus, watch
from benchmarks.soak.service import SoakedService, SoakError, soak
from fashion_api.data.dataset import DataSource, Split
from fashion_api.images import Images
from fashion_api.settings import Settings

PICTURE = ROOT / "docs" / "images" / "dashboard.png"
_FAULTS = Path(__file__).parent / "faults"
_SHORT = 2  # alerts of the short form
_QUIET_S, _SHORT_QUIET_S = 50, 15  # more than the longest window and the longest `for:` together, and of the short form
_LIMIT_S = 120.0
_POLL_S = 0.5
_CALLERS = 4
_ORDINARY_PAUSE_S = 0.08
_LARGE = 256  # images, the most of a request; two such fill a worker's queue
_SEVERAL = 16
_HELD_UP_S = 0.3
_BROKEN_AT = 1000
_SLOW_S = 1.0


@dataclass(frozen=True)
class Scene:
    """A service, what faults need to act on it, and the test images."""

    service: SoakedService
    switches: Path
    """The folder whose files switch the faults of benchmarks/soak/faults/ on."""
    model: Path
    test: Split


Fault = Callable[[Scene], AbstractAsyncContextManager[None]]


@contextlib.asynccontextmanager
async def calling(
    scene: Scene, requests: Sequence[bytes], *, callers: int = _CALLERS, pause_s: float = 0.05, stall_s: float = 0.0
) -> AsyncIterator[None]:
    """Have callers send requests meanwhile, each with a pause after an answer, and one before a body's last byte."""
    turns = itertools.cycle(requests)

    async def call() -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await _call(scene, turns, pause_s=pause_s, stall_s=stall_s)
            await asyncio.sleep(pause_s)

    tasks = [asyncio.create_task(call()) for _ in range(callers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _call(scene: Scene, turns: Iterator[bytes], *, pause_s: float, stall_s: float) -> None:
    """Send requests on one connection until it is closed."""
    streams = await asyncio.open_connection(*scene.service.address)
    try:
        is_kept = True
        while is_kept:
            request = next(turns)
            if stall_s:
                streams[1].write(request[:-1])
                await asyncio.sleep(stall_s)
                request = request[-1:]
            _, is_kept = await exchange(streams, request)
            await asyncio.sleep(pause_s)
    finally:
        streams[1].close()


def _write_images(images: Images) -> bytes:
    return post("/api/v1/predictions", "application/json", json.dumps({"images": images.tolist()}).encode())


def call_ordinarily(scene: Scene) -> AbstractAsyncContextManager[None]:
    """Ask for the test images in turn."""
    requests = [get(f"/api/v1/test-images/{index}/prediction") for index in range(len(scene.test.images))]
    return calling(scene, requests, pause_s=_ORDINARY_PAUSE_S)


@contextlib.asynccontextmanager
async def kill_worker(scene: Scene) -> AsyncIterator[None]:
    """Kill a worker."""
    os.kill(scene.service.find_workers()[0], signal.SIGKILL)
    yield


@contextlib.asynccontextmanager
async def stop_all(scene: Scene) -> AsyncIterator[None]:
    """Have all processes of the service stand still."""
    found = scene.service.find_processes()
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found:
            os.kill(pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def break_model(scene: Scene) -> AsyncIterator[None]:
    """Put a broken file without a manifest in the place of the model."""
    manifest = scene.model.with_suffix(".json")
    kept, content = manifest.read_bytes(), scene.model.read_bytes()
    manifest.unlink()
    scene.model.write_bytes(content[:_BROKEN_AT])
    try:
        yield
    finally:
        scene.model.write_bytes(content)
        manifest.write_bytes(kept)


@contextlib.asynccontextmanager
async def take_model_away(scene: Scene) -> AsyncIterator[None]:
    """Take the model away and kill the workers, so that none can start."""
    away = scene.model.with_suffix(".away")
    scene.model.rename(away)
    for pid in scene.service.find_workers():
        os.kill(pid, signal.SIGKILL)
    try:
        yield
    finally:
        away.rename(scene.model)


@contextlib.asynccontextmanager
async def hold_up(scene: Scene) -> AsyncIterator[None]:
    """Have each worker stand still for 0.3 s again and again, as where the processor is short."""
    workers = scene.service.find_workers()

    async def stop_and_go() -> None:
        try:
            while True:
                for signum in (signal.SIGSTOP, signal.SIGCONT):
                    for pid in workers:
                        os.kill(pid, signum)
                    await asyncio.sleep(_HELD_UP_S)
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)

    task = asyncio.create_task(stop_and_go())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def switch_on(name: str) -> Fault:
    """Give one of the faults of benchmarks/soak/faults/."""

    @contextlib.asynccontextmanager
    async def have_fault(scene: Scene) -> AsyncIterator[None]:
        (scene.switches / name).touch()
        try:
            yield
        finally:
            (scene.switches / name).unlink()

    return have_fault


def ask_too_much(scene: Scene) -> AbstractAsyncContextManager[None]:
    """Have sixteen callers ask for 256 images each, again and again."""
    return calling(scene, [_write_images(scene.test.images[:_LARGE])], callers=16)


def send_slowly(scene: Scene) -> AbstractAsyncContextManager[None]:
    """Have bodies take a second to arrive."""
    return calling(scene, [_write_images(scene.test.images[:1])], stall_s=_SLOW_S)


def send_noise(scene: Scene) -> AbstractAsyncContextManager[None]:
    """Send noise."""
    noise = np.random.default_rng(0).integers(0, 256, (_SEVERAL, *scene.test.images.shape[1:]), dtype=np.uint8)
    return calling(scene, [_write_images(noise)], callers=2, pause_s=0.1)


def send_one_class(scene: Scene) -> AbstractAsyncContextManager[None]:
    """Send images of one class."""
    return calling(scene, [_write_images(scene.test.images[scene.test.labels == 1][:_SEVERAL])], callers=2, pause_s=0.1)


FAULTS: Sequence[tuple[str, str, Fault]] = (
    ("FashionWorkerEnds", "a worker is killed", kill_worker),
    ("FashionErrors", "computing fails", switch_on("errors")),
    ("FashionRefusals", "more is asked than fits", ask_too_much),
    ("FashionSlow", "bodies take a second to arrive", send_slowly),
    ("FashionEventLoopLag", "workers stand still for 0.3 s again and again", hold_up),
    ("FashionNotReady", "all processes stand still", stop_all),
    ("FashionMemory", "each worker holds 600 MB more", switch_on("memory")),
    ("FashionNotAccepted", "images are noise", send_noise),
    ("FashionClassShare", "images are of one class", send_one_class),
    ("FashionModelRefused", "the model's file is broken", break_model),
    ("FashionNotReady", "the model is gone and the workers are killed", take_model_away),
)
"""Each alert, the fault that must raise it, in words, and the fault itself."""


def raise_alerts(folder: Path, *, is_quick: bool) -> dict[str, str]:
    """Inject one fault after another into a service with two workers under ordinary traffic; each must raise its alert.

    The times of the rules are shortened (`shorten_rules`). The full form draws the dashboard of the run.

    Raises:
        NotCheckedError: Prometheus cannot be had here.
        SoakError: an alert fired before any fault, or one did not fire, or did not end after its fault.
    """
    (switches := folder / "faults").mkdir()
    model = folder / "model.h5"
    for ending in (".h5", ".json"):
        shutil.copy((ROOT / "models" / "fashion_mnist.h5").with_suffix(ending), model.with_suffix(ending))
    metrics_port = find_free_port()
    settings = {
        "FASHION_METRICS_PORT": str(metrics_port),
        "FASHION_MODEL_PATH": str(model),
        "FASHION_MODEL_POLL_S": "1",
        "FASHION_LOG_REQUESTS": "none",
        "FAULT_DIR": str(switches),
        "PYTHONPATH": str(_FAULTS),
    }
    test = DataSource.from_settings(Settings(_env_file=None)).load("test")
    with soak(folder, workers=2, **settings) as service, watch(folder, (HOST, metrics_port)) as prometheus:
        started = time.time()
        scene = Scene(service, switches, model, test)
        faults, quiet_s = (FAULTS[:_SHORT], _SHORT_QUIET_S) if is_quick else (FAULTS, _QUIET_S)
        rows, spans = asyncio.run(_raise_all(scene, prometheus, faults, quiet_s=quiet_s))
        if not is_quick:
            PICTURE.write_bytes(draw_dashboard(prometheus, started, time.time(), spans))
        service.stop()
    return rows


async def _raise_all(
    scene: Scene, prometheus: Prometheus, faults: Sequence[tuple[str, str, Fault]], *, quiet_s: int
) -> tuple[dict[str, str], list[Span]]:
    rows, spans = {}, []
    async with call_ordinarily(scene):
        await _stay_quiet(scene, prometheus, quiet_s)
        rows["before any fault"] = f"no alert in {quiet_s} s of ordinary traffic"
        for alert, words, fault in faults:
            started = time.time()
            rows[f"`{alert}`: {words}"], injected_s = await _raise(alert, fault, scene, prometheus)
            spans.append(Span(started, started + injected_s))
    return rows, spans


async def _raise(alert: str, fault: Fault, scene: Scene, prometheus: Prometheus) -> tuple[str, float]:
    """Raise an alert; gives what came of it, and how long the fault was there, in seconds."""
    fired: set[str] = set()
    async with fault(scene):
        fired_s = await _wait_until(lambda firing: alert in firing, alert, prometheus, fired)
    over_s = await _wait_until(lambda firing: not firing, alert, prometheus, fired)
    others = f"; beside it {', '.join(sorted(fired - {alert}))}" if fired - {alert} else ""
    return f"fires after {fired_s:.0f} s, is over {over_s:.0f} s after the fault{others}", fired_s


async def _stay_quiet(scene: Scene, prometheus: Prometheus, seconds: float) -> None:
    """See that no alert fires."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if firing := await asyncio.to_thread(prometheus.find_firing):
            raise SoakError(f"before any fault: {firing}; the log: {scene.service.read_log()[-500:]}")
        await asyncio.sleep(_POLL_S)


async def _wait_until(is_so: Callable[[set[str]], bool], alert: str, prometheus: Prometheus, fired: set[str]) -> float:
    """Wait until the alerts that fire are as they must be, and note all that do; gives the seconds."""
    started = time.monotonic()
    while True:
        firing = await asyncio.to_thread(prometheus.find_firing)
        fired |= firing
        waited_s = time.monotonic() - started
        if is_so(firing):
            return waited_s
        if waited_s > _LIMIT_S:
            raise SoakError(f"{alert}: after {waited_s:.0f} s these fire: {firing or 'none'}")
        await asyncio.sleep(_POLL_S)
