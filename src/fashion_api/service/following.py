"""Following a changed model: its file is loaded beside the model in force, which it replaces between two requests."""

import asyncio
import contextlib
import ctypes
import logging
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Literal

from fashion_api.errors import IncompleteModelError, ModelError, OtherModelError, UncompiledModelError
from fashion_api.inference.compiled_cache import digest_path, shipped_path
from fashion_api.inference.loading import LoadedModel, find_differences
from fashion_api.inference.manifest import manifest_path
from fashion_api.inference.model_file import find_model
from fashion_api.service.batcher import Batcher
from fashion_api.service.service import PendingModel, Service
from fashion_api.service.survey import Survey

logger = logging.getLogger(__name__)

_SETTLE_S = 0.2
"""Files that have not changed for so long are taken to be written."""
_LAST_LOAD_S = 2.0
"""How long the end of the service waits for a model that is being loaded; one that is compiled first takes minutes."""
_REASONS = {
    IncompleteModelError: "its .h5 or its manifest is missing, or they do not agree: they may be in the midst of being "
    "exchanged",
    UncompiledModelError: "it has no compiled form: build it with `fashion-api compile` where TensorFlow is installed, "
    "and bring it along",
}
_OTHER_REASON = "it cannot be read, loaded, or does not pass the test that each model must; the log says why"

Looks = tuple[object, ...]
"""What tells a changed file from the one before."""


def look_at(path: Path) -> Looks:
    """Look at the files of the model at `path`, without reading them."""
    model = find_model(path)
    compiled = shipped_path(model)
    return (model, *map(_look_at_file, (model, manifest_path(model), compiled, digest_path(compiled))))


