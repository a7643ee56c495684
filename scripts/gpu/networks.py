"""The residual networks of the recipes in PyTorch, and their weights by the names and in the layout of Keras."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

Weights = Mapping[str, npt.NDArray[np.float32]]
"""By `LAYER/WEIGHT` of the Keras model."""

# Channels and blocks of each stage, as in `fashion_api.training.recipes`, which needs packages of the project's own.
SHAPES: Mapping[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "standard": ((32, 64), (2, 2)),
    "compact": ((24, 64), (1, 1)),
    "teacher": ((64, 128), (2, 2)),
}
CLASSES = 10
_HIDDEN, _STEM = 128, 5
_EPSILON, _MOMENTUM = 1e-5, 0.1  # Keras's momentum of 0.9, as PyTorch counts it
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


class Residual(nn.Module):
    """A residual network from float[n, 1, 28, 28] in 0–1 to logits, float[n, 10], and novelty logits, float[n]."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        self.plan: list[tuple[str, int]] = []
        self._add_convolution("stem", 1, widths[0], _STEM)
        before = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for block in range(count):
                name, strides = f"block_{stage + 1}_{block + 1}", 2 if stage and not block else 1
                self._add_convolution(f"{name}a", before, width, 3, strides)
                self._add_convolution(f"{name}b", width, width, 3)
                nn.init.zeros_(self.layers[f"{name}b_norm"].weight)
                if before != width:
                    self._add_convolution(f"{name}_shortcut", before, width, 1)
                self.plan.append((name, strides))
                before = width
        self.layers["hidden"] = nn.Linear(7 * 7 * before, _HIDDEN, bias=False)
        nn.init.kaiming_normal_(self.layers["hidden"].weight, nonlinearity="relu")
        self.layers["hidden_norm"] = nn.BatchNorm1d(_HIDDEN, eps=_EPSILON, momentum=_MOMENTUM)
        for name, units in (("logits", CLASSES), ("novelty_logit", 1)):
            self.layers[name] = nn.Linear(_HIDDEN, units)
            nn.init.xavier_uniform_(self.layers[name].weight)
            nn.init.zeros_(self.layers[name].bias)

    def _add_convolution(self, name: str, into: int, out: int, size: int, strides: int = 1) -> None:
        padding = 0 if strides > 1 else size // 2
        convolution = nn.Conv2d(into, out, size, strides, padding=padding, bias=False)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_in", nonlinearity="relu")
        self.layers[name] = convolution
        self.layers[f"{name}_norm"] = nn.BatchNorm2d(out, eps=_EPSILON, momentum=_MOMENTUM)

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        return self.layers[f"{name}_norm"](self.layers[name](x))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute both outputs."""
        x = functional.relu(self.layers["stem_norm"](functional.max_pool2d(self.layers["stem"](x), 2)))
        for name, strides in self.plan:
            y = functional.pad(x, (0, 1, 0, 1)) if strides > 1 else x  # TensorFlow pads 14 rows after the last one only
            y = self._convolve(f"{name}b", functional.relu(self._convolve(f"{name}a", y)))
            if strides > 1:
                x = functional.avg_pool2d(x, strides)
            if f"{name}_shortcut" in self.layers:
                x = self._convolve(f"{name}_shortcut", x)
            x = functional.relu(x + y)
        features = x.permute(0, 2, 3, 1).flatten(1)  # Keras flattens height, width, channel
        features = functional.relu(self._convolve("hidden", features))
        return self.layers["logits"](features), self.layers["novelty_logit"](features)[:, 0]


def build_network(recipe: str) -> Residual:
    """Build the network of a recipe, with fresh weights."""
    return Residual(*SHAPES[recipe])


def export_weights(network: Residual) -> dict[str, npt.NDArray[np.float32]]:
    """Give the weights by their names and in their layout in Keras."""
    weights = {}
    for name, layer in network.layers.items():
        if isinstance(layer, nn.Conv2d):
            weights[f"{name}/kernel"] = layer.weight.permute(2, 3, 1, 0)
        elif isinstance(layer, nn.Linear):
            weights[f"{name}/kernel"] = layer.weight.T
            if layer.bias is not None:
                weights[f"{name}/bias"] = layer.bias
        else:
            weights |= {f"{name}/{theirs}": getattr(layer, ours) for theirs, ours in _NORM.items()}
    return {name: weight.detach().float().cpu().contiguous().numpy() for name, weight in weights.items()}


@torch.no_grad()
def import_weights(network: Residual, weights: Weights) -> None:
    """Set the weights to those of `export_weights`."""
    for name, layer in network.layers.items():
        if isinstance(layer, nn.Conv2d):
            layer.weight.copy_(torch.from_numpy(weights[f"{name}/kernel"]).permute(3, 2, 0, 1))
        elif isinstance(layer, nn.Linear):
            layer.weight.copy_(torch.from_numpy(weights[f"{name}/kernel"]).T)
            if layer.bias is not None:
                layer.bias.copy_(torch.from_numpy(weights[f"{name}/bias"]))
        else:
            for theirs, ours in _NORM.items():
                getattr(layer, ours).copy_(torch.from_numpy(weights[f"{name}/{theirs}"]))
