"""The model card: `README.md` in the models' folder, written from the manifests there."""

import logging
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np

from fashion_api.errors import ModelError
from fashion_api.files import write_atomically
from fashion_api.inference.evaluation_record import EvaluationRecord
from fashion_api.inference.manifest import Manifest, TrainingRecord, read_manifest
from fashion_api.settings import FASHION_MNIST_LABELS, Settings
from fashion_api.training.report.card_head import render_head, render_uses
from fashion_api.training.report.card_sections import (
    render_accuracy,
    render_calibration,
    render_cost,
    render_prediction_sets,
    render_training,
)
from fashion_api.training.report.figures import CONFUSION_MATRIX, MISTAKES, figure_path
from fashion_api.training.report.markdown import flow, percent, table
from fashion_api.training.report.novelty_section import render_novelty
from fashion_api.training.report.robustness_section import render_robustness

logger = logging.getLogger(__name__)

_OF_A_RUN = {
    "seed",
    "command",
    "data_sha256",
    "epochs_run",
    "best_epoch",
    "training_accuracy",
    "validation_accuracy",
    "duration_s",
    "finished_at",
    "versions",
}  # fields of a training record that differ between runs of one set-up

CARD_NAME = "README.md"
SEEDS_FOLDER = "seeds"
_MARK = "Written by `fashion-api evaluate`; what is changed here by hand is lost."
_LIMITS = """
- The labels of T-shirts, pullovers, coats and, most of all, shirts are noisy: for some articles on the contact sheet
  above, the model's answer looks right. People score 83.5 % on these images, without training (H. Xiao,
  K. Rasul, R. Vollgraf, [arXiv:1708.07747](https://arxiv.org/abs/1708.07747), and the data set's
  [read-me](https://github.com/zalandoresearch/fashion-mnist)).
- The coverage of the prediction sets holds for such images, on average; it does not hold for images that show no
  article. The figures on calibration are averages too, and do not hold for corrupted images.
- The shares accepted are for the kinds of images that are named. Other kinds may be accepted more or less often."""


def write_card(model_path: Path) -> list[Path]:
    """Write the card of the models in the folder of `model_path`, and give its path.

    The card describes in full the model that is served by default or, in a folder without it, the one at `model_path`.
    A `README.md` that was not written here is not overwritten; no path is given then.
    """
    path = model_path.with_name(CARD_NAME)
    if path.exists() and _MARK not in path.read_text(errors="replace"):
        logger.warning("%s was not written by `fashion-api evaluate` and is left alone: no card is written", path)
        return []
    write_atomically(path, render_folder(model_path).encode(errors="backslashreplace"))
    return [path]


def render_folder(model_path: Path) -> str:
    """Write the card of a folder of models as Markdown."""
    manifests = read_manifests(model_path.parent)
    default = Path(Settings.model_fields["model_path"].default).with_suffix(".json").name
    shown = default if default in manifests else model_path.with_suffix(".json").name
    named = {Path(name).stem: manifest for name, manifest in manifests.items()}
    head = render_head(named, mark=_MARK, is_ours=shown == default)
    parts = [head, "# Models", *_render_overview(manifests, is_ours=shown == default)]
    if shown in manifests:
        parts += render_card(model_path.with_name(shown).with_suffix(".h5"), manifests[shown])
    others = read_manifests(model_path.with_name(SEEDS_FOLDER))
    parts += render_seeds(_find_siblings(manifests, others) | others)
    return "\n\n".join(parts) + "\n"


def read_manifests(folder: Path) -> dict[str, Manifest]:
    """Read the manifests of a folder, by file name, in the order of the names; other JSON files are skipped."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            manifest = read_manifest(path)
        except ModelError as error:
            logger.warning("left out of the card: %s", error)
            continue
        if manifest is not None:
            found[path.name] = manifest
    return found


def render_card(model_path: Path, manifest: Manifest) -> list[str]:
    """Write one model's card, as paragraphs of Markdown."""
    record = manifest.evaluation
    parts = [f"# `{model_path.name}`", *render_training(model_path, manifest), *render_uses(manifest)]
    if record is None:
        return [*parts, "It has not been evaluated."]
    parts += [*render_accuracy(record), f"![Confusion matrix]({figure_path(model_path, CONFUSION_MATRIX).name})"]
    mistakes = figure_path(model_path, MISTAKES)
    if mistakes.exists():
        parts += ["## Most confident mistakes", f"![Confident mistakes]({mistakes.name})"]
    parts += [
        *render_calibration(model_path, manifest),
        *render_prediction_sets(manifest),
        *render_novelty(manifest),
        *render_robustness(record),
        *render_cost(record),
    ]
    if manifest.labels == FASHION_MNIST_LABELS:
        parts += ["## Known limits", _LIMITS.strip()]
    return parts


