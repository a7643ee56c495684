"""What a Keras network takes and gives: read from its shapes, its layers, and what is declared of it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fashion_api.errors import ModelError
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.pixel_range import find_pixel_range
from fashion_api.inference.signature import DeclaredSignature, Layout, Signature

TUTORIAL_SIZE = (28, 28)
"""Height and width of an image where neither the network nor anything else says them."""
IMAGE_SIZE = ("image_height", "image_width")
"""The settings of an image's size."""
_TUTORIAL_RANGE = (0.0, 1.0)
_COLOURS = (1, 3)
_COLOUR_NAMES = {1: "grey images (1 channel)", 3: "images in colour (3 channels)"}
_TRANSPARENT = ("Activation", "ActivityRegularization", "Dropout", "Flatten", "Identity", "Reshape")
"""Layers that change no value; an `Activation` only where it is linear."""
_ACTIVATION_LAYERS = ("ELU", "LeakyReLU", "PReLU", "ReLU")
"""Layers that are an activation, beside `Activation` and `Softmax`."""
_ACTIVATION_KINDS = {"softmax": "probabilities", "log_softmax": "log-probabilities"}
_BOUNDED = ("softmax", "sigmoid")
"""Activations whose outputs are no logits."""
_FORMS = (
    "(height, width) or (height, width, 1) for grey images, (height, width, 3) for colour, either with the channels "
    "first, or as many numbers in another shape"
)

Probe = Callable[[InputSpec, Layout], npt.NDArray[np.float32]]
"""Gives the first output of a network for some images."""


def interpret(network: Any, declared: DeclaredSignature, probe: Probe) -> Signature:  # noqa: ANN401  # Keras ships no types
    """Find out what a network takes and gives.

    Args:
        network: the Keras model.
        declared: what is known of it, which wins where the network leaves a choice.
        probe: computes the network, which is done only where its last layer does not say what its outputs are.

    Raises:
        ModelError: it is no classifier of images, contradicts what is declared, or does not tell what its outputs are.
    """
    inputs = network.inputs
    if len(inputs) != 1:
        raise ModelError(f"it has {len(inputs)} inputs, not one image")
    form = _find_form(tuple(inputs[0].shape[1:]), declared)
    outputs, has_novelty = _count_outputs(network)
    pixel_range, range_reason, warnings = _choose_range(network, declared)
    if form.is_assumed:
        warning = (
            f"its input leaves sizes open, so that it is given {form.height}×{form.width} pixels, as "
            f"{_COLOUR_NAMES[form.channels]}: where it was trained with others, set "
            f"{declared.name_source(*IMAGE_SIZE, 'channels')}"
        )
        warnings = (warning, *warnings)
    spec = InputSpec(height=form.height, width=form.width, channels=form.channels, pixel_range=pixel_range)
    output, output_reason = _choose_output(
        declared, _find_last_activation(network.outputs[0]), outputs, lambda: probe(spec, form.layout)
    )
    return Signature(
        input=spec,
        layout=form.layout,
        range_reason=range_reason,
        outputs=outputs,
        output=output,
        output_reason=output_reason,
        has_novelty=has_novelty,
        warnings=warnings,
    )


@dataclass(frozen=True)
class _Form:
    """One way to see an image in an input."""

    height: int
    width: int
    channels: int
    layout: Layout
    is_assumed: bool
    """Whether a size is the tutorials', as neither the network nor anything else says it."""


def _find_form(sizes: tuple[int | None, ...], declared: DeclaredSignature) -> _Form:
    """Choose the first way to see an image in an input's sizes that contradicts nothing that is declared."""
    forms = list(_list_forms(sizes, declared))
    fitting = [form for form in forms if not _find_contradiction(form, declared)]
    if fitting:
        return fitting[0]
    if forms:
        raise ModelError(_find_contradiction(forms[0], declared))
    height, width, channels = _complete(declared)
    sources = declared.name_source(*IMAGE_SIZE, "channels")
    raise ModelError(
        f"its input is {(None, *sizes)!s:.100}, which is no image of {height}×{width}×{channels} numbers: "
        f"correct {sources}. Served are {_FORMS}"
    )


