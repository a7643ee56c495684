"""The section of a model card on robustness: accuracy and acceptance of altered test images."""

from collections.abc import Mapping, Sequence

from fashion_api.inference.evaluation_record import CorruptionScore, EvaluationRecord, PoorPictureScore
from fashion_api.training.report.markdown import flow, percent, table
from fashion_api.training.report.novelty_section import IN_TRAINING


def render_robustness(record: EvaluationRecord) -> list[str]:
    """Write accuracy and acceptance of mirrored, corrupted and poorly captured test images."""
    parts = []
    if record.mirrored_accuracy is not None:
        lost = record.accuracy - record.mirrored_accuracy
        parts.append(
            f"Mirrored left to right, {percent(record.mirrored_accuracy)} of the test images are classified correctly: "
            f"{abs(100 * lost):.2f} percentage points {'fewer' if lost >= 0 else 'more'}."
        )
    if record.corruptions is not None:
        parts += _render_corruptions(record.corruptions)
    if record.poor_pictures is not None:
        parts += _render_poor_pictures(record.poor_pictures)
    return ["## Robustness", *parts] if parts else []


def _render_corruptions(scores: Mapping[str, CorruptionScore]) -> list[str]:
    rows = [[name, *_describe_levels(score), IN_TRAINING[score.is_trained_for]] for name, score in scores.items()]
    return [
        flow("""
            Accuracy and, after the stroke, the share accepted under corruptions of the test images at three strengths;
            the last column says whether training alters its images similarly:
        """),
        table(("", "mild", "medium", "hard", "in training"), rows),
    ]


def _describe_levels(score: CorruptionScore) -> list[str]:
    accepted = ("", "", "") if score.accepted is None else [f" / {percent(share)}" for share in score.accepted]
    return [
        f"{percent(accuracy)}{share} ({strength})"
        for strength, accuracy, share in zip(score.strengths, score.accuracies, accepted, strict=True)
    ]


def _render_poor_pictures(scores: Mapping[str, PoorPictureScore]) -> list[str]:
    rows = [
        [name, percent(score.accuracy), _describe_accepted([score]), IN_TRAINING[score.is_trained_for]]
        for name, score in scores.items()
    ]
    for is_trained_for, name in ((True, "*mean of those in training*"), (False, "*mean of those not in training*")):
        group = [score for score in scores.values() if score.is_trained_for is is_trained_for]
        if group:
            accuracy = sum(score.accuracy for score in group) / len(group)
            rows.append([name, percent(accuracy), _describe_accepted(group), ""])
    return [
        flow("""
            Poor pictures: the test images as poor cameras, scanners and crops might give them. Training never shows
            some of the kinds, and only the report uses those:
        """),
        table(("", "accuracy", "accepted", "in training"), rows),
    ]


def _describe_accepted(scores: Sequence[PoorPictureScore]) -> str:
    shares = [score.accepted for score in scores if score.accepted is not None]
    return percent(sum(shares) / len(shares)) if shares else "–"
