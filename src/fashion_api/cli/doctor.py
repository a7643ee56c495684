"""`fashion-api doctor`: what was found, and what is wrong."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fashion_api.cli.escaping import escape_controls
from fashion_api.cli.flags import with_settings
from fashion_api.cli.help import paint
from fashion_api.cli.status import Status
from fashion_api.cli.terminal import Waiting, write_beside
from fashion_api.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashion_api.cli.checks import Check, SettingInForce

_COLOURS = {"ok": "green", "note": "yellow", "wrong": "red"}
_INDENT = 20


@with_settings(
    Settings,
    "host",
    "port",
    engine="What would compute the answers: onnx, the model's compiled form, or keras, the model as it is",
    model_path="The Keras `.h5` that would be served; its manifest is the `.json` beside it",
    data_dir="The directory that has the data set; unset: the cache, Keras's cache or Debian's package.",
    cache_dir="The cache, which has what was downloaded and compiled; unset: the user's cache directory.",
)
def doctor(
    settings: Settings,
    *,
    is_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every setting.")] = False,
) -> Status:
    """Say what was found here, and what keeps it from serving.

    Nothing is built or downloaded. The exit status is 1 where something is wrong.

    Examples:
        fashion-api doctor
        fashion-api doctor --port 8123 --model-path models/compact.h5
        fashion-api doctor --json
    """
    from fashion_api.cli.checks import check_all, describe_machine, find_settings  # noqa: PLC0415  # only where it runs

    with Waiting("looking"):
        checks, in_force = list(check_all(settings)), find_settings(settings)
    is_wrong = any(check.state == "wrong" for check in checks)
    if is_json:
        found = {
            "machine": describe_machine(),
            "serves": not is_wrong,
            "checks": list(map(asdict, checks)),
            "settings": list(map(asdict, in_force)),
        }
        print(json.dumps(found, indent=2))
    else:
        print(describe_machine(), end="\n\n")
        print("\n".join([*_write_checks(checks), "", *_write_settings(in_force)]))
    return Status.FAILED if is_wrong else Status.SUCCESS


def _write_checks(checks: "Sequence[Check]") -> list[str]:
    lines = []
    for check in checks:
        state = paint(f"{check.state:<6}", fg=_COLOURS[check.state], bold=check.state == "wrong")
        lines += write_beside(f"{state}{check.name:<{_INDENT - 6}}", check.detail, indent=_INDENT)
    return lines


def _write_settings(in_force: "Sequence[SettingInForce]") -> list[str]:
    given = [setting for setting in in_force if setting.source != "default"]
    defaults = f"{len(in_force) - len(given)} settings have their defaults"
    if not given:
        return [f"All {defaults}; .env.example lists them."]
    written = [escape_controls(f"{setting.name}={setting.value}") for setting in given]
    width = min(max(map(len, written)), 60)
    rows = [f"  {line:<{width}}  from {setting.source}" for line, setting in zip(written, given, strict=True)]
    return ["Settings:", *rows, f"  the other {defaults}"]