def _list_forms(sizes: tuple[int | None, ...], declared: DeclaredSignature) -> Iterator[_Form]:
    match sizes:
        case (height, width, channels) if channels in (*_COLOURS, None) and 1 not in (height, width):
            yield _fill(height, width, channels, "image", declared=declared)
    match sizes:
        case (1 | 3 as channels, height, width) if 1 not in (height, width):
            yield _fill(height, width, channels, "channels-first", declared=declared)
        case (height, width) if 1 not in sizes and width not in _COLOURS:  # (pixels, 3) is a row of colours
            yield _fill(height, width, 1, "image", declared=declared)
    numbers = math.prod(size or 0 for size in sizes)
    height, width, channels = _complete(declared)
    for colours in (channels,) if declared.channels else _COLOURS:
        if numbers == height * width * colours or sizes == (None,):
            is_assumed = sizes == (None,) and None in (declared.height, declared.width)
            yield _Form(height, width, colours, "row", is_assumed)


def _fill(
    height: int | None, width: int | None, channels: int | None, layout: Layout, *, declared: DeclaredSignature
) -> _Form:
    """Give a form whose open sizes are those that are declared or, without one, the tutorials'."""
    sizes, said = (height, width, channels), (declared.height, declared.width, declared.channels)
    is_assumed = (None, None) in zip(sizes, said, strict=True)
    defaults = _complete(declared)
    return _Form(height or defaults[0], width or defaults[1], channels or defaults[2], layout, is_assumed)


def _complete(declared: DeclaredSignature) -> tuple[int, int, int]:
    return declared.height or TUTORIAL_SIZE[0], declared.width or TUTORIAL_SIZE[1], declared.channels or 1


def _find_contradiction(form: _Form, declared: DeclaredSignature) -> str:
    """Say in what a form is not as declared; empty where it is."""
    height, width = declared.height or form.height, declared.width or form.width
    if (height, width) != (form.height, form.width):
        return (
            f"it takes images of {form.height}×{form.width} pixels, not of {height}×{width}: correct "
            f"{declared.name_source(*IMAGE_SIZE)}"
        )
    if declared.channels not in (None, form.channels):
        return (
            f"it takes {_COLOUR_NAMES[form.channels]}, not {_COLOUR_NAMES[declared.channels]}: correct "
            f"{declared.name_source('channels')}"
        )
    return ""


def _choose_range(
    network: Any,  # noqa: ANN401  # Keras ships no types
    declared: DeclaredSignature,
) -> tuple[tuple[float, float], str, tuple[str, ...]]:
    """Give the range of the pixels, what tells it, and warnings."""
    found = find_pixel_range(network)
    if declared.pixel_range is not None:
        source = "its manifest says" if declared.manifest else f"{declared.name_source('pixel_range')} says"
        if found is None or found[0] == declared.pixel_range:
            return declared.pixel_range, source, ()
        return (
            declared.pixel_range,
            source,
            (f"{source} pixels of {_show(declared.pixel_range)}, but {_show(found[0])} would be right: {found[1]}",),
        )
    if found is not None:
        return *found, ()
    warning = (
        "none of its first layers scales pixels, so that they are given as 0–1: where it was trained with others, set "
        "FASHION_PIXEL_RANGE, to 0,255 or -1,1 for example"
    )
    return _TUTORIAL_RANGE, "nothing else is known", (warning,)


def _show(pixel_range: tuple[float, float]) -> str:
    return "{:g}…{:g}".format(*pixel_range)


def _count_outputs(network: Any) -> tuple[int, bool]:  # noqa: ANN401  # Keras ships no types
    """Give how many numbers the first output has, and whether there is a second, the novelty.

    Raises:
        ModelError: there are more outputs, or the first is not one number for each class.
    """
    shapes = [tuple(output.shape[1:]) for output in network.outputs]
    if len(shapes) > 2 or any(shape != (1,) for shape in shapes[1:]):  # noqa: PLR2004  # classes, and a novelty
        raise ModelError(
            f"it has {len(shapes)} outputs, {', '.join(str((None, *shape)) for shape in shapes):.100}: one with the "
            "classes and, behind it, one number with the novelty can be served; save the classes as a model of their "
            "own, by keras.Model(model.inputs, model.outputs[0]).save(…) where they come first"
        )
    *places, classes = shapes[0] or (None,)
    if classes is None or any(size != 1 for size in places):
        raise ModelError(f"its output is {(None, *shapes[0])!s:.100}, not one number for each class")
    return classes, len(shapes) > 1


