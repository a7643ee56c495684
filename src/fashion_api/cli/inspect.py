"""`fashion-api inspect`: what a model's file holds, and how it would be served."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from fashion_api.cli.escaping import escape_controls
from fashion_api.cli.flags import ModelArgument, choose_model, with_settings
from fashion_api.cli.status import Status
from fashion_api.cli.terminal import Waiting, write_beside
from fashion_api.errors import ModelError
from fashion_api.settings import Settings

if TYPE_CHECKING:
    from fashion_api.inference.inspection import Inspection
    from fashion_api.inference.model_file import ModelFile

_INDENT = 14
_SHOWN_LABELS = 10


@with_settings(
    Settings,
    "pixel_range",
    channels="Numbers a pixel: 1, for grey images, or 3, for images in colour; unset: what the network says.",
    class_names="The labels in the order of the class ids, separated by commas; unset: none.",
    image_height="Height of an image, in pixels; unset: what the network says.",
    image_width="Width of an image, in pixels; unset: what the network says.",
    model_path="The Keras model to inspect; its manifest is the `.json` beside it",
)
def inspect(
    settings: Settings,
    model: ModelArgument = None,
    *,
    writes_manifest: Annotated[
        bool,
        typer.Option(
            "--write-manifest",
            help="Write what was found into the `.json` beside it, to be completed, where there is none.",
        ),
    ] = False,
    is_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> Status:
    """Say what a model's file holds, and how it would be served.

    TensorFlow loads and compiles it in a process of its own: about half a minute. The exit status is 1 where it cannot
    be served.

    Examples:
        fashion-api inspect mine.h5
        fashion-api inspect mine.h5 --write-manifest
        fashion-api inspect --json --pixel-range -1,1 mine.h5
    """
    settings = choose_model(settings, model)
    from fashion_api.inference.inspection import inspect_in_child  # noqa: PLC0415  # only where it runs
    from fashion_api.inference.model_file import read_model_file  # noqa: PLC0415  # the same

    file = read_model_file(settings)
    if writes_manifest and file.manifest is not None:
        raise ModelError(f"{file.declared.manifest} is there already, and is not overwritten")
    with Waiting("inspecting", shows_log=True), file.named_in_errors():
        found = inspect_in_child(file.content, file.declared)
    labels, refusal = _name_labels(file, found)
    if is_json:
        print(json.dumps(_collect(file, found, labels, refusal), indent=2))
    else:
        print("\n".join(_write(file, found, labels, refusal)))
    if writes_manifest:
        _write_manifest(file, found, labels, refusal)
    return Status.FAILED if refusal else Status.SUCCESS


def _name_labels(file: "ModelFile", found: "Inspection") -> tuple[tuple[str, ...], str]:
    """Give the labels, and why the model is not served; empty where it is."""
    if found.signature is None:
        return (), found.reason
    try:
        return file.name_classes(found.signature), ""
    except ModelError as error:
        return (), str(error)


def _collect(file: "ModelFile", found: "Inspection", labels: tuple[str, ...], refusal: str) -> dict[str, object]:
    return {
        "path": str(file.path),
        "name": file.name,
        "version": file.version,
        "bytes": len(file.content),
        **found.model_dump(mode="json"),
        "labels": labels,
        "has_manifest": file.manifest is not None,
        "serves": not refusal,
        "refusal": refusal,
        "missing": list(_find_missing(file, found)),
    }


def _write(file: "ModelFile", found: "Inspection", labels: tuple[str, ...], refusal: str) -> list[str]:
    rows = [
        ("model", f"{file.path}: version {file.version}, {len(file.content):,} bytes"),
        ("written by", found.written_by),
        ("network", f"{found.input_shape} → {found.output_shape}, {found.layers} layers, {found.parameters:,} weights"),
    ]
    if found.multiply_adds is not None:
        rows.append(("cost", f"{found.multiply_adds:,} multiplications an image"))
    if (signature := found.signature) is not None:
        spec, (low, high) = signature.input, signature.input.pixel_range
        colours = "grey" if spec.channels == 1 else "colour"
        novelty = ", and a novelty" if signature.has_novelty else ""
        rows += [
            ("images", f"{spec.height}×{spec.width} pixels, {colours}"),
            ("pixels", f"scaled to {low:g}…{high:g}, as {signature.range_reason}"),
            ("outputs", f"{signature.outputs} {signature.output}{novelty}, as {signature.output_reason}"),
        ]
    if labels:
        more = f" and {len(labels) - _SHOWN_LABELS} more" if len(labels) > _SHOWN_LABELS else ""
        rows.append(("labels", ", ".join(labels[:_SHOWN_LABELS]) + more))
    served = f"on the {found.engine} engine" + (f" only: {found.reason}" if found.reason else "")
    rows.append(("served", f"no: {refusal}" if refusal else served))
    rows += [("missing", lack) for lack in _find_missing(file, found)]
    return [line for name, text in rows for line in write_beside(f"{name:<{_INDENT}}", text, indent=_INDENT)]


def _find_missing(file: "ModelFile", found: "Inspection") -> Iterator[str]:
    """Say what an operator should look at or add."""
    if found.signature is not None:
        yield from found.signature.warnings
    if file.labels is None:
        yield (
            "labels: the file has none, and those above are assumed; put them into a manifest (--write-manifest), or "
            "set FASHION_CLASS_NAMES"
        )
    if file.calibration is None:
        yield "a calibration, without which no picture is refused: `fashion-api train` makes one with the model"


def _write_manifest(file: "ModelFile", found: "Inspection", labels: tuple[str, ...], refusal: str) -> None:
    from fashion_api.inference.manifest import Manifest, manifest_path, write_manifest  # noqa: PLC0415  # only where it runs

    if found.signature is None or refusal:
        raise ModelError(f"{file.path}: no manifest is written of a model that is not served")
    signature = found.signature
    manifest = Manifest(
        name=file.name, sha256=file.sha256, labels=labels, input=signature.input, output=signature.output
    )
    write_manifest(file.path, manifest)
    to_do = "" if file.labels else "; put the class names into its labels, in the order of the outputs"
    print(f"written: {escape_controls(str(manifest_path(file.path)))}{to_do}", file=sys.stderr)