def _look_at_file(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    # The last changes too where a file gets other permissions, or another content with the time of an older one.
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class ModelFollower:
    """Has the service in force, and replaces it when the file of its model changes; to be used on the event loop.

    Each service has its own batcher, so that no batch mixes two models. A request holds the service that was in force
    when it was taken in; the last one to let go of it ends its threads and frees its model.

    Args:
        service: the first in force; must be held by nobody else.
        put_in_force: is called with it, and with each that follows.
        load: loads the model that the file has; called in a thread.
        seen: how the files looked before the first model was read.
    """

    def __init__(
        self,
        service: Service,
        put_in_force: Callable[[Service], None],
        *,
        load: Callable[[], LoadedModel],
        seen: Looks,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = service.settings
        self._load = load
        self._seen = seen
        self._put_in_force = put_in_force
        self._is_asked = asyncio.Event()
        self._loading: threading.Thread | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self.service = service
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Put the first service in force, and follow the files."""
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self.service.monitor())]
        self._put_in_force(self.service)

    def look_again(self) -> None:
        """Look at the files now."""
        self._is_asked.set()

    async def aclose(self) -> None:
        """Follow no more, finish what was taken in, and end the threads."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.service.aclose()
        await asyncio.gather(*self._retiring)  # last: one that was let go a moment ago has just begun to
        if self._loading is not None:  # its libraries would rather end than be cut off
            await asyncio.to_thread(self._loading.join, _LAST_LOAD_S)

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.model_poll_s or None):
                    await self._is_asked.wait()
            except TimeoutError:
                is_retry = False
            else:
                self._is_asked.clear()
                is_retry = self.service.pending is not None
            try:
                await self._look(is_retry=is_retry)
            except Exception:  # the next look may find what this one did not
                logger.exception("the model's file cannot be looked at")

    async def _look(self, *, is_retry: bool) -> None:
        """Follow the files where they have changed, or in any case."""
        if is_retry or await asyncio.to_thread(look_at, self._settings.model_path) != self._seen:
            await self._settle()
            await self._try()
            await asyncio.to_thread(_release_memory)

    async def _settle(self) -> None:
        """Wait until the files stay as they are."""
        before: Looks = ()
        while (looks := await asyncio.to_thread(look_at, self._settings.model_path)) != before:
            before = looks
            await asyncio.sleep(_SETTLE_S)
        self._seen = looks

    async def _try(self) -> None:
        """Load what the files have, and put it in force, or say why not."""
        try:
            model = await self._load_beside()
            _check_contract(model, self.service.model)
        except ModelError as error:
            self._refuse(error)
        except Exception as error:
            logger.exception("the changed model cannot be loaded")
            self._refuse(error)
        else:
            if not self.service.is_draining:
                self._follow_to(model)

    async def _load_beside(self) -> LoadedModel:
        """Load in a thread that, unlike those of the event loop, does not keep the service from ending."""
        loaded: Future[LoadedModel] = Future()
        loaded.set_running_or_notify_cancel()  # from now on nobody else gives it a result

        def load() -> None:
            try:
                self._check_manifest()
                loaded.set_result(self._load())
            except BaseException as error:  # noqa: BLE001  # whatever it is, the event loop has to know
                loaded.set_exception(error)

        self._loading = threading.Thread(target=load, name="model", daemon=True)
        self._loading.start()
        return await asyncio.wrap_future(loaded)

    def _check_manifest(self) -> None:
        """Check that no manifest was lost, before a model without one, which differs, is compiled for minutes.

        Raises:
            IncompleteModelError: it is away, and the `.h5` is there.
        """
        model = find_model(self._settings.model_path)
        path = manifest_path(model)
        is_away = _look_at_file(model) is not None and _look_at_file(path) is None
        if is_away and self.service.model.manifest is not None:
            raise IncompleteModelError(f"there is no manifest {path}: restart to serve a model without one")

    def _refuse(self, error: Exception) -> None:
        is_waiting = isinstance(error, IncompleteModelError)
        if isinstance(error, OtherModelError):
            reason = str(error)
        else:
            reason = next((text for kind, text in _REASONS.items() if isinstance(error, kind)), _OTHER_REASON)
        state: Literal["waiting", "refused"] = "waiting" if is_waiting else "refused"
        self.service.pending = PendingModel(state, getattr(error, "version", None), reason)
        self.service.metrics.count_model_change(state)
        level = logging.INFO if is_waiting else logging.ERROR
        logger.log(level, "the model stays %s: %s", _name(self.service.model), error)

    def _follow_to(self, model: LoadedModel) -> None:
        old = self.service
        if (model.version, model.manifest) == (old.model.version, old.model.manifest):
            if old.pending is not None:
                logger.info("the model's file is again that of %s", _name(model))
            old.pending = None
            return
        self._tasks.pop().cancel()  # the old one's monitor
        self.service = old.succeed(model)
        self._tasks.append(asyncio.create_task(self.service.monitor()))
        self._put_in_force(self.service)
        if old.is_draining:  # since a moment ago: a signal's handler may have come in between
            self.service.drain()
        old.metrics.set_model(model)
        old.metrics.count_model_change("served")
        logger.info("the model is now %s; it was %s", _name(model), _name(old.model))
        # Requests hold the old one while they need it, so that counting them would be counting twice.
        weakref.finalize(old, self._let_go, old.batcher, old.survey).atexit = False

    def _let_go(self, batcher: Batcher, survey: Survey) -> None:
        """End what an old service has, once no request holds it; may be called by any thread."""
        with contextlib.suppress(RuntimeError):  # the event loop is closed, and all ends with it
            self._loop.call_soon_threadsafe(self._retire, batcher, survey)

    def _retire(self, batcher: Batcher, survey: Survey) -> None:
        task = asyncio.create_task(self._close(batcher, survey))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _close(self, batcher: Batcher, survey: Survey) -> None:
        await survey.aclose()
        await batcher.aclose()
        self.service.count(ended=batcher)
        del batcher, survey
        await asyncio.to_thread(_release_memory)


def _check_contract(model: LoadedModel, old: LoadedModel) -> None:
    """Check that callers need not know of a change.

    Raises:
        OtherModelError: it has other labels, takes images of another size, or has lost its manifest.
    """
    differences = find_differences(model, old)
    if model.manifest is None and old.manifest is not None:  # since it was looked for, before the model was loaded
        differences.append("it has no manifest")
    if differences:
        error = OtherModelError(f"{'; '.join(differences)}: restart to serve it")
        error.version = model.version
        raise error


def _release_memory() -> None:
    """Give freed memory back to the system, where the C library can: without, 120 changes took 30 MB."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):  # glibc's
        trim(0)


def _name(model: LoadedModel) -> str:
    return f"{model.name} {model.version}"
