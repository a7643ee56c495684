"""The section of a model card on novelty: what is accepted, and how the methods compare."""

from collections.abc import Mapping

from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.inference.evaluation_record import (
    OWN_OUTPUT,
    AcceptedScore,
    EvaluationRecord,
    NonsenseScore,
    NoveltyReport,
    NoveltySetScore,
)
from fashion_api.inference.manifest import Manifest
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.training.report.markdown import flow, percent, plain, table

IN_TRAINING = {None: "not known", True: "yes", False: "no"}
"""Whether training shows images like these."""
_TURNED = (
    "turned by 90°",
    "turned by 270°",
    "turned by 180°",
    "transposed",
    "upside down",
    "upper and lower halves",
)


def render_novelty(manifest: Manifest) -> list[str]:
    """Write the shares accepted, what a search for nonsense found, and a comparison of the methods."""
    record = manifest.evaluation
    if record is None or record.novelty is None:
        return []
    report = record.novelty
    known = "articles" if manifest.labels == FASHION_MNIST_LABELS else "images of the classes"
    return [
        "## Novelty",
        *_render_accepted(manifest, record, report, known=known),
        *_render_nonsense(record.nonsense, manifest),
        flow(f"""
            How well each method separates these images from the test images: AUROC in per cent and, in brackets, the
            share accepted at the threshold that accepts 95 % of the {known}. The model's own output is divided by the
            threshold of the predicted class, as in serving. No method was chosen by these figures.
        """),
        _compare_methods(report.report),
        _explain_choice(report, known=known),
        _compare_methods(report.choosing),
    ]


def _render_accepted(manifest: Manifest, record: EvaluationRecord, report: NoveltyReport, *, known: str) -> list[str]:
    thresholds = None if manifest.calibration is None else manifest.calibration.novelty
    articles = report.articles
    if thresholds is None or articles is None:
        return ["The model has no novelty output, and the service refuses no image."]
    rows = [
        [f"test images ({known})", f"{record.images:,}", percent(articles.accepted), "yes"],
        *(
            [name, f"{kind.images:,}", percent(1 - (kind.refused or 0.0)), IN_TRAINING[kind.is_trained_for]]
            for name, kind in report.report.items()
        ),
        *([name, "", "not measured", ""] for name in report.not_measured),
    ]
    return [
        _describe_thresholds(thresholds, known=known),
        table(("", "images", "accepted", "kind in training"), rows),
        *_summarise_turned(report.report, known=known),
        *_render_classes(articles, thresholds, manifest.labels),
    ]


def _describe_thresholds(thresholds: NoveltyThresholds, *, known: str) -> str:
    if thresholds.class_thresholds is None:
        return flow(f"""
            The service refuses an image with a novelty above {thresholds.threshold:.4g}, which 95 % of the validation
            images do not exceed. (Its replies give novelty as a multiple of this threshold.) The shares accepted:
        """)
    threshold = """the threshold of its predicted class, which 97.5 % of the validation images predicted as that class
        do not exceed"""
    if len(set(thresholds.class_thresholds)) == 1:  # too few images of each class
        threshold = "a threshold, the same for all classes, which 97.5 % of the validation images do not exceed"
    return flow(f"""
        The service refuses an image with a novelty above {threshold}. (Its replies give novelty as a multiple of this
        threshold.) The shares accepted; training shows some of the kinds, made from other {known}:
    """)


def _summarise_turned(kinds: Mapping[str, NoveltySetScore], *, known: str) -> list[str]:
    if not any(name in kinds for name in _TURNED[:-1]):
        return []
    shares = [1 - (kinds[name].refused or 0.0) for name in _TURNED if name in kinds]
    mean = percent(sum(shares) / len(shares))
    return [f"{known.capitalize()} turned, transposed, upside down and halves: {mean} on average."]


def _render_classes(articles: AcceptedScore, thresholds: NoveltyThresholds, labels: tuple[str, ...]) -> list[str]:
    least = min(articles.classes, key=lambda label: articles.classes[label])
    rows = [
        [plain(label), percent(articles.classes[label]), f"{thresholds.get_threshold(class_id):.4g}"]
        for class_id, label in enumerate(labels)
        if label in articles.classes
    ]
    share = percent(articles.classes[least])
    return [
        f"Of the classes, *{plain(least)}* is accepted least often: {share} of its test images.",
        table(("class", "accepted", "threshold"), rows),
    ]


def _render_nonsense(score: NonsenseScore | None, manifest: Manifest) -> list[str]:
    if score is None:
        return []
    counts = ", ".join(f"{len(reached)} ({', '.join(reached) or 'none'})" for reached in score.reached)
    return [
        flow(f"""
            A search for nonsense changes one to five shapes (rectangles, ellipses and lines, some with a texture) at
            random and keeps what the model takes most nearly for a class: `python -m benchmarks.nonsense`. With
            {score.queries:,} queries for each of the {len(manifest.labels)} classes, the classes for which it finds an
            accepted image with a probability of at least {score.probability:g}, in {len(score.reached)} searches:
            {counts}.
        """)
    ]


def _explain_choice(report: NoveltyReport, *, known: str) -> str:
    chosen = flow(f"""
        The best method is chosen by the same figures for the validation images, against synthetic kinds that training
        did not use. It is *{report.best_method}*: of the methods with the lowest mean share accepted, up to chance, the
        cheapest to serve.
    """)
    own = next(iter(report.choosing.values())).methods.get(OWN_OUTPUT)
    if own is None:
        return chosen
    if report.best_method == OWN_OUTPUT:
        return f"{chosen} The service uses it."
    return f"{chosen} " + flow(f"""
        The service uses the model's own output nevertheless: it comes with the probabilities at no cost, while
        *{report.best_method}* would need the features of the last layer, and its own data, in serving. On these kinds
        it accepts {percent(_compute_mean_fpr(report.choosing, OWN_OUTPUT))} on average at a threshold that accepts 95 %
        of the {known}, and *{report.best_method}* {percent(_compute_mean_fpr(report.choosing, report.best_method))}.
    """)


def _compute_mean_fpr(kinds: Mapping[str, NoveltySetScore], method: str) -> float:
    return sum(kind.methods[method].fpr_95 for kind in kinds.values()) / len(kinds)


def _compare_methods(kinds: Mapping[str, NoveltySetScore]) -> str:
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
    means = (_compute_mean_fpr(kinds, method) for method in methods)
    aurocs = (sum(kind.methods[method].auroc for kind in kinds.values()) / len(kinds) for method in methods)
    rows.append(["*mean*", *(f"{100 * auroc:.2f} ({100 * fpr:.1f})" for auroc, fpr in zip(aurocs, means, strict=True))])
    return table(("", *(f"**{method}**" if method == OWN_OUTPUT else method for method in methods)), rows)
