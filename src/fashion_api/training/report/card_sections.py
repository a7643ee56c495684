"""The sections of a model card, from the manifest, as paragraphs of Markdown."""

from collections.abc import Mapping
from pathlib import Path

from fashion_api.inference.calibration import Calibration
from fashion_api.inference.evaluation_record import (
    ClassReliability,
    Estimate,
    EvaluationRecord,
    PredictionSetScore,
)
from fashion_api.inference.manifest import Manifest
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.training.recipes import find_recipe
from fashion_api.training.report.figures import LEARNING_CURVES, RELIABILITY, figure_path
from fashion_api.training.report.markdown import flow, percent, plain, table


def _describe(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} ({estimate.low:.4f}–{estimate.high:.4f})"


def render_training(model_path: Path, manifest: Manifest) -> list[str]:
    """Write the model's input and labels, and how it was trained."""
    height, width = manifest.input.size
    images = f"{'grey images' if manifest.input.channels == 1 else 'images in colour'} of {height}×{width} pixels"
    if manifest.labels == FASHION_MNIST_LABELS:
        images += ", light on black"
    facts = [
        f"- **SHA-256** `{manifest.sha256}`",
        f"- **Input** {images}; **classes** {', '.join(map(plain, manifest.labels))}",
    ]
    training = manifest.training
    if training is None:
        return ["\n".join([*facts, "- There is no record of its training."])]
    versions = ", ".join(f"{name} {version}" for name, version in training.versions.items())
    recipe = find_recipe(manifest)
    description = "which this version does not have" if recipe is None else recipe.description
    facts += [
        flow(f"""
            - **Data** {training.training_images:,} of the training images for training,
            {training.validation_images:,} for choosing the epoch and for calibration; the test images for the figures
            below only
        """),
        flow(f"""
            - **Recipe** `{training.recipe}` ({description}), seed {training.seed}: {training.epochs_run} epochs of
            {training.optimizer} at {training.learning_rate:g} in batches of {training.batch_size}, in
            {training.precision}; epoch {training.best_epoch} was kept
        """),
        flow(f"""
            - **Validation accuracy** {percent(training.validation_accuracy)}; training accuracy, on augmented
            images, {percent(training.training_accuracy)}
        """),
        f"- **Duration** {training.duration_s / 60:.0f} minutes, ended {training.finished_at}, with {versions}",
    ]
    if training.teachers:
        facts.append("- **Teachers** (SHA-256) " + ", ".join(f"`{sha256}`" for sha256 in training.teachers))
    if training.note:
        facts.append(f"- **Note** {training.note}")
    curves = figure_path(model_path, LEARNING_CURVES)
    shown = [f"![Learning curves]({curves.name})"] if curves.exists() else []
    return ["\n".join(facts), f"```sh\n{training.command}\n```", *shown]


def render_accuracy(record: EvaluationRecord) -> list[str]:
    """Write the accuracy, and each class's precision and recall."""
    low, high = record.accuracy_interval
    tested = [label for label, score in record.classes.items() if score.images]
    worst = min(tested, key=lambda label: record.classes[label].recall)
    return [
        "## Accuracy",
        flow(f"""
            **{percent(record.accuracy)}** of the {record.images:,} test images (95 % Wilson interval
            {100 * low:.2f}–{100 * high:.2f} %). *{plain(worst)}* has the lowest recall,
            {percent(record.classes[worst].recall)}.
        """),
        table(
            ("class", "precision", "recall", "images"),
            (
                (plain(label), percent(score.precision), percent(score.recall), str(score.images))
                for label, score in record.classes.items()
            ),
        ),
    ]


def render_calibration(model_path: Path, manifest: Manifest) -> list[str]:
    """Write how well confidence agrees with accuracy, without and with the temperature."""
    diagram = f"![Reliability diagram]({figure_path(model_path, RELIABILITY).name})"
    calibration, record = manifest.calibration, manifest.evaluation
    if calibration is None or record is None or record.calibration is None:
        return [
            "## Calibration",
            "No temperature was fitted; the network's probabilities are served.",
            diagram,
        ]
    before, after = record.calibration.before, record.calibration.after
    rows = (
        (
            "expected calibration error, 15 bins",
            _describe(before.expected_calibration_error),
            _describe(after.expected_calibration_error),
        ),
        (
            "negative log-likelihood, nats",
            _describe(before.negative_log_likelihood),
            _describe(after.negative_log_likelihood),
        ),
        ("Brier score, 0 to 2", _describe(before.brier), _describe(after.brier)),
    )
    return [
        "## Calibration",
        flow(f"""
            The logits are divided by a temperature of {calibration.temperature:g}, fitted on
            {calibration.images:,} validation images. On the test images, with 95 % intervals (1.96 standard errors by
            the bootstrap, 1,000 resamples):
        """),
        table(("", "network", "as served"), rows),
        flow(f"""
            {_compare(before.expected_calibration_error, after.expected_calibration_error)} If every confidence were
            exactly right, chance alone would give a calibration error of {after.expected_calibration_error_floor:.4f}
            on as many images.
        """),
        diagram,
        *_render_reliability(record.calibration.classes),
    ]


