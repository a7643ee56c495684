"""A model that is changed again and again under load, now and then to a broken one."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from benchmarks.environments import ROOT
from benchmarks.inputs import get, post
from benchmarks.soak.balancer import ask
from benchmarks.soak.crowds import find_percentile
from benchmarks.soak.endurance import Usage
from benchmarks.soak.service import SoakedService, SoakError, soak
from fashion_api.data.dataset import DataSource
from fashion_api.files import sha256_hex, write_atomically
from fashion_api.inference.loading import compile_model, load_model
from fashion_api.settings import Settings

_CALLERS = 4
_PAUSE_S = 0.01
_IMAGES = 40  # in a request: three batches
_BEFORE_S = 1.0
_AFTER_S = 0.2
_POLL_S = 0.2
_LIMIT_S = 60.0
_MOST_DIFFERENCE = 1e-6
_MOST_GROWTH = 5 * 2**20  # of a worker
_MOST_SLOWER = 2.0
_LOOKS = 10
_NO_TENSORFLOW = "import sys\nsys.modules['tensorflow'] = None\n"

Files = dict[str, bytes]
"""What the folder of a model has, by the ending of the name."""
_ENDINGS = (".onnx", ".onnx.sha256", ".json", ".h5")


def _change_manifest(files: Files, **changes: object) -> Files:
    return files | {".json": json.dumps(json.loads(files[".json"]) | changes).encode()}


def _cut(files: Files) -> Files:
    return files | {".h5": files[".h5"][: len(files[".h5"]) // 2]}


def _leave_out(files: Files, ending: str) -> Files:
    return {name: content for name, content in files.items() if name != ending}


BROKEN: Mapping[str, Callable[[Files], Files]] = {
    "empty": lambda files: files | {".h5": b""},
    "no HDF5": lambda files: files | {".h5": b"no model" * 1000},
    "missing": lambda files: _leave_out(files, ".h5"),
    "half-written": _cut,
    "cut off, and described so": lambda files: _change_manifest(_cut(files), sha256=sha256_hex(_cut(files)[".h5"])),
    "manifest of another": lambda files: _change_manifest(files, sha256="0" * 64),
    "manifest cut off": lambda files: files | {".json": files[".json"][:1000]},
    "other labels": lambda files: _change_manifest(files, labels=[f"class {number}" for number in range(10)]),
    "compiled form damaged": lambda files: files | {".onnx": files[".onnx"][:-1] + b"?"},
    "compiled form without its record": lambda files: _leave_out(files, ".onnx.sha256"),
}
"""What makes a model one that cannot take another's place."""


@dataclass(frozen=True)
class _Version:
    """A model, and what it must answer."""

    name: str
    files: Files
    probabilities: npt.NDArray[np.float32]
    """[_IMAGES, classes], of the test set's first images."""


@dataclass(frozen=True)
class _Call:
    started: float
    seconds: float
    body: bytes


@dataclass
class _Found:
    """What came of the changes of one service."""

    answers: int = 0
    difference: float = 0.0
    before_s: list[float] = field(default_factory=list)
    during_s: list[float] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)


class _Callers:
    """Ask again and again, and keep what they were answered until it is looked at."""

    def __init__(self, service: SoakedService, requests: Sequence[bytes]) -> None:
        self._service = service
        self._requests = requests
        self._calls: list[_Call] = []
        self._is_over = False

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask meanwhile.

        Raises:
            SoakError: a request was lost, or answered otherwise than 200.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(_CALLERS):
                group.create_task(self._ask())
            yield
            self._is_over = True

    async def _ask(self) -> None:
        streams = await asyncio.open_connection(*self._service.address)
        for request in itertools.cycle(self._requests):
            if self._is_over:
                break
            started = time.perf_counter()
            head, body = await ask(streams, request)
            if not head.startswith(b"HTTP/1.1 200 "):
                raise SoakError(f"a request was answered {head[:100]!r} {body[:200]!r}")
            self._calls.append(_Call(started, time.perf_counter() - started, body))
            await asyncio.sleep(_PAUSE_S)
        streams[1].close()

    def take(self) -> list[_Call]:
        """Give the calls since the last time."""
        calls, self._calls = self._calls, []
        return calls


def change_models(folder: Path, *, is_quick: bool) -> dict[str, str]:
    """Change the model of a service with one worker, and of one with two, where TensorFlow is not installed.

    Raises:
        SoakError: a request was lost, an answer is not that of the version that it names, a change was not followed,
            memory grew, or requests during a change took more than twice as long as in the second before it.
    """
    changes, broken_every = (20, 2) if is_quick else (200, 5)
    versions, requests = _prepare(folder)
    (folder / "sitecustomize.py").write_text(_NO_TENSORFLOW)
    rows: dict[str, str] = {}
    for workers in (1, 2):
        served = folder / f"served-{workers}" / "model.h5"
        _put(versions[0].files, served)
        settings = {
            "FASHION_MODEL_PATH": str(served),
            "FASHION_MODEL_POLL_S": str(_POLL_S),
            "FASHION_CACHE_DIR": str(folder / "cache"),
            "FASHION_DATA_DIR": str(DataSource.from_settings(Settings(_env_file=None)).find("test")),
            "FASHION_LOG_REQUESTS": "none",
            "PYTHONPATH": str(folder),
        }
        with soak(folder, workers=workers, **settings) as service:
            found = asyncio.run(
                _change(service, served, versions, requests, changes=changes, broken_every=broken_every)
            )
            service.stop()
        rows |= _judge(found, workers=workers, changes=changes, broken_every=broken_every, is_strict=not is_quick)
    return rows


