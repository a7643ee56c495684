"""Accuracy against cost: what models of several sizes, and their 8-bit forms, gain and lose.

    python -m benchmarks.model_costs models/fashion_mnist.h5 models/compact.h5 …

Writes accuracy_and_cost.md and accuracy_and_cost.png in docs/explanation/. Every model needs a manifest with its
training, which says what it was validated on; those with an evaluation are on the plot. Run by hand, on a machine that
does nothing else.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.machine import describe
from fashion_api.data.dataset import DataSource
from fashion_api.errors import FashionError, ModelError
from fashion_api.files import write_atomically
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.compiled_cache import compile_cached
from fashion_api.inference.evaluation_record import EvaluationRecord
from fashion_api.inference.keras_engine import load_keras_model
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.model_file import read_model_file
from fashion_api.inference.multiply_adds import count_multiply_adds
from fashion_api.inference.onnx_engine import OnnxClassifier
from fashion_api.settings import Settings, load_settings
from fashion_api.training.classification import classify_all
from fashion_api.training.evaluate.cost import compile_tutorial
from fashion_api.training.evaluate.timing import time_in_turns
from fashion_api.training.report.markdown import percent, table
from fashion_api.training.validation import TrainingData, load_training_data

_TABLE = Path("docs/explanation/accuracy_and_cost.md")
_PLOT = _TABLE.with_suffix(".png")
_CALIBRATION_IMAGES = 512  # training images that the ranges of the 8-bit activations are taken from
_TOLERATED_LOSS = 0.001  # of the validation accuracy, for an 8-bit form that is said to hold it
_QUANTISED = ("Conv", "MatMul", "Gemm", "Add", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool")
_FLOAT_COLOUR, _EIGHT_BIT_COLOUR = "#1f6fb4", "#d1671b"


@dataclass(frozen=True)
class Candidate:
    """A model in both of its forms."""

    name: str
    parameters: int
    multiply_adds: int
    evaluation: EvaluationRecord | None
    forms: tuple[Classifier, Classifier]
    """In 32-bit floating point, and with weights and activations in 8 bits."""
    validation_accuracies: tuple[float, float]
    """Of each form."""

    @property
    def loss(self) -> float:
        """What the 8-bit form loses of the validation accuracy."""
        return self.validation_accuracies[0] - self.validation_accuracies[1]

    @property
    def holds(self) -> bool:
        """Whether the 8-bit form holds the accuracy."""
        return self.loss <= _TOLERATED_LOSS


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    """Hands out training images for the calibration of the quantisation."""

    def __init__(self, name: str, images: Images) -> None:
        self._batches: Iterator[dict[str, Images]] = ({name: images[at : at + 32]} for at in range(0, len(images), 32))

    def get_next(self) -> dict[str, Images] | None:
        """Give the next batch; `None` after the last."""
        return next(self._batches, None)


def quantise(compiled: bytes, images: Images) -> bytes:
    """Give the 8-bit form of a compiled model: static, weights by channel, in QDQ format.

    Args:
        compiled: the ONNX graph.
        images: uint8[n, height, width], which the ranges of the activations are taken from.
    """
    with tempfile.TemporaryDirectory(prefix="fashion-api-") as folder:
        plain, prepared, quantised = (Path(folder, f"{name}.onnx") for name in ("plain", "prepared", "quantised"))
        plain.write_bytes(compiled)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            _Reader("images", images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(_QUANTISED),
        )
        return quantised.read_bytes()


def prepare(path: Path, settings: Settings) -> Candidate:
    """Load a model in both forms, and measure them on the validation images.

    Raises:
        FashionError: it cannot be loaded, or nothing says what it was validated on.
    """
    file = read_model_file(settings.model_copy(update={"model_path": path}))
    if file.manifest is None:
        raise ModelError(f"{path} has no manifest that says what it was validated on")
    manifest = file.manifest
    source = DataSource.from_settings(settings, labels=manifest.labels, shape=manifest.input.size)
    data = load_training_data(manifest, source)
    if data is None:
        raise ModelError(f"{path} has no manifest that says what it was validated on")
    network = load_keras_model(file.content)
    compiled = compile_cached(file, settings.cache_dir)
    chosen = np.random.default_rng(0).permutation(len(data.images))[:_CALIBRATION_IMAGES]
    first, second = (OnnxClassifier(form, threads=1) for form in (compiled, quantise(compiled, data.images[chosen])))
    return Candidate(
        name=path.stem,
        parameters=network.count_params(),
        multiply_adds=count_multiply_adds(network),
        evaluation=manifest.evaluation,
        forms=(first, second),
        validation_accuracies=(_measure_accuracy(first, data), _measure_accuracy(second, data)),
    )


def _measure_accuracy(classifier: Classifier, data: TrainingData) -> float:
    answers = classify_all(classifier, data.validation_images)
    return float((answers.class_ids == data.validation_labels).mean())


def time_all(candidates: Sequence[Candidate], spec: InputSpec, classes: int) -> list[tuple[float, float]]:
    """Time each candidate's two forms, one image on one thread, over the tutorial's network: all in turns."""
    yardstick = OnnxClassifier(compile_tutorial(spec, classes=classes), threads=1)
    flat = [form for candidate in candidates for form in candidate.forms]
    unit, *times = time_in_turns([yardstick, *flat], spec)
    return [(times[at] / unit, times[at + 1] / unit) for at in range(0, len(times), 2)]


def render(candidates: Sequence[Candidate], times: Sequence[tuple[float, float]]) -> str:
    """Write the table as a page of Markdown."""
    columns = (
        "model",
        "weights",
        "multiply-adds",
        "test accuracy",
        "validation accuracy",
        "time",
        "8-bit: validation accuracy",
        "time",
        "holds",
    )
    rows = [_render_row(candidate, pair) for candidate, pair in zip(candidates, times, strict=True)]
    machine = describe()
    images, loss = _CALIBRATION_IMAGES, 100 * _TOLERATED_LOSS
    return f"""# Accuracy and cost

