"""The optimisers by name, each at the learning rate that is set."""

import math
from typing import Any

from fashion_api.training.backend import KerasOptimizer, keras
from fashion_api.training.recipe import Recipe

MOMENTUM = 0.9
_WARMUP_SHARE = 0.1
_WARMUP_START = 0.04


def build_optimizer(recipe: Recipe, *, images: int) -> KerasOptimizer:
    """Build the recipe's optimiser, its learning rate following the recipe's schedule over `images` an epoch."""
    rate = _schedule_learning_rate(recipe, images=images)
    builders = {
        "adam": lambda: keras.optimizers.Adam(rate),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=MOMENTUM),
        "nesterov": lambda: keras.optimizers.SGD(rate, momentum=MOMENTUM, nesterov=True),
        "rmsprop": lambda: keras.optimizers.RMSprop(rate),
        "adagrad": lambda: keras.optimizers.Adagrad(rate),
        "adadelta": lambda: keras.optimizers.Adadelta(rate),
    }
    return builders[recipe.optimizer]()


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
