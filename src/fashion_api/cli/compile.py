"""`fashion-api compile`: build a model's compiled form."""

import logging
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from fashion_api.cli.escaping import escape_controls
from fashion_api.cli.flags import ModelArgument, choose_model, with_settings
from fashion_api.cli.status import Status
from fashion_api.cli.terminal import Waiting
from fashion_api.errors import FlagError
from fashion_api.settings import Settings


class _Steps(logging.Handler):
    """Prints on standard error each step that is logged, with the time."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._started_s = time.monotonic()
        self.has_any = False

    def emit(self, record: logging.LogRecord) -> None:
        self.has_any = True
        line = f"{time.monotonic() - self._started_s:6.1f} s  {record.getMessage()}"
        print(escape_controls(line), file=sys.stderr, flush=True)


@with_settings(
    Settings,
    model_path="The Keras `.h5` to compile; its manifest is the `.json` beside it",
    cache_dir="The cache, to which the compiled form is written; unset: the user's cache directory.",
)
def compile_model(
    settings: Settings,
    model: ModelArgument = None,
    *,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL.onnx",
            help="Write it to this file too, and its record beside it. Beside the `.h5` and named as that is, it is "
            "served where neither TensorFlow nor the cache is.",
        ),
    ] = None,
) -> Status:
    """Build the form of a model that is served.

    TensorFlow exports the model to ONNX, and the two are compared: about half a minute, once. The first start of the
    service does it too. The path is printed.

    Examples:
        fashion-api compile
        fashion-api compile --model-path models/compact.h5 --cache-dir /srv/cache
        fashion-api compile new.h5 --output new.onnx
    """
    settings = choose_model(settings, model)
    if output is not None and Path(output).suffix != ".onnx":
        raise FlagError(f"--output: {output} must end in .onnx")
    from fashion_api.inference import loading  # noqa: PLC0415  # only where it runs

    steps, logger = _Steps(), logging.getLogger("fashion_api.inference")
    logger.addHandler(steps)
    try:
        with Waiting("compiling", shows_log=True):
            path = loading.compile_model(settings, Path(output) if output else None)
    finally:
        logger.removeHandler(steps)
    if not steps.has_any:
        print("the model was compiled before", file=sys.stderr)
    print(path)
    return Status.SUCCESS