def _find_last_activation(tensor: Any) -> str:  # noqa: ANN401  # Keras ships no types
    """Name the activation that an output comes from; `linear` where there is none.

    Where a layer computes something else of activations, as the mean of two, it is named too.
    """
    last, found, seen, waiting = "", set(), set(), [tensor]
    while waiting:
        tensor = waiting.pop()
        operation, _, index = history = tensor._keras_history  # noqa: SLF001  # Keras has no public way to it
        if hasattr(operation, "layers"):
            waiting.append(operation.outputs[index])
            continue
        kind, name = type(operation).__name__, _name_activation(operation)
        node = operation._inbound_nodes[history.node_index]  # noqa: SLF001  # the same
        if name is not None and (kind not in _TRANSPARENT or name != "linear"):
            found.add(name)
        elif id(node) not in seen:
            seen.add(id(node))
            waiting.extend(node.input_tensors)
            last = last or (kind if kind not in _TRANSPARENT else "")
    names = " and ".join(sorted(found - {"linear"})) or "linear"
    return f"{names}, through {last}" if last and names != "linear" else names


def _name_activation(operation: Any) -> str | None:  # noqa: ANN401  # Keras ships no types
    """Name the activation of a layer; `None` where it has none."""
    kind, activation = type(operation).__name__, getattr(operation, "activation", None)
    if kind == "Softmax" or kind in _ACTIVATION_LAYERS:
        return kind.lower()
    return None if activation is None else getattr(activation, "__name__", type(activation).__name__)


def _choose_output(
    declared: DeclaredSignature, activation: str, outputs: int, probe: Callable[[], npt.NDArray[np.float32]]
) -> tuple[Any, str]:
    """Give what the outputs are, and what tells it.

    Raises:
        ModelError: neither the network nor its manifest tells.
    """
    if declared.output is not None:
        _check_declared_output(declared.output, activation, outputs, path=declared.manifest)
        return declared.output, "its manifest says"
    if outputs == 1:
        if activation == "sigmoid":
            return "sigmoid", "its last layer is a sigmoid of one output"
        way_out = 'where it is the logit of the second class, write "output": "logits" into its manifest'
        raise ModelError(
            f"its one output comes from {_name(activation)}, which tells no two classes apart: "
            f"{way_out if activation == 'linear' else 'end it in a sigmoid'}"
        )
    if activation in _ACTIVATION_KINDS:
        return _ACTIVATION_KINDS[activation], f"its last layer is a {activation}"
    if _is_distribution(probe()):
        return "probabilities", "those of some images add up to 1"
    if activation == "linear":
        return "logits", "its last layer is linear"
    if activation == "sigmoid":
        raise ModelError(
            f"each of its {outputs} outputs is a sigmoid of its own, so that an image may show several classes or "
            "none, which is not served: end it in a softmax"
        )
    way_out = (
        "" if activation.startswith(_BOUNDED) else ', or write what they are into its manifest, as "output": "logits"'
    )
    raise ModelError(
        f"its outputs are not probabilities: they come from {_name(activation)}; end it in a softmax{way_out}"
    )


def _check_declared_output(output: str, activation: str, outputs: int, *, path: str | None) -> None:
    """Check that a manifest does not contradict the end of the network."""
    if output == "sigmoid" and outputs > 1:
        raise ModelError(f"it has {outputs} outputs, but {path} says that it ends in one sigmoid")
    if output in _ACTIVATION_KINDS.values() and outputs == 1:
        raise ModelError(f"it has one output, but {path} says that its outputs are {output}")
    if output.startswith("log") and activation in _BOUNDED:
        raise ModelError(f"it ends in a {activation}, but {path} says that it gives {output}")


def _name(activation: str) -> str:
    return "a linear layer" if activation == "linear" else f"the activation {activation:.60}"


def _is_distribution(outputs: npt.NDArray[np.float32]) -> bool:
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(axis=-1), 1, atol=1e-3))


def find_shape(signature_input: InputSpec, layout: Layout, sizes: Sequence[int | None]) -> tuple[int, ...]:
    """Give the shape that one image has in a network's input of these sizes."""
    if layout == "row":
        return tuple(size if size is not None else math.prod(signature_input.shape) for size in sizes)
    plane = signature_input.size if len(sizes) == 2 else (*signature_input.size, signature_input.channels)  # noqa: PLR2004  # without channels
    return (signature_input.channels, *signature_input.size) if layout == "channels-first" else plane