def _compare(before: Estimate, after: Estimate) -> str:
    """Say what the temperature does to the calibration error; a change within the interval may be chance."""
    if after.value < before.low:
        return "The temperature lowers the calibration error on the test images."
    if after.value > before.high:
        return "The temperature does not lower the calibration error on the test images: it raises it."
    return "The temperature changes the calibration error on the test images by no more than chance may."


def _render_reliability(classes: dict[str, ClassReliability] | None) -> list[str]:
    """Write confidence and accuracy by predicted class."""
    if classes is None:
        return []
    rows = [
        [plain(label), f"{score.images:,}", percent(score.confidence), percent(score.accuracy)]
        for label, score in classes.items()
        if score.confidence is not None and score.accuracy is not None
    ]
    return [
        flow("""
            The confidences of a single class may be too high or too low. When a class is predicted, the mean confidence
            and the share that is right:
        """),
        table(("predicted class", "images", "mean confidence", "right"), rows),
    ]


def render_prediction_sets(manifest: Manifest) -> list[str]:
    """Write coverage, sizes, and the coverage of each class."""
    calibration, record = manifest.calibration, manifest.evaluation
    if calibration is None or record is None or record.prediction_sets is None:
        return []
    scores = record.prediction_sets
    most = max(len(score.sizes) for score in scores.values())
    sized = [size for size in range(1, most + 1) if any(score.sizes[size - 1] for score in scores.values())]
    rows = [
        [
            f"{float(wanted):.0%}".replace("%", " %"),
            percent(score.coverage),
            "–".join(f"{100 * end:.2f}" for end in score.coverage_interval),
            f"{score.mean_size:.3f}",
            *(f"{score.sizes[size - 1]:,}" for size in sized),
        ]
        for wanted, score in scores.items()
    ]
    labels = list(next(iter(scores.values())).class_coverage)
    return [
        "## Prediction sets",
        flow(f"""
            Split conformal sets by the method *{calibration.prediction_sets.method}*, which was chosen and fitted
            on the validation images. {_describe_thresholds(calibration)} Coverage is the share of the test images whose
            set holds the right class; the last columns count the sets by their number of classes:
        """),
        table(("nominal", "coverage", "95 % interval", "mean size", *(f"of {size}" for size in sized)), rows),
        *_name_missed(scores),
        "The coverage of each class:",
        table(
            ("class", *(f"{float(wanted):.0%}".replace("%", " %") for wanted in scores)),
            ([plain(label), *(percent(score.class_coverage[label]) for score in scores.values())] for label in labels),
        ),
    ]


def _name_missed(scores: Mapping[str, PredictionSetScore]) -> list[str]:
    """Name the nominal coverages that the test images miss by more than chance."""
    missed = [
        f"{100 * float(wanted):g} %" for wanted, score in scores.items() if score.coverage_interval[1] < float(wanted)
    ]
    return [f"Missed by more than chance: {' and '.join(missed)}."] if missed else []


def _describe_thresholds(calibration: Calibration) -> str:
    if calibration.prediction_sets.class_thresholds is None:
        return "One threshold applies to all classes, so that the coverage holds on average over the classes."
    return """
        Each class has its own threshold. For 90 and 95 %, it is fitted so that the coverage holds for each class, on
        average over images of it: four of five validation sets give at least the coverage. For 99 %, where few
        validation images decide, it is a blend of the class's own threshold (a quarter) and that of all classes, fitted
        for 99.25 %: the coverage is meant to hold for all images together, and may be lower for a class. This margin is
        for the shift from validation to test images. It was set with knowledge of how far earlier models, whose test
        figures were published, fell short of 99 % on the test images.
    """


def render_cost(record: EvaluationRecord) -> list[str]:
    """Write the cost of a prediction."""
    if record.cost is None:
        return []
    cost = record.cost
    time = "It cannot be compiled, and was not timed."
    if cost.relative_time is not None:
        time = flow(f"""
            For one image on one thread, the compiled form takes {cost.relative_time:.2f} times as long as the
            tutorial's network: both measured in alternation, each the least mean of 40 rounds of 25 images.
        """)
    return ["## Cost", f"{cost.parameters:,} weights; {cost.multiply_adds:,} multiply-adds for an image. {time}"]
