"""The head of a model card in YAML, as the Hugging Face hub reads it, and what the model is for."""

import json
from collections.abc import Mapping

from fashion_api.inference.evaluation_record import EvaluationRecord
from fashion_api.inference.manifest import Manifest
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.training.report.markdown import flow, percent

_DATA_SET = "zalando-datasets/fashion_mnist"
_NAMED_KINDS = 3


def render_head(manifests: Mapping[str, Manifest], *, mark: str, is_ours: bool) -> str:
    """Write the metadata of a card: library, task, and the scores of the evaluated models of Fashion-MNIST.

    Args:
        manifests: by the name of their model.
        mark: a comment that says what writes the card.
        is_ours: whether these are the project's own models, whose licence is known.

    See https://huggingface.co/docs/hub/model-cards for the fields.
    """
    scored = {
        name: manifest.evaluation
        for name, manifest in manifests.items()
        if manifest.evaluation is not None and manifest.labels == FASHION_MNIST_LABELS
    }
    lines = ["---", f"# {mark}"]
    lines += ["license: mit"] * is_ours
    lines += ["library_name: keras", "pipeline_tag: image-classification"]
    if scored:
        lines += ["datasets:", f"- {_DATA_SET}", "metrics:", "- accuracy", "model-index:"]
        lines += [line for name, record in scored.items() for line in _describe_result(name, record)]
    return "\n".join([*lines, "---"])


def _describe_result(name: str, record: EvaluationRecord) -> list[str]:
    return [
        f"- name: {json.dumps(name)}",
        "  results:",
        "  - task:",
        "      type: image-classification",
        "    dataset:",
        f"      type: {_DATA_SET}",
        "      name: Fashion-MNIST",
        "      split: test",
        "    metrics:",
        "    - type: accuracy",
        f"      value: {record.accuracy}",
    ]


def render_uses(manifest: Manifest) -> list[str]:
    """Write what a model of Fashion-MNIST is for, and what not to do with it; nothing for other labels."""
    if manifest.labels != FASHION_MNIST_LABELS:
        return []
    return [
        "## Uses",
        flow("""
            It is for pictures like those of Fashion-MNIST: one article of clothing from a shop's catalogue, cut out,
            upright, light on black, 28×28 pixels. It is for learning, for measuring how models are served, and for
            sorting such pictures where a person sees the result.
        """),
        "Do not use it:",
        "\n".join(f"- {flow(line)}" for line in _list_misuses(manifest.evaluation)),
    ]


def _list_misuses(record: EvaluationRecord | None) -> list[str]:
    errors = "" if record is None else f" {percent(1 - record.accuracy)} of the test images are classified wrongly."
    return [
        """**To learn anything about people**: who wears an article, their sex, age, size or means. The data set does
        not know, and nothing of the kind was measured.""",
        f"""**To decide alone** where a wrong answer costs money, safety or somebody's rights.{errors} Some of the wrong
        answers have probabilities near 1.""",
        """**For photographs of clothes as they are worn**, of several articles, or with a background. Crop, invert and
        shrink a photograph of one article first, and take the answer as a guess: photographs were not measured.""",
        """**For other articles.** A hat, a skirt, a sock or a glove gets one of the ten labels, or is refused; which of
        the two was not measured.""",
        f"""**As a filter for what is an article.** `accepted` guards against accidents, such as a wrong file. It does
        not say that the class is right, and does not stop people who mean to pass: with the weights at hand, noise can
        be made that is always accepted
        ([what strangers may send](../docs/explanation/evaluation.md#pictures-that-strangers-send)).
        {_name_accepted(record)}""",
        """**For articles that are dark on light**, or pixels that are normalised otherwise: it was trained on neither,
        and `accepted` alone stands between them and a wrong answer.""",
    ]


def _name_accepted(record: EvaluationRecord | None) -> str:
    """Name the measured kinds that show no whole article and are accepted most often."""
    kinds = {} if record is None or record.novelty is None else record.novelty.report
    shares = {name: 1 - kind.refused for name, kind in kinds.items() if kind.refused is not None}
    most = sorted(shares, key=lambda name: -shares[name])[:_NAMED_KINDS]
    if not most:
        return ""
    named = ", ".join(f"{name} ({percent(shares[name])})" for name in most)
    return f"Of the kinds measured, these are accepted most often: {named}."
