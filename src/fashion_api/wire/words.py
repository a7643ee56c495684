"""The words for what a model's pictures show, by its labels: those of Fashion-MNIST, or of any other data set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.flaws import Flaw
from fashion_api.settings import FASHION_MNIST_LABELS

Reason = Literal["unfamiliar", "unsure"] | Flaw
"""Why an image is not accepted."""


@dataclass(frozen=True)
class Words:
    """What texts for people say of a model's pictures."""

    question: str
    """What a person asks the model."""
    summary: str
    """What the service does."""
    pictures: str
    """Which pictures it answers for."""
    subject: str
    """What an image shows, as in `{subject} may be turned`."""
    known: str
    """What the images of the training show, as in `unlike {known} that the model was trained on`."""
    advice: str
    """What a picture should be like."""
    limits: str
    """What a person can do about a picture that is not accepted."""
    expected: str
    """What an image should be like, after its size and colours."""

    @property
    def reasons(self) -> Mapping[Reason, str]:
        """The words for each reason; the first always applies, the others are hints."""
        return {
            "unfamiliar": f"the image is unlike {self.known} that the model was trained on: its novelty is over 1",
            "turned": f"{self.subject} may be turned by 90°",
            "low-contrast": "the contrast is low",
            "too-small": "what it shows is small",
            "at-edge": "what it shows is at an edge",
            "too-dark": "the image is dark",
            "unsure": "no class is probable",
        }


FASHION: Final = Words(
    question="Which garment is this?",
    summary="Classifies Fashion-MNIST images with a pretrained Keras model.",
    pictures="Fashion-MNIST test images",
    subject="the article",
    known="the articles",
    advice="One article to a picture, as in a catalogue: shoes from the side, clothes from the front.",
    limits="It knows catalogue pictures: one article, on a plain background. Crop closely, or try Keep or Invert; for "
    "most photographs its answer is a guess.",
    expected=", the article light on black",
)
OTHER: Final = Words(
    question="What is this?",
    summary="Classifies images with a pretrained Keras model.",
    pictures="test images",
    subject="what it shows",
    known="those",
    advice="One thing to a picture, as in those that the model was trained on.",
    limits="It knows pictures like those that it was trained on. Crop closely; for most others its answer is a guess.",
    expected="",
)


def choose_words(labels: tuple[str, ...]) -> Words:
    """Give the words for a model of these labels."""
    return FASHION if labels == FASHION_MNIST_LABELS else OTHER


def describe_images(spec: InputSpec) -> str:
    """Say what an image of a model is, as in `28×28 pixels, grey`."""
    return f"{spec.width}×{spec.height} pixels, {'grey' if spec.channels == 1 else 'in colour'}"
