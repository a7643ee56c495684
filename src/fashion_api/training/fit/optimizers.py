"""The optimisers, by name."""

import math
from typing import TYPE_CHECKING, Any

from fashion_api.training.network.backend import KerasOptimizer, keras
from fashion_api.training.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

MOMENTUM = 0.9
_ADAM_RATE_RATIO = 0.5  # for what AdamW updates beside Muon: normalisation, biases and the last layers
_WARMUP_SHARE = 0.1
_WARMUP_START = 0.04


class Muon(keras.optimizers.Muon):  # type: ignore[misc]  # Keras ships no types
    """Keras's Muon, applied to convolutions too, as matrices of height × width × input channels by output channels.

    (K. Jordan et al., https://kellerjordan.github.io/posts/muon/; Keras itself updates convolutions by AdamW.)
    """

    def _should_use_adamw(self, variable: Any) -> bool:  # noqa: ANN401  # a Keras variable
        is_kernel = variable.path.endswith("/kernel") and variable.shape[-1] > 1
        return not is_kernel or any(name in variable.path for name in self.exclude_layers)

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:  # noqa: ANN401  # tensors
        self.assign_add(m, gradient + m * (self.momentum - 1))
        matrix = keras.ops.reshape(gradient + self.momentum * m, (-1, variable.shape[-1]))
        update = self.lr_adjust(lr * self.zeropower_via_newtonschulz5(matrix, self.ns_steps))
        self.assign_sub(variable, keras.ops.reshape(update, variable.shape))


def build_optimizer(recipe: Recipe, *, images: int) -> KerasOptimizer:
    """Build the recipe's optimiser, with its learning-rate schedule for epochs of `images` images."""
    rate = _schedule_learning_rate(recipe, images=images)
    decay = {"weight_decay": recipe.weight_decay or None}
    builders: dict[str, Callable[[], KerasOptimizer]] = {
        "adam": lambda: keras.optimizers.Adam(rate, **decay),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=MOMENTUM, **decay),
        "nesterov": lambda: keras.optimizers.SGD(rate, momentum=MOMENTUM, nesterov=True, **decay),
        "rmsprop": lambda: keras.optimizers.RMSprop(rate, **decay),
        "adagrad": lambda: keras.optimizers.Adagrad(rate, **decay),
        "muon": lambda: Muon(
            rate,
            weight_decay=recipe.weight_decay,
            adam_weight_decay=0.0,
            adam_lr_ratio=_ADAM_RATE_RATIO,
            exclude_layers=["logits", "novelty_logit"],
        ),
        "adadelta": lambda: keras.optimizers.Adadelta(rate, **decay),
    }
    optimizer = builders[recipe.optimizer]()
    if recipe.weight_decay and recipe.optimizer != "muon":
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _schedule_learning_rate(recipe: Recipe, *, images: int) -> Any:  # noqa: ANN401  # a number, or a Keras schedule
    if recipe.schedule == "constant":
        return recipe.learning_rate
    steps = recipe.epochs * math.ceil(images / recipe.batch_size)
    warmup_steps = max(1, round(steps * _WARMUP_SHARE))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate * _WARMUP_START,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(1, steps - warmup_steps),
    )
