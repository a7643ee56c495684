"""`fashion-api compare`: two models on the test set, side by side."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from fashion_api.cli.escaping import escape_controls
from fashion_api.cli.flags import with_settings
from fashion_api.cli.help import paint
from fashion_api.cli.status import Status
from fashion_api.cli.terminal import Waiting
from fashion_api.settings import Settings

if TYPE_CHECKING:
    from fashion_api.training.evaluate.comparison import Comparison, ModelScores

_TOLERANCE = 0.005
"""Two standard errors of the accuracy on 10,000 images."""


@with_settings(
    Settings,
    "digits_file",
    engine="What is compared: onnx, the compiled forms, as they are served, or keras, the models as they are",
    data_dir="The directory that has the data set; unset: the cache, Keras's cache or Debian's package.",
    cache_dir="The cache, which has what was downloaded and compiled; unset: the user's cache directory.",
)
def compare(
    settings: Settings,
    old: Annotated[Path, typer.Argument(metavar="OLD.h5", help="The model that serves.")],
    new: Annotated[Path, typer.Argument(metavar="NEW.h5", help="The model that is to replace it.")],
    *,
    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="SHARE", help="By how much the new model's accuracy may be lower."),
    ] = _TOLERANCE,
    is_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> Status:
    """Compare a model with the one that it is to replace.

    Both classify the test set and images that show none of its classes; the cost of an image is measured in turns. The
    exit status is 3 where the new model's accuracy is lower by more than the tolerance.

    Examples:
        fashion-api compare models/fashion_mnist.h5 models/new.h5
        fashion-api compare --json --tolerance 0 old.h5 new.h5
    """
    from fashion_api.inference.loading import load_model  # noqa: PLC0415  # only where it runs
    from fashion_api.pictures.data_set import find_data_set  # noqa: PLC0415  # the same
    from fashion_api.training.evaluate.comparison import compare_models  # noqa: PLC0415  # the same
    from fashion_api.training.synthetic.out_of_distribution import load_digits  # noqa: PLC0415  # the same

    with Waiting("loading the models", shows_log=True) as line:
        old_model, new_model = (load_model(settings.model_copy(update={"model_path": path})) for path in (old, new))
        shape = old_model.input.shape
        comparison = compare_models(
            old_model,
            new_model,
            find_data_set(settings, labels=old_model.labels, shape=shape).load("test"),
            digits=load_digits(settings.digits_file, shape),
            show=lambda moment: line.update(
                f"{moment.stage}: {moment.part}" if moment.part else moment.stage, share=moment.share
            ),
        )
    is_worse = comparison.loss > tolerance
    if is_json:
        print(json.dumps(asdict(comparison) | {"tolerance": tolerance, "worse": is_worse}, indent=2))
    else:
        _print_tables(comparison)
        print(_judge(comparison, tolerance))
    return Status.WORSE if is_worse else Status.SUCCESS


def _print_tables(comparison: "Comparison") -> None:
    console = Console(highlight=False)
    scores = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    scores.add_column("")
    scores.add_column("Old", justify="right")
    scores.add_column("New", justify="right")
    for row in zip(_ROWS, _write(comparison.old), _write(comparison.new), strict=True):
        scores.add_row(*row)
    console.print(scores)
    classes = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    classes.add_column("Test images of")
    for head in ("Images", "Differ", "Only new is right", "Only old is right"):
        classes.add_column(head, justify="right")
    for label, found in {**comparison.classes, "all classes": comparison.all}.items():
        counts = (found.images, found.differing, found.corrected, found.spoilt)
        classes.add_row(escape_controls(label), *map(str, counts))
    console.print(classes)


_ROWS = (
    "Model",
    "Version",
    "Accuracy",
    "Expected calibration error",
    "Negative log-likelihood",
    "Brier score",
    "Accepted of the test images",
    "Refused of what is of no class",
    "Time for an image",
)


def _write(scores: "ModelScores") -> tuple[str, ...]:
    shares = ("–" if share is None else f"{share:.2%}" for share in (scores.accepted, scores.refused))
    errors = (scores.expected_calibration_error, scores.negative_log_likelihood, scores.brier)
    return (
        escape_controls(scores.name),
        scores.version,
        f"{scores.accuracy:.2%}",
        *(f"{error:.4f}" for error in errors),
        *shares,
        f"{scores.image_s * 1e6:.0f} µs",
    )


def _judge(comparison: "Comparison", tolerance: float) -> str:
    loss = comparison.loss
    if loss > tolerance:
        change = f"lower by {loss * 100:.2f} percentage points, and {tolerance * 100:.2f} are tolerated"
        return paint(f"worse: the accuracy is {change}", fg="red")
    change = (
        "the same" if not loss else f"{'lower' if loss > 0 else 'higher'} by {abs(loss) * 100:.2f} percentage points"
    )
    return paint(f"not worse: the accuracy is {change}", fg="green")