def _render_overview(manifests: dict[str, Manifest], *, is_ours: bool) -> list[str]:
    page = "[Evaluation](../docs/explanation/evaluation.md)" if is_ours else "fashion-api's page on evaluation"
    rows = [
        _describe_row(Path(name).with_suffix(".h5").name, manifest, manifest.evaluation)
        for name, manifest in manifests.items()
    ]
    columns = ("model", "recipe", "seed", "test accuracy", "95 % interval", "weights", "multiply-adds", "time")
    return [
        table(columns, rows),
        flow(f"""
            Time is the time of one image on one thread, divided by that of the tutorial's network. Each model's
            manifest, the `.json` beside it, has all of its figures; they are defined in {page}.
        """),
    ]


def _describe_row(name: str, manifest: Manifest, record: EvaluationRecord | None) -> list[str]:
    training, cost = manifest.training, None if record is None else record.cost
    return [
        f"`{name}`",
        "" if training is None else training.recipe,
        "" if training is None else str(training.seed),
        "" if record is None else percent(record.accuracy),
        "" if record is None else "–".join(f"{100 * end:.2f}" for end in record.accuracy_interval),
        "" if cost is None else f"{cost.parameters:,}",
        "" if cost is None else f"{cost.multiply_adds:,}",
        "" if cost is None or cost.relative_time is None else f"× {cost.relative_time:.2f}",
    ]


def _find_siblings(manifests: dict[str, Manifest], others: dict[str, Manifest]) -> dict[str, Manifest]:
    """Find the models that were trained like one of the others, except for the seed."""
    setups = [_describe_setup(other.training) for other in others.values() if other.training is not None]
    return {
        name: manifest
        for name, manifest in manifests.items()
        if manifest.training is not None and _describe_setup(manifest.training) in setups
    }


def _describe_setup(training: TrainingRecord) -> dict[str, object]:
    """Give the fields that are equal in all runs that differ in their seed alone."""
    return training.model_dump(exclude=_OF_A_RUN)


def render_seeds(manifests: dict[str, Manifest]) -> list[str]:
    """Write the scores of runs that differ in their seed alone, as paragraphs; none if none was evaluated."""
    scored = sorted(
        (
            (manifest.training.recipe, manifest.training.seed, name, manifest.training, manifest.evaluation)
            for name, manifest in manifests.items()
            if manifest.training is not None and manifest.evaluation is not None
        ),
        key=itemgetter(0, 1, 2),
    )
    if not scored:
        return []
    rows = [
        [f"`{name}`", recipe, str(seed), percent(training.validation_accuracy), percent(record.accuracy)]
        for recipe, seed, name, training, record in scored
    ]
    return [
        "# Seeds",
        "Runs of a recipe that differ in their seed alone, including models above; none was chosen by its test score.",
        table(("manifest", "recipe", "seed", "validation accuracy", "test accuracy"), rows),
        _summarise_seeds([(recipe, record) for recipe, _, _, _, record in scored]),
    ]


def _summarise_seeds(scored: Sequence[tuple[str, EvaluationRecord]]) -> str:
    by_recipe: dict[str, list[float]] = {}
    for recipe, record in scored:
        by_recipe.setdefault(recipe, []).append(record.accuracy)
    lines = [
        f"- `{recipe}`, {len(values)} run(s): mean {percent(float(np.mean(values)))}, from {percent(min(values))} to "
        f"{percent(max(values))}"
        for recipe, values in by_recipe.items()
    ]
    return "\n".join(lines)
