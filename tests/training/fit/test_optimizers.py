from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from fashion_api.settings import Optimizer
from fashion_api.training.fit.optimizers import build_optimizer
from fashion_api.training.network.backend import KerasOptimizer, keras
from fashion_api.training.recipes import RECIPES, Recipe

pytestmark = pytest.mark.tensorflow

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
    """Each optimiser has the learning rate of the recipe."""
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
    """The highest learning rate of a schedule is the recipe's."""
    recipe = replace(recipe_with(name, 0.0123), schedule="cosine", epochs=5, batch_size=10)
    optimizer = build_optimizer(recipe, images=100)
    rates = []
    for step in range(50):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))

    assert max(rates) == pytest.approx(0.0123)


def test_cosine_ends_near_zero_at_the_last_step() -> None:
    """The schedule ends at the last step of the last epoch."""
    recipe = replace(recipe_with("sgd", 1.0), schedule="cosine", epochs=5, batch_size=10)
    optimizer = build_optimizer(recipe, images=95)
    optimizer.iterations.assign(49)

    assert 0 < float(optimizer.learning_rate) < 0.01


def test_weight_decay_spares_biases_and_normalisation() -> None:
    """With gradients of 0, a step shrinks the kernels by the rate times the decay, and nothing else."""
    recipe = replace(RECIPES["small"], optimizer="sgd", schedule="constant", learning_rate=0.5, weight_decay=0.1)
    variables = [keras.Variable(np.ones(1, np.float32), name=name) for name in ("kernel", "bias", "gamma", "beta")]
    optimizer = build_optimizer(recipe, images=100)
    optimizer.apply([np.zeros(1, np.float32)] * 4, variables)

    assert [float(variable.numpy()[0]) for variable in variables] == pytest.approx([0.95, 1, 1, 1])


def make_layer_variables() -> dict[str, Any]:
    """The weights of a convolution, of a normalisation and of a last layer, by their ends of names."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(8, 3, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="logits"),
        ]
    )
    return {"/".join(variable.path.split("/")[-2:]): variable for variable in model.trainable_variables}


def test_muon_moves_a_convolution_by_an_orthogonal_matrix() -> None:
    """The step of a convolution's kernel, as a matrix, has singular values that are all nearly the same."""
    optimizer = build_optimizer(replace(RECIPES["compact"], schedule="constant", weight_decay=0.0), images=100)
    kernel = make_layer_variables()["conv/kernel"]
    before = kernel.numpy().copy()
    gradient = np.random.default_rng(0).normal(size=before.shape).astype(np.float32) * np.geomspace(1, 100, 8)

    optimizer.apply([gradient.astype(np.float32)], [kernel])

    values = np.linalg.svd((kernel.numpy() - before).reshape(-1, 8), compute_uv=False)
    assert values.max() < 2 * values.min()


@pytest.mark.parametrize("name", ["norm/gamma", "norm/beta", "conv/bias", "logits/kernel", "logits/bias"])
def test_muon_leaves_the_rest_to_adamw(name: str) -> None:
    """Biases, normalisation and the last layers move as by Adam: by half the rate, whatever their gradient."""
    optimizer = build_optimizer(replace(RECIPES["compact"], schedule="constant", learning_rate=0.1), images=100)
    variable = make_layer_variables()[name]
    before = variable.numpy().copy()

    optimizer.apply([np.full(before.shape, 7, np.float32)], [variable])

    np.testing.assert_allclose(before - variable.numpy(), 0.05, rtol=1e-3)