Written by `python -m benchmarks.model_costs`, on {machine["cores"]} cores of an {machine["processor"]}.

Time is that of one image on one thread of ONNX Runtime, relative to the tutorial's network, with all forms measured in
turns. The 8-bit forms have 8-bit weights and activations (ONNX Runtime's static quantisation, with the ranges from
{images} training images). They are compared with the 32-bit forms on the validation images, because the test images are
reserved for finished models. An 8-bit form *holds* the accuracy if it loses at most {loss:g} percentage points.

{table(columns, rows)}

![Accuracy against time]({_PLOT.name})
"""


def _render_row(candidate: Candidate, times: tuple[float, float]) -> list[str]:
    whole, quantised = candidate.validation_accuracies
    return [
        f"`{candidate.name}`",
        f"{candidate.parameters:,}",
        f"{candidate.multiply_adds:,}",
        "" if candidate.evaluation is None else percent(candidate.evaluation.accuracy),
        percent(whole),
        f"× {times[0]:.2f}",
        percent(quantised),
        f"× {times[1]:.2f}",
        "yes" if candidate.holds else "no",
    ]


def draw(candidates: Sequence[Candidate], times: Sequence[tuple[float, float]]) -> Figure:
    """Draw test accuracy against relative time; the 8-bit forms stand as much lower as they lose in validation."""
    figure = Figure(figsize=(9, 5.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    shown = []
    for candidate, (whole, quantised) in zip(candidates, times, strict=True):
        record = candidate.evaluation
        if record is None:
            continue
        shown.append(candidate)
        accuracy, (low, high) = 100 * record.accuracy, (100 * end for end in record.accuracy_interval)
        moved = accuracy - 100 * candidate.loss
        axes.plot([whole, quantised], [accuracy, moved], color="#bbbbbb", linewidth=1, zorder=1)
        axes.errorbar(
            whole,
            accuracy,
            [[accuracy - low], [high - accuracy]],
            fmt="o",
            color=_FLOAT_COLOUR,
            capsize=3,
            label="32 bits, 95 % interval",
        )
        axes.plot(
            quantised,
            moved,
            "s",
            markerfacecolor=_EIGHT_BIT_COLOUR if candidate.holds else "white",
            markeredgecolor=_EIGHT_BIT_COLOUR,
            label="8 bits, holds the accuracy" if candidate.holds else "8 bits, does not hold the accuracy",
        )
        axes.annotate(candidate.name, (whole, accuracy), (8, -4), textcoords="offset points", va="top", fontsize=9)
    axes.set_title(_describe(shown), loc="left", fontsize=11)
    _finish(axes)
    return figure


def _describe(shown: Sequence[Candidate]) -> str:
    losing = [candidate for candidate in shown if not candidate.holds]
    if not losing:
        return "Every 8-bit form holds the accuracy on the validation images"
    names = ", ".join(candidate.name for candidate in losing)
    most = 100 * max(candidate.loss for candidate in losing)
    return f"8-bit forms lose up to {most:.2f} percentage points on the validation images: {names}"


def _finish(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.margins(x=0.2, y=0.1)
    axes.set(xlabel="Time for one image, over the tutorial's network (log scale)", ylabel="Test accuracy, %")
    axes.grid(alpha=0.25, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    entries = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}  # one of each
    axes.legend(entries.values(), entries.keys(), loc="lower right", framealpha=1, edgecolor="none")


def main() -> int:
    """Measure the models that are named, and write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.h5", help="a model with its manifest")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    settings = load_settings(Settings)
    try:
        candidates = [prepare(path, settings) for path in arguments.models]
    except FashionError as error:
        sys.stderr.write(f"model_costs: {error}\n")
        return 1
    spec = InputSpec(height=settings.image_height, width=settings.image_width)
    times = time_all(candidates, spec, len(settings.class_names))
    write_atomically(_TABLE, render(candidates, times).encode())
    with tempfile.TemporaryDirectory(prefix="fashion-api-") as folder:
        drawn = Path(folder) / "plot.png"
        draw(candidates, times).savefig(drawn)
        write_atomically(_PLOT, drawn.read_bytes())
    sys.stdout.write(f"written: {_TABLE} and {_PLOT}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
