"""Flags that are generated from the settings: their names, descriptions and defaults."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Concatenate, ParamSpec, get_args, get_origin

import typer

from fashion_api.cli.status import Status
from fashion_api.settings import Settings, SettingsT, load_settings, name_flag

_PANEL = "Settings, each also as FASHION_NAME in the environment or in .env"

_P = ParamSpec("_P")


def with_settings(
    cls: type[SettingsT], *fields: str
) -> Callable[[Callable[Concatenate[SettingsT, _P], Status]], Callable[..., Status]]:
    """Give a command a flag for each of these fields, and the settings themselves as its first argument.

    An empty flag counts as one that is not given, as an empty variable does. The decorated command raises a
    `SettingsError` where a setting is unknown or has a bad value.
    """

    def decorate(command: Callable[Concatenate[SettingsT, _P], Status]) -> Callable[..., Status]:
        untyped: Callable[..., Status] = command

        @functools.wraps(command)
        def run(**arguments: object) -> Status:
            values = {field: arguments.pop(field) for field in fields}
            settings = read_settings(cls, {field: value for field, value in values.items() if value})
            return untyped(settings, **arguments)

        own = list(inspect.signature(command).parameters.values())[1:]
        flags = [_make_flag(cls, field) for field in fields]
        run.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]  # Typer reads it
        return run

    return decorate


def read_settings(cls: type[SettingsT], flags: Mapping[str, object]) -> SettingsT:
    """Read the settings, with the values of flags by field name, and set up logging as they say.

    Raises:
        SettingsError: a setting is unknown or has a bad value, or the log file cannot be written.
    """
    from fashion_api.server.logs import configure_logging  # noqa: PLC0415  # only when a command runs

    settings = load_settings(cls, overrides=flags)
    configure_logging(settings)
    return settings


def _make_flag(cls: type[Settings], field: str) -> inspect.Parameter:
    """Describe a flag to Typer; its value stays text, which the settings class parses and checks."""
    info = cls.model_fields[field]
    has_default = info.default not in (None, "", ()) and info.default_factory is None
    default = f" (default: {_write(info.default)})" if has_default else ""
    option = typer.Option(
        name_flag(field),
        help=f"{info.description}{default}",
        metavar=_describe_type(info.annotation),
        show_default=False,
        rich_help_panel=_PANEL,
    )
    annotation = Annotated[str | None, option]
    return inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _write(default: object) -> str:
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _describe_type(annotation: object) -> str:
    """Name the kind of value in the help."""
    options = [kind for kind in get_args(annotation) if kind is not NoneType]
    kind = options[0] if NoneType in get_args(annotation) else annotation
    if kind in (int, float):
        return "NUMBER"
    if kind is Path:
        return "PATH"
    return "LIST" if get_origin(kind) is tuple else "TEXT"
