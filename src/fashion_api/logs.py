"""Where log lines go and how they are written."""

import logging
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter

from fashion_api.exceptions import SettingsError
from fashion_api.settings import Settings

_CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(32), 127) if chr(code) not in "\n\t"}


class _TextFormatter(logging.Formatter):
    """One line a record, in UTC; control characters are written out, so that no caller can forge or colour a line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-8s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return line if line.isprintable() else line.translate(_CONTROL_CHARACTERS)


class _DropTwiceTold(logging.Filter):
    """Drops what uvicorn says of a failed start: the app has said why in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not message.startswith("Traceback (most recent call last)") and "startup failed" not in message


def configure_logging(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Log to standard error, or `stream`, and to the settings' file if there is one; replaces what was set up before.

    Raises:
        SettingsError: the log file cannot be written.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(stream or sys.stderr)]
    if settings.log_file is not None:
        handlers.append(_open_log_file(settings.log_file, settings))
    for handler in handlers:
        handler.setFormatter(_make_formatter(settings))
    logging.basicConfig(level=settings.log_level.upper(), handlers=handlers, force=True)
    logging.captureWarnings(capture=True)
    uvicorn_logger = logging.getLogger("uvicorn.error")
    uvicorn_logger.setLevel(logging.WARNING)  # its notices of normal events repeat the app's own
    uvicorn_logger.filters = [_DropTwiceTold()]
    for noisy in ("h5py", "matplotlib", "PIL", "asyncio", "tensorflow", "absl", "multipart", "python_multipart"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _make_formatter(settings: Settings) -> logging.Formatter:
    if settings.log_format == "text":
        return _TextFormatter()
    formatter = JsonFormatter(
        "{asctime}{levelname}{name}{message}",
        style="{",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
    )
    formatter.converter = time.gmtime
    return formatter


def _open_log_file(path: Path, settings: Settings) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return RotatingFileHandler(
            path,
            maxBytes=settings.log_file_max_bytes,
            backupCount=settings.log_file_backups,
            encoding="utf-8",
        )
    except OSError as error:
        raise SettingsError(f"FASHION_LOG_FILE: {path} cannot be written: {error.strerror}") from error
