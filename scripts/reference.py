#!/usr/bin/env python3
"""Write the pages of docs/reference/ that come from the code: settings, commands, routes, problems, metrics, manifest.

usage: reference.py
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

from prometheus_client import CollectorRegistry

from fashion_api import Settings, create_app
from fashion_api.inference.manifest import Manifest
from fashion_api.rest.problems import KINDS
from fashion_api.service.metrics import Metrics
from fashion_api.settings import TrainingSettings, name_variable
from fashion_api.training.report.markdown import flow, table

FOLDER = Path(__file__).parents[1] / "docs" / "reference"


def main() -> None:
    """Write each page."""
    for name, text in render_all():
        (FOLDER / name).write_text(text)


def render_all() -> Iterator[tuple[str, str]]:
    """Give the file name and the text of each page."""
    for name, render in (
        ("settings.md", render_settings),
        ("commands.md", render_commands),
        ("routes.md", render_routes),
        ("problems.md", render_problems),
        ("metrics.md", render_metrics),
        ("manifest.md", render_manifest),
    ):
        yield name, f"<!-- Written by `make reference`; what is changed here by hand is lost. -->\n\n{render()}\n"
    yield "manifest.schema.json", json.dumps(Manifest.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def render_settings() -> str:
    """Write the settings with their defaults: those of serving, and those that training adds."""
    serving = list(Settings.model_fields)
    training = [name for name in TrainingSettings.model_fields if name not in serving]
    about = flow("""
        Each is a variable of the environment or a line in `.env`; the environment wins over `.env`, and a flag of the
        command line over both. An unknown `FASHION_` name or a bad value stops the start with a message that names it.
        [.env.example](../../.env.example) is the same list, to copy.
    """)
    head = ("# Settings", about, "## Data, models, serving and logs")
    return "\n\n".join((*head, _describe_settings(serving), "## Training", _describe_settings(training)))


def _describe_settings(fields: Sequence[str]) -> str:
    parts = []
    for name in fields:
        field = TrainingSettings.model_fields[name]
        is_unset = field.default_factory is not None or field.default in (None, "", ())
        default = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default)
        default = default.lower() if isinstance(field.default, bool) else default
        parts.append(
            f"### `{name_variable(name)}`\n\n{field.description}" + ("" if is_unset else f" Default: `{default}`")
        )
    return "\n\n".join(parts)


def _tabulate(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of text, all of whose columns are aligned to the left."""
    cells = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return table(columns, cells).replace("---:", "---", len(columns) - 1)


def render_commands() -> str:
    """Write the help of every command, by Typer's own generator."""
    command = (sys.executable, "-m", "typer", "fashion_api.cli.main", "utils", "docs", "--name", "fashion-api")
    written = subprocess.run(  # noqa: S603  # our own command
        [*command, "--title", "Commands"], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    text = re.sub(r"^Examples:\n((?:    .*\n)+)", _fence, written.stdout, flags=re.MULTILINE)
    return text.replace("```console", "```text").strip()


def _fence(examples: re.Match[str]) -> str:
    return f"Examples:\n\n```text\n{dedent(examples[1])}```\n"


def render_routes() -> str:
    """Write the routes, from the OpenAPI document."""
    rows = [
        (f"`{method.upper()} {path}`", operation["summary"], ", ".join(sorted(operation["responses"])))
        for path, methods in create_app(Settings()).openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    about = flow("""
        `/docs` of a running service describes each with its parameters, bodies and examples, and runs them;
        `/openapi.json` is the same for programs. Every `GET` answers `HEAD` too.
    """)
    return "\n\n".join(("# Routes", about, _tabulate(("route", "what it does", "statuses"), rows)))


def render_problems() -> str:
    """Write the kinds of problem that the service answers with."""
    about = flow("""
        An error is `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)). Its `type` is
        `/problems#KIND`, with one of these kinds; `detail` says what was wrong with this request.
    """)
    kinds = (f"## {kind.name}\n\n**{int(kind.status)}** {kind.title}. {kind.meaning}" for kind in KINDS)
    return "\n\n".join(("# Problems", about, *kinds))


def render_metrics() -> str:
    """Write the metrics, with their kinds and labels."""
    about = flow("""
        `/metrics` gives them as Prometheus text, or as OpenMetrics where `Accept` asks for that; on the service's own
        address, or on `FASHION_METRICS_PORT`. Over several workers they are sums; a worker that replaces another goes
        on with its counters. [Operate it](../how-to/operate.md#watch) says how to use them. A histogram is `_bucket`,
        `_sum` and `_count`; times are in seconds.
    """)
    registry = Metrics().registry
    rows = (
        (f"`{name}`", family.type, ", ".join(_get_labels(registry, family.name)), family.documentation)
        for family in registry.collect()
        for name in [f"{family.name}_total" if family.type == "counter" else family.name]
    )
    return "\n\n".join(("# Metrics", about, _tabulate(("metric", "kind", "labels", "what it is"), rows)))


def render_manifest() -> str:
    """Write the fields of a manifest that are written by hand; the schema has the others."""
    about = flow("""
        The manifest of a model is the JSON file beside it: `mine.json` beside `mine.h5`. It says what the file itself
        does not, above all the labels, and wins over what the network tells; a model without one
        [is served too](../how-to/other-models.md). `fashion-api inspect mine.h5 --write-manifest` begins one. Unknown
        fields are ignored. [manifest.schema.json](manifest.schema.json) is a JSON Schema of the whole, with `training`,
        `calibration` and `evaluation`, which `fashion-api train` and `evaluate` write.
    """)
    image = {"height": 32, "width": 32, "channels": 3, "pixel_range": [0, 1]}
    smallest = {"name": "mine", "sha256": "0" * 64, "labels": ["cat", "dog"], "input": image}
    example = f"A small one, where `sha256` is that of the `.h5`:\n\n```json\n{json.dumps(smallest, indent=2)}\n```"
    schema = Manifest.model_json_schema()
    parts = (("Fields", schema), ("Fields of `input`", schema["$defs"]["InputSpec"]))
    tables = (f"## {title}\n\n{_tabulate_fields(record)}" for title, record in parts)
    return "\n\n".join(("# Manifest", about, example, *tables))


def _tabulate_fields(record: dict[str, Any]) -> str:
    rows = (
        (
            f"`{name}`",
            "" if name in record.get("required", ()) else "no",
            _name_type(field),
            field.get("description", ""),
        )
        for name, field in record["properties"].items()
    )
    return _tabulate(("field", "needed", "type", "what it is"), rows)


def _name_type(field: dict[str, Any]) -> str:
    """Name the type of a field of a JSON Schema, in short."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(map(_name_type, field["anyOf"]))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field.get("enum", [field.get("const")]))
    return str(field.get("type", ""))


def _get_labels(registry: CollectorRegistry, name: str) -> Sequence[str]:
    collector = registry._names_to_collectors[name]  # noqa: SLF001  # the library has no public way to the labels
    labels: Sequence[str] = collector._labelnames  # type: ignore[attr-defined]  # noqa: SLF001  # the same
    return [f"`{label}`" for label in labels]


if __name__ == "__main__":
    main()
