"""Flags that are generated from the settings: their names, descriptions and defaults."""

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Annotated, Concatenate, Literal, ParamSpec, TypeAlias, get_args, get_origin

import typer

from fashion_api.cli.status import Status
from fashion_api.errors import FlagError
from fashion_api.settings import Settings, SettingsT, load_settings, name_flag

_PANEL = "Settings, each also as FASHION_NAME in the environment or in .env"
_ASKS_FOR_LOG = {"log_level", "log_format"}
_WIDEST_CHOICES = 16
DATA_FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "data_dir": "The data set: a directory of folders of pictures or of IDX files, or an `.npz`; unset: "
        "Fashion-MNIST, in the cache, Keras's cache or Debian's package.",
        "image_height": "Height of its images, in pixels; unset: the data set's.",
        "image_width": "Width of its images, in pixels; unset: the data set's.",
        "channels": "1 for grey images, 3 for images in colour; unset: the data set's.",
        "resize": "What is done with pictures of another size: fit, which pads them, stretch or crop; unset: fit.",
        "class_names": "Its classes in the order of their ids: a JSON list, or separated by commas; unset: the data "
        "set's.",
    }
)
"""What the flags of a data set mean to a command that reads it, by field."""

ModelArgument: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="[MODEL.h5]", help="The same as --model-path.", show_default=False)
]
_P = ParamSpec("_P")


def with_settings(
    cls: type[SettingsT], *fields: str, is_service: bool = False, **sentences: str
) -> Callable[[Callable[Concatenate[SettingsT, _P], Status]], Callable[..., Status]]:
    """Give a command a flag for each of these fields, and the settings themselves as its first argument.

    An empty flag counts as one that is not given, as an empty variable does. The decorated command raises a
    `SettingsError` where a setting is unknown or has a bad value.

    Args:
        cls: the class of the settings.
        fields: those that are described as in the class.
        is_service: whether the command logs; others write warnings only, unless a level is set.
        sentences: further fields, with what they mean to this command.
    """
    described = {field: str(cls.model_fields[field].description) for field in fields} | sentences
    described["log_level"] = "How much is logged: debug, info, warning, error or critical" + (
        "." if is_service else "; unset: warning."
    )

    def decorate(command: Callable[Concatenate[SettingsT, _P], Status]) -> Callable[..., Status]:
        untyped: Callable[..., Status] = command

        @functools.wraps(command)
        def run(**arguments: object) -> Status:
            values = {field: arguments.pop(field) for field in described}
            settings = read_settings(
                cls, {field: value for field, value in values.items() if value}, is_service=is_service
            )
            return untyped(settings, **arguments)

        own = list(inspect.signature(command).parameters.values())[1:]
        flags = [_make_flag(cls, field, sentence) for field, sentence in described.items()]
        run.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]  # Typer reads it
        return run

    return decorate


def choose_model(settings: Settings, model: str | None) -> Settings:
    """Give the settings with the model that a command's argument names, if it does."""
    if model is None:
        return settings
    if settings.name_source("model_path") == name_flag("model_path"):
        raise FlagError("--model-path: the model is named twice; leave it out")
    return settings.model_copy(update={"model_path": Path(model)})


def read_settings(cls: type[SettingsT], flags: Mapping[str, object], *, is_service: bool = False) -> SettingsT:
    """Read the settings, with the values of flags by field name, and set up logging as they say.

    Raises:
        SettingsError: a setting is unknown or has a bad value, or the log file cannot be written.
    """
    from fashion_api.server.logs import configure_logging  # noqa: PLC0415  # only when a command runs

    settings = load_settings(cls, overrides=flags)
    configure_logging(settings)
    if not is_service and not _ASKS_FOR_LOG & settings.model_fields_set:
        _log_warnings_only()
    return settings


def _log_warnings_only() -> None:
    """Write warnings to the terminal, in the form of the command line's errors; a log file has all."""
    from fashion_api.server.log_destinations import LogStream  # noqa: PLC0415  # only when a command runs

    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogStream):
            handler.setLevel(logging.WARNING)
            handler.setFormatter(logging.Formatter("fashion-api: warning: %(message)s"))
            handler.addFilter(_Once())


class _Once(logging.Filter):
    """Lets each message through once: training and test images, say, have the same fault."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        is_new = message not in self._seen
        self._seen.add(message)
        return is_new


def _make_flag(cls: type[Settings], field: str, description: str) -> inspect.Parameter:
    """Describe a flag to Typer; its value stays text, which the settings class parses and checks."""
    info = cls.model_fields[field]
    sentence, _, unset = description.rstrip(".").partition("; unset: ")
    has_default = info.default not in (None, "", ()) and info.default_factory is None
    default = unset or (_write(info.default) if has_default else "")
    choices = _find_choices(info.annotation)
    option = typer.Option(
        name_flag(field),
        help=f"{sentence}. [default: {default}]" if default else f"{sentence}.",
        metavar=_describe_type(info.annotation),
        show_default=False,
        rich_help_panel=_PANEL,
        autocompletion=(lambda: choices) if choices else None,
    )
    annotation = Annotated[str | None, option]
    return inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _write(default: object) -> str:
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _strip_none(annotation: object) -> object:
    """Give the kind of value that is meant where it may be unset, too."""
    options = [kind for kind in get_args(annotation) if kind is not NoneType]
    return options[0] if NoneType in get_args(annotation) else annotation


def _find_choices(annotation: object) -> list[str]:
    kind = _strip_none(annotation)
    return list(map(str, get_args(kind))) if get_origin(kind) is Literal else []


def _describe_type(annotation: object) -> str:
    """Name the kind of value in the help."""
    kind = _strip_none(annotation)
    if choices := "|".join(_find_choices(kind)):
        return choices if len(choices) <= _WIDEST_CHOICES else "NAME"
    if kind in (int, float):
        return "NUMBER"
    if kind is Path:
        return "PATH"
    return "LIST" if get_origin(kind) is tuple else "TEXT"
