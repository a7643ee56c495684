from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from fashion_api.settings import Optimizer
from fashion_api.training.backend import KerasOptimizer, keras
from fashion_api.training.optimizers import build_optimizer
from fashion_api.training.recipe import RECIPES, Recipe

OPTIMIZERS = get_args(Optimizer)


def recipe_with(optimizer: Optimizer, learning_rate: float) -> Recipe:
    return replace(RECIPES["tutorial"], optimizer=optimizer, learning_rate=learning_rate)


def move(optimizer: KerasOptimizer, *, steps: int = 1) -> float:
    """How far an optimiser moves a weight of 0 along a gradient of 1."""
    weight = keras.Variable(np.zeros(1, np.float32))
    for _ in range(steps):
        optimizer.apply([np.ones(1, np.float32)], [weight])
    return -float(weight.numpy()[0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_learning_rate_is_the_one_set(name: Optimizer) -> None:
    """Each optimiser has the learning rate that was set."""
    assert float(build_optimizer(recipe_with(name, 0.0123), images=100).learning_rate) == pytest.approx(0.0123)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_step_is_proportional_to_learning_rate(name: Optimizer) -> None:
    """Each optimiser moves twice as far at twice the learning rate."""
    near, far = (move(build_optimizer(recipe_with(name, rate), images=100)) for rate in (0.01, 0.02))

    assert far == pytest.approx(2 * near, rel=1e-4)


def test_sgd_has_momentum() -> None:
    """The second step of SGD is 1.9 times its first."""
    assert move(build_optimizer(recipe_with("sgd", 0.1), images=100), steps=2) == pytest.approx(0.1 * (1 + 1.9))


def test_nesterov_looks_ahead() -> None:
    """The first step of Nesterov's momentum is 1.9 times that of plain SGD."""
    assert move(build_optimizer(recipe_with("nesterov", 0.1), images=100)) == pytest.approx(0.1 * 1.9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_cosine_peaks_at_the_rate_set(name: Optimizer) -> None:
    """On a schedule, the learning rate that was set is the highest that is used."""
    recipe = replace(recipe_with(name, 0.0123), schedule="cosine", epochs=5, batch_size=10)
    optimizer = build_optimizer(recipe, images=100)
    rates = []
    for step in range(50):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))

    assert max(rates) == pytest.approx(0.0123)


def test_cosine_ends_near_zero_at_the_last_step() -> None:
    """The schedule comes down by the last step of the last epoch, and not before."""
    recipe = replace(recipe_with("sgd", 1.0), schedule="cosine", epochs=5, batch_size=10)
    optimizer = build_optimizer(recipe, images=95)
    optimizer.iterations.assign(49)

    assert 0 < float(optimizer.learning_rate) < 0.01
