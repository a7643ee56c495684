"""The sections of a model card, each from the manifest, as paragraphs of Markdown."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from fashion_api.inference.evaluation_record import Estimate, NoveltyReport, NoveltySetScore
from fashion_api.inference.manifest import EvaluationRecord, Manifest
from fashion_api.training.evaluate.novelty import OWN
from fashion_api.training.recipe import RECIPES
from fashion_api.training.report.figures import LEARNING_CURVES, RELIABILITY, figure_path


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table, its first column to the left and the others to the right."""
    rule = ("---", *("---:",) * (len(columns) - 1))
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, rule, *rows))


def flow(text: str) -> str:
    """Write a paragraph as one line, wherever it was broken in the source."""
    return " ".join(text.split())


def percent(share: float) -> str:
    """Write a share as a percentage with two decimals."""
    return f"{100 * share:.2f} %"


def _tell(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} ({estimate.low:.4f}–{estimate.high:.4f})"


def render_training(model_path: Path, manifest: Manifest) -> list[str]:
    """Say what it takes, and how and on what it was trained."""
    height, width = manifest.input.height, manifest.input.width
    facts = [
        f"- **SHA-256** `{manifest.sha256}`",
        f"- **Takes** grey images of {height}×{width} pixels, light on black; **tells** {', '.join(manifest.labels)}",
    ]
    training = manifest.training
    if training is None:
        return ["\n".join([*facts, "- How it was trained is not known."])]
    versions = ", ".join(f"{name} {version}" for name, version in training.versions.items())
    description = RECIPES[training.recipe].description if training.recipe in RECIPES else "not one of this version"
    facts += [
        flow(f"""
            - **Data** {training.training_images:,} of the training images to learn from,
            {training.validation_images:,} to choose the epoch and to calibrate by; the test images for the figures
            below and nothing else
        """),
        flow(f"""
            - **Recipe** `{training.recipe}` ({description}), seed {training.seed}: {training.epochs_run} epochs of
            {training.optimizer} at {training.learning_rate:g} in batches of {training.batch_size}, in
            {training.precision}; epoch {training.best_epoch} is kept
        """),
        flow(f"""
            - **Validation accuracy** {percent(training.validation_accuracy)}; training accuracy, on altered
            images, {percent(training.training_accuracy)}
        """),
        f"- **Took** {training.duration_s / 60:.0f} minutes, to {training.finished_at}, with {versions}",
    ]
    if training.teachers:
        facts.append("- **Learnt from** the answers of " + ", ".join(f"`{sha256}`" for sha256 in training.teachers))
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
            {100 * low:.2f}–{100 * high:.2f} %). The class that is found the least is *{worst}*, with a recall of
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
    """Write how well confidence fits accuracy, without and with the temperature."""
    diagram = f"![Reliability diagram]({figure_path(model_path, RELIABILITY).name})"
    calibration, record = manifest.calibration, manifest.evaluation
    if calibration is None or record is None or record.calibration is None:
        return [
            "## Calibration",
            "No temperature was fitted; the probabilities are served as the network gives them.",
            diagram,
        ]
    before, after = record.calibration.before, record.calibration.after
    rows = (
        (
            "expected calibration error, 15 bins",
            _tell(before.expected_calibration_error),
            _tell(after.expected_calibration_error),
        ),
        (
            "negative log-likelihood, nats",
            _tell(before.negative_log_likelihood),
            _tell(after.negative_log_likelihood),
        ),
        ("Brier score, 0 to 2", _tell(before.brier), _tell(after.brier)),
    )
    return [
        "## Calibration",
        flow(f"""
            The logits are divided by a temperature of {calibration.temperature:g}, fitted on
            {calibration.images:,} validation images. On the test images, with 95 % intervals (1.96 standard errors by
            the bootstrap, 1,000 resamples):
        """),
        table(("", "as the network gives it", "as served"), rows),
        flow(f"""
            Were every confidence exactly right, chance alone would make a calibration error of
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
            on the validation images. On the test images, how often a set holds the right class, and how many sets
            hold how many:
        """),
        table(("wanted", "coverage", "95 % interval", "mean size", *(f"of {size}" for size in sized)), rows),
        "The coverage of each class:",
        table(
            ("class", *(f"{float(wanted):.0%}".replace("%", " %") for wanted in scores)),
            ([label, *(percent(score.class_coverage[label]) for score in scores.values())] for label in labels),
        ),
    ]


def render_novelty(manifest: Manifest) -> list[str]:
    """Write what is refused, and how the methods compare."""
    record = manifest.evaluation
    if record is None or record.novelty is None:
        return []
    report = record.novelty
    return [
        "## Saying no",
        *_render_refusals(manifest, report),
        flow("""
            How well each method tells them from the test images: AUROC in per cent, and in brackets the share that
            is taken for an article where 95 % of the articles are. Whatever these tell of a method, it was not
            chosen by them.
        """),
        _compare_methods(report.report),
        flow(f"""
            Chosen by: the same for validation images, against made-up kinds that training does not show. The choice is
            *{report.best_method}*: the lowest mean share taken for an article or, of those that chance could have put
            first, the cheapest to serve. The service goes by the model's own output, where there is one.
        """),
        _compare_methods(report.choosing),
    ]


def _render_refusals(manifest: Manifest, report: NoveltyReport) -> list[str]:
    novelty = None if manifest.calibration is None else manifest.calibration.novelty
    articles = report.articles
    if novelty is None or articles is None:
        return ["The model tells no novelty, and the service answers for every image."]
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
            The service says no to an image with a novelty above {novelty.threshold:.4g}, which 95 % of the
            validation images do not exceed; 98 % do not exceed {novelty.threshold_98:.4g}. (In its answers, novelty is
            given as a multiple of the former.) Refused are:
        """),
        table(("", "images", "refused", "with the threshold for 98 %"), rows),
        flow(f"""
            Of the articles, *{least}* is refused most often: {percent(1 - articles.classes[least])} of its test
            images. An image upside down shows an article all the same; the model was not taught to refuse it.
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
    return table(("", *(f"**{method}**" if method == OWN else method for method in methods)), rows)


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
        said = {None: "not known", True: "yes", False: "no"}
        rows = [
            [
                name,
                *(
                    f"{percent(accuracy)} ({strength})"
                    for strength, accuracy in zip(score.strengths, score.accuracies, strict=True)
                ),
                said[score.is_trained_for],
            ]
            for name, score in record.corruptions.items()
        ]
        parts += [
            flow("""
                Accuracy under corruptions of the test images at three strengths; the last column says whether
                training alters its images in a like way, so that the network has met the like:
            """),
            table(("", "mild", "medium", "hard", "met in training"), rows),
        ]
    return ["## Robustness", *parts] if parts else []


def render_cost(record: EvaluationRecord) -> list[str]:
    """Write what an answer costs."""
    if record.cost is None:
        return []
    cost = record.cost
    time = "It does not compile, and was not timed."
    if cost.relative_time is not None:
        time = flow(f"""
            For one image on one thread, the compiled form takes {cost.relative_time:.2f} times as long as the
            tutorial's network, measured in turns with it: the least of 40 rounds of 25 images each.
        """)
    return ["## Cost", f"{cost.parameters:,} weights; {cost.multiply_adds:,} multiply-adds for an image. {time}"]