def _prepare(folder: Path) -> tuple[list[_Version], list[bytes]]:
    """Give the models, with their compiled forms, and the requests."""
    versions = []
    test = DataSource.from_settings(Settings(_env_file=None)).load("test")
    images = test.images[:_IMAGES]
    for name in ("fashion_mnist", "compact"):
        settings = Settings(_env_file=None, model_path=ROOT / "models" / f"{name}.h5")
        compile_model(settings, folder / f"{name}.onnx")
        files = {ending: (folder / f"{name}{ending}").read_bytes() for ending in (".onnx", ".onnx.sha256")}
        files |= {ending: settings.model_path.with_suffix(ending).read_bytes() for ending in (".json", ".h5")}
        model = load_model(settings)
        versions.append(_Version(model.version, files, model.classifier.classify(images).probabilities))
    body = json.dumps({"images": images.tolist()}).encode()
    singles = [get(f"/api/v1/test-images/{index}/prediction") for index in range(_IMAGES)]
    return versions, [*singles, post("/api/v1/predictions", "application/json", body)]


def _put(files: Files, path: Path) -> None:
    """Put a model into the place of another, file by file."""
    for ending in _ENDINGS:
        target = path.with_name(f"{path.stem}{ending}")
        if ending in files:
            write_atomically(target, files[ending])
        else:
            target.unlink(missing_ok=True)


def _turn_link(files: Files, path: Path, number: int) -> None:
    """Put a link to a model into the place of another."""
    target = path.parent / str(number) / path.name
    _put(files, target)
    link = path.with_name("link")
    link.symlink_to(target)
    link.replace(path)


async def _change(  # noqa: PLR0913  # the service, what is changed and how often
    service: SoakedService,
    served: Path,
    versions: Sequence[_Version],
    requests: Sequence[bytes],
    *,
    changes: int,
    broken_every: int,
) -> _Found:
    found, callers = _Found(), _Callers(service, requests)
    turns, faults = itertools.cycle([*versions[1:], versions[0]]), itertools.cycle(BROKEN.values())
    async with callers.asking():
        for number in range(changes):
            await asyncio.sleep(_BEFORE_S)
            log, changed_at = service.read_log(), time.perf_counter()
            if number % broken_every == broken_every - 1:
                sign = "the model stays "
                _put(next(faults)(versions[0].files), served)
            else:
                version = next(turns)
                sign = f"the model is now {json.loads(version.files['.json'])['name']} "
                if number % 4:
                    _put(version.files, served)
                else:
                    _turn_link(version.files, served, number)
            await _wait_for(service, sign, log.count(sign) + service.workers)
            await asyncio.sleep(_AFTER_S)
            _check(callers.take(), versions, found, changed_at)
            found.rss.append(Usage.measure(service).rss)
    return found


async def _wait_for(service: SoakedService, sign: str, times: int) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while service.read_log().count(sign) < times:
        if time.monotonic() > deadline:
            raise SoakError(f"{sign!r} did not come: {service.read_log()[-2000:]}")
        await asyncio.sleep(0.02)


def _check(calls: Sequence[_Call], versions: Sequence[_Version], found: _Found, changed_at: float) -> None:
    """Compare answers with those of the versions that they name."""
    expected = {version.name: version.probabilities for version in versions}
    for call in calls:
        answer = json.loads(call.body)
        own = expected[answer["model"]["version"]]
        if "predictions" in answer:
            answered = [list(each["probabilities"].values()) for each in answer["predictions"]]
        else:
            answered, own = [list(answer["prediction"]["probabilities"].values())], own[answer["index"]]
        found.difference = max(found.difference, float(np.abs(np.array(answered) - own).max()))
        if found.difference > _MOST_DIFFERENCE:
            raise SoakError(f"an answer differs by {found.difference} from that of its version: {call.body[:300]!r}")
        (found.before_s if call.started < changed_at else found.during_s).append(call.seconds)
    found.answers += len(calls)


def _judge(found: _Found, *, workers: int, changes: int, broken_every: int, is_strict: bool) -> dict[str, str]:
    before_s, during_s = (find_percentile(values, 0.99) for values in (found.before_s, found.during_s))
    # Medians: just after a change, the old model may still be there.
    first = max(0, changes // 10 - _LOOKS)
    early, late = median(found.rss[first : first + _LOOKS]), median(found.rss[-_LOOKS:])
    name = "one worker" if workers == 1 else f"{workers} workers"
    memory = f"{early / 2**20:.1f} MiB, {late / 2**20:.1f} MiB"
    times = f"{before_s * 1e3:.1f} ms, {during_s * 1e3:.1f} ms"
    if is_strict and late > early + workers * _MOST_GROWTH:
        raise SoakError(f"memory grew from {memory}")
    if is_strict and during_s > _MOST_SLOWER * before_s:
        raise SoakError(f"requests were slower during changes: {times}")
    return {
        f"{name}: changes, of them to broken files": f"{changes}, {changes // broken_every}",
        f"{name}: answers, none lost, each of the version that it names": f"{found.answers}, within "
        f"{found.difference:.0e}",
        f"{name}: p99 in the second before a change, and during it": times,
        f"{name}: memory after {first + _LOOKS} changes, and after all (medians of {_LOOKS})": memory,
    }
