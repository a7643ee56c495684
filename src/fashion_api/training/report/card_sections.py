"""The sections of a model card, from the manifest, as paragraphs of Markdown."""

from pathlib import Path

from fashion_api.inference.evaluation_record import (
    OWN_OUTPUT,
    Estimate,
    EvaluationRecord,
    NoveltyReport,
    NoveltySetScore,
)
from fashion_api.inference.manifest import Manifest
from fashion_api.training.recipes import RECIPES
from fashion_api.training.report.figures import LEARNING_CURVES, RELIABILITY, figure_path
from fashion_api.training.report.markdown import flow, percent, table


def _describe(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} ({estimate.low:.4f}–{estimate.high:.4f})"


def render_training(model_path: Path, manifest: Manifest) -> list[str]:
    """Write the model's input and labels, and how it was trained."""
    height, width = manifest.input.height, manifest.input.width
    facts = [
        f"- **SHA-256** `{manifest.sha256}`",
        f"- **Input** grey images of {height}×{width} pixels, light on black; **classes** {', '.join(manifest.labels)}",
    ]
    training = manifest.training
    if training is None:
        return ["\n".join([*facts, "- There is no record of its training."])]
    versions = ", ".join(f"{name} {version}" for name, version in training.versions.items())
    description = (
        RECIPES[training.recipe].description if training.recipe in RECIPES else "which this version does not have"
    )
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
    curves = figure_path(model_path, LEARNING_CURVES)
    shown = [f"![Learning curves]({curves.name})"] if curves.exists() else []
    return ["\n".join(facts), f"```sh\n{training.command}\n```", *shown]


def render_accuracy(record: EvaluationRecord) -> list[str]:
    """Write the accuracy, and each class's precision and recall."""
    low, high = record.accuracy_interval
    worst = min(record.classes, key=lambda label: record.classes[label].recall)
    return [
        "## Accuracy",
        flow(f"""
            **{percent(record.accuracy)}** of the {record.images:,} test images (95 % Wilson interval
            {100 * low:.2f}–{100 * high:.2f} %). *{worst}* has the lowest recall,
            {percent(record.classes[worst].recall)}.
        """),
        table(
            ("class", "precision", "recall", "images"),
            (
                (label, percent(score.precision), percent(score.recall), str(score.images))
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
            If every confidence were exactly right, chance alone would give a calibration error of
            {after.expected_calibration_error_floor:.4f} on as many images.
        """),
        diagram,
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
            on the validation images. Coverage is the share of the test images whose set holds the right class; the last
            columns count the sets by their number of classes:
        """),
        table(("nominal", "coverage", "95 % interval", "mean size", *(f"of {size}" for size in sized)), rows),
        "The coverage of each class:",
        table(
            ("class", *(f"{float(wanted):.0%}".replace("%", " %") for wanted in scores)),
            ([label, *(percent(score.class_coverage[label]) for score in scores.values())] for label in labels),
        ),
    ]


def render_novelty(manifest: Manifest) -> list[str]:
    """Write the shares refused, and a comparison of the methods."""
    record = manifest.evaluation
    if record is None or record.novelty is None:
        return []
    report = record.novelty
    return [
        "## Novelty",
        *_render_refusals(manifest, report),
        flow("""
            How well each method separates these images from the test images: AUROC in per cent and, in brackets, the
            share accepted at the threshold that accepts 95 % of the articles. No method was chosen by these figures.
        """),
        _compare_methods(report.report),
        flow(f"""
            The best method is chosen by the same figures for the validation images, against synthetic kinds that
            training did not use. It is *{report.best_method}*: of the methods with the lowest mean share accepted, up
            to chance, the cheapest to serve. The service uses the model's own output, if there is one.
        """),
        _compare_methods(report.choosing),
    ]


def _render_refusals(manifest: Manifest, report: NoveltyReport) -> list[str]:
    novelty = None if manifest.calibration is None else manifest.calibration.novelty
    articles = report.articles
    if novelty is None or articles is None:
        return ["The model has no novelty output, and the service refuses no image."]
    images = "" if manifest.evaluation is None else f"{manifest.evaluation.images:,}"
    rows = [
        ["test images (articles)", images, percent(1 - articles.accepted), percent(1 - articles.accepted_98)],
        *(
            [name, f"{kind.images:,}", percent(kind.refused or 0.0), percent(kind.refused_98 or 0.0)]
            for name, kind in report.report.items()
        ),
        *([name, "", "not measured", "not measured"] for name in report.not_measured),
    ]
    least = min(articles.classes, key=lambda label: articles.classes[label])
    return [
        flow(f"""
            The service refuses an image with a novelty above {novelty.threshold:.4g}, which 95 % of the
            validation images do not exceed; 98 % do not exceed {novelty.threshold_98:.4g}. (Its replies give novelty
            as a multiple of the former.) The shares refused:
        """),
        table(("", "images", "refused", "with the threshold for 98 %"), rows),
        flow(f"""
            Of the classes, *{least}* is refused most often: {percent(1 - articles.classes[least])} of its test
            images. An image upside down still shows an article; the model was not trained to refuse it.
        """),
    ]


def _compare_methods(kinds: dict[str, NoveltySetScore]) -> str:
    methods = list(next(iter(kinds.values())).methods)
    rows = [
        [
            name,
            *(
                f"{100 * kind.methods[method].auroc:.2f} ({100 * kind.methods[method].fpr_95:.1f})"
                for method in methods
            ),
        ]
        for name, kind in kinds.items()
    ]
    means = (sum(kind.methods[method].fpr_95 for kind in kinds.values()) / len(kinds) for method in methods)
    aurocs = (sum(kind.methods[method].auroc for kind in kinds.values()) / len(kinds) for method in methods)
    rows.append(["*mean*", *(f"{100 * auroc:.2f} ({100 * fpr:.1f})" for auroc, fpr in zip(aurocs, means, strict=True))])
    return table(("", *(f"**{method}**" if method == OWN_OUTPUT else method for method in methods)), rows)


def render_robustness(record: EvaluationRecord) -> list[str]:
    """Write the accuracy on mirrored and on corrupted images."""
    parts = []
    if record.mirrored_accuracy is not None:
        lost = record.accuracy - record.mirrored_accuracy
        parts.append(
            f"Mirrored left to right, {percent(record.mirrored_accuracy)} of the test images are classified correctly: "
            f"{abs(100 * lost):.2f} percentage points {'fewer' if lost >= 0 else 'more'}."
        )
    if record.corruptions is not None:
        answers = {None: "not known", True: "yes", False: "no"}
        rows = [
            [
                name,
                *(
                    f"{percent(accuracy)} ({strength})"
                    for strength, accuracy in zip(score.strengths, score.accuracies, strict=True)
                ),
                answers[score.is_trained_for],
            ]
            for name, score in record.corruptions.items()
        ]
        parts += [
            flow("""
                Accuracy under corruptions of the test images at three strengths; the last column says whether
                training alters its images similarly:
            """),
            table(("", "mild", "medium", "hard", "in training"), rows),
        ]
    return ["## Robustness", *parts] if parts else []


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
