"""One training run: epoch after epoch, each of them reproducible, so that a resumed run is the same run."""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fashion_api.exceptions import TrainingError
from fashion_api.training.architectures import build_model
from fashion_api.training.augmentation import augment
from fashion_api.training.backend import Model, keras, tf
from fashion_api.training.checkpoint import Checkpoint, Epoch
from fashion_api.training.optimizers import build_optimizer
from fashion_api.training.recipe import Recipe
from fashion_api.training.validation import TrainingData

logger = logging.getLogger(__name__)

_VALIDATION_BATCH_SIZE = 500


@dataclass(frozen=True)
class Run:
    """A recipe, data and a seed; from the same three comes the same model, on the same machine and libraries."""

    recipe: Recipe
    data: TrainingData
    shape: tuple[int, int]
    """Height and width of an image."""
    classes: int
    seed: int
    precision: str
    checkpoint_path: Path

    def train(self, start: Checkpoint) -> tuple[Checkpoint, bool]:
        """Train from `start`, writing a checkpoint after every epoch, until the recipe's last epoch or Ctrl-C.

        Returns:
            The state after the last whole epoch, and whether Ctrl-C ended it.

        Raises:
            TrainingError: there was no whole epoch with a finite loss.
        """
        state, is_interrupted = start, False
        try:
            model = self._prepare(start)
            for index in range(len(start.history), self.recipe.epochs):
                epoch = self._train_epoch(model, index)
                if not math.isfinite(epoch.loss):
                    logger.warning("epoch %d: the loss is no longer finite; training ends here", index + 1)
                    break
                state = _advance(state, epoch, model)
                state.write(self.checkpoint_path)
                self._log(state)
        except KeyboardInterrupt:
            is_interrupted = True
            logger.warning("interrupted: training ends with the best epoch so far")
        if not state.history:
            reason = "was interrupted" if is_interrupted else "diverged (a lower learning rate may help)"
            raise TrainingError(f"training {reason} before its first epoch was done; nothing was kept")
        return state, is_interrupted

    def build_best(self, state: Checkpoint) -> Model:
        """Build the model of the best epoch, in float32 whatever it was trained in."""
        model = build_model(self.recipe, shape=self.shape, classes=self.classes, precision="float32")
        model.set_weights(state.best_weights)
        return model

    def _prepare(self, start: Checkpoint) -> Model:
        keras.utils.set_random_seed(self.seed)
        tf.config.experimental.enable_op_determinism()
        model = build_model(self.recipe, shape=self.shape, classes=self.classes, precision=self.precision)
        optimizer = build_optimizer(self.recipe, images=len(self.data.images))
        model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        optimizer.build(model.trainable_variables)
        if start.history:
            _assign(model.variables, start.variables)
            _assign(optimizer.variables, start.optimizer_variables)
        return model

    def _train_epoch(self, model: Model, index: int) -> Epoch:
        started = time.perf_counter()
        rng = np.random.default_rng((self.seed, index))
        order = rng.permutation(len(self.data.images))
        images = augment(self.data.images[order], self.recipe.augmentation, rng)
        steps = math.ceil(len(order) / self.recipe.batch_size)
        with tqdm(
            total=steps, desc=f"epoch {index + 1}/{self.recipe.epochs}", unit="batch", leave=False, disable=None
        ) as progress:
            fitted = model.fit(
                images[..., np.newaxis],
                self.data.labels[order],
                batch_size=self.recipe.batch_size,
                shuffle=False,  # done above
                verbose=0,
                callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=_report_to(progress))],
            ).history
        validation_loss, validation_accuracy = model.evaluate(
            self.data.validation_images[..., np.newaxis],
            self.data.validation_labels,
            batch_size=_VALIDATION_BATCH_SIZE,
            verbose=0,
        )
        return Epoch(
            loss=fitted["loss"][0],
            accuracy=fitted["accuracy"][0],
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            duration_s=time.perf_counter() - started,
        )

    def _log(self, state: Checkpoint) -> None:
        number, epoch = len(state.history), state.history[-1]
        logger.info(
            "epoch %d/%d: loss %.4f, accuracy %.4f; validation: loss %.4f, accuracy %.4f%s; %.0f s",
            number,
            self.recipe.epochs,
            epoch.loss,
            epoch.accuracy,
            epoch.validation_loss,
            epoch.validation_accuracy,
            " (best)" if state.best_index == number - 1 else "",
            epoch.duration_s,
        )


def _report_to(progress: Any) -> Any:  # noqa: ANN401  # a tqdm bar; a Keras callback
    def report(_: int, logs: Mapping[str, float]) -> None:
        progress.set_postfix(loss=f"{logs['loss']:.3f}", accuracy=f"{logs['accuracy']:.3f}", refresh=False)
        progress.update()

    return report


def _advance(state: Checkpoint, epoch: Epoch, model: Model) -> Checkpoint:
    after = replace(
        state,
        history=(*state.history, epoch),
        variables=tuple(variable.numpy() for variable in model.variables),
        optimizer_variables=tuple(variable.numpy() for variable in model.optimizer.variables),
    )
    if after.best_index < len(state.history):
        return after
    return replace(after, best_weights=tuple(model.get_weights()))


def _assign(variables: Any, values: Any) -> None:  # noqa: ANN401  # of Keras; arrays
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
