"""The signature of a network: what an image is to it, and what its outputs mean."""

from typing import Literal

from pydantic import Field

from fashion_api.inference.manifest import InputSpec, OutputKind
from fashion_api.inference.record import Record
from fashion_api.settings import name_variable

SIGNATURE = "fashion_api.signature"
"""The name under which a compiled form carries its signature, as JSON."""

Layout = Literal["image", "channels-first", "row"]
"""How the numbers of an image lie in the network's input: as they are; a plane for each colour; or in another shape."""


class DeclaredSignature(Record):
    """What a manifest, or settings that were set, say of a network; what is `None`, the network itself tells."""

    height: int | None = None
    width: int | None = None
    channels: int | None = None
    pixel_range: tuple[float, float] | None = None
    output: OutputKind | None = None
    manifest: str | None = None
    """The path of the manifest that says it, for messages; `None` where settings do."""

    @classmethod
    def of_input(cls, spec: InputSpec) -> "DeclaredSignature":
        """Declare the whole of an input, and leave the outputs to the network."""
        return cls(height=spec.height, width=spec.width, channels=spec.channels, pixel_range=spec.pixel_range)

    @property
    def identity(self) -> str:
        """What is declared, without who declares it."""
        return self.model_dump_json(exclude={"manifest"})

    def name_source(self, *fields: str) -> str:
        """Name what says a part: the manifest or, without one, the settings of that part."""
        *others, last = map(name_variable, fields)
        return self.manifest or (f"{', '.join(others)} and {last}" if others else last)


class Signature(Record):
    """What a network takes and gives, as it is served."""

    input: InputSpec = Field(description="What one image is.")
    layout: Layout = Field(description="How the numbers of an image lie in the network's input.")
    range_reason: str = Field(description="What tells the range of the pixels.")
    outputs: int = Field(ge=1, description="Numbers that the network gives for an image, without a novelty.")
    output: OutputKind = Field(description="What they are.")
    output_reason: str = Field(description="What tells that.")
    has_novelty: bool = Field(description="Whether a second output scores the novelty of an image.")
    warnings: tuple[str, ...] = Field((), description="What the operator should look at.")

    @property
    def classes(self) -> int:
        """How many classes the network tells apart; one output stands for two."""
        return max(2, self.outputs)

    def describe(self) -> str:
        """Say in one line what is done with pixels and outputs, and why."""
        low, high = self.input.pixel_range
        pixels = f"pixels are scaled to {low:g}…{high:g}, as {self.range_reason}"
        return f"{pixels}; {_OUTPUTS[self.output]}, as {self.output_reason}"


_OUTPUTS = {
    "probabilities": "its outputs are probabilities",
    "logits": "its outputs are logits, to which a softmax is added",
    "log-probabilities": "its outputs are logarithms of probabilities, which are made probabilities",
    "sigmoid": "its output is the probability of the second class",
}
