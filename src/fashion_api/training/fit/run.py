"""A training run. Each epoch is reproducible, so that a resumed run ends like one that was never interrupted."""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fashion_api.errors import TrainingError
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier
from fashion_api.training.classification import limit_batch
from fashion_api.training.fit.checkpoint import Checkpoint
from fashion_api.training.fit.distillation import Targets, ask_teachers
from fashion_api.training.fit.observer import Observer
from fashion_api.training.fit.optimizers import build_optimizer
from fashion_api.training.history import Epoch
from fashion_api.training.network.architectures import build_model
from fashion_api.training.network.backend import Model, keras, tf
from fashion_api.training.recipes import Recipe
from fashion_api.training.synthetic.augmentation import Augment, augment
from fashion_api.training.synthetic.nonsense import search
from fashion_api.training.synthetic.outlier_mixture import draw_training_outliers
from fashion_api.training.synthetic.pixels import add_channel
from fashion_api.training.validation import TrainingData

logger = logging.getLogger(__name__)

_VALIDATION_BATCH_SIZE = 500
_NOVELTY_WEIGHT = 0.5  # of the novelty's loss; the weight of the classes' loss is 1
_LEAST_NOVELTY = 1e-6  # 1 - exp(-novelty) is above 0 in float32


@dataclass(frozen=True)
class Run:
    """A recipe, data and a seed; the same three give the same model, on the same machine and libraries."""

    recipe: Recipe
    data: TrainingData
    targets: Targets
    """The target for each of the data's training images, from its label."""
    shape: tuple[int, ...]
    """Height and width of an image, and 3 for one in colour."""
    classes: int
    seed: int
    precision: str
    checkpoint_path: Path
    augment: Augment = augment
    teachers: tuple[Classifier, ...] = ()
    """Their mean answer to an epoch's images is part of the targets."""
    observer: Observer = field(default_factory=Observer)

    def train(self, start: Checkpoint) -> tuple[Checkpoint, bool]:
        """Train from `start` until the recipe's last epoch or Ctrl-C, and write a checkpoint after every epoch.

        Returns:
            The state after the last complete epoch, and whether Ctrl-C ended the run.

        Raises:
            TrainingError: no epoch was completed with a finite loss; after Ctrl-C, the cause is a `KeyboardInterrupt`.
        """
        state, interrupt = start, None
        try:
            model = self._prepare(start)
            for index in range(len(start.history), self.recipe.epochs):
                self.observer.begin_epoch(index + 1)
                epoch = self._train_epoch(model, index)
                if not math.isfinite(epoch.loss):
                    logger.warning("epoch %d: the loss is no longer finite; training ends here", index + 1)
                    break
                state = _advance(state, epoch, model)
                state.write(self.checkpoint_path)
                self._report(state)
        except KeyboardInterrupt as error:
            interrupt = error
        if not state.history:
            reason = "was interrupted" if interrupt else "diverged (a lower learning rate may help)"
            raise TrainingError(f"training {reason} before its first epoch was done; nothing was kept") from interrupt
        if interrupt is not None:
            logger.warning("interrupted: training ends with the best epoch so far")
        return state, interrupt is not None

    def build_best(self, state: Checkpoint) -> Model:
        """Build the model of the best epoch, in float32 whatever the precision of the training."""
        model = build_model(self.recipe, shape=self.shape, classes=self.classes, precision="float32")
        model.set_weights(state.best_weights)
        return model

    def _prepare(self, start: Checkpoint) -> Model:
        keras.utils.set_random_seed(self.seed)
        tf.config.experimental.enable_op_determinism()
        model = build_model(self.recipe, shape=self.shape, classes=self.classes, precision=self.precision)
        optimizer = build_optimizer(self.recipe, images=len(self.data.images) + self._outliers)
        has_novelty = bool(self.recipe.outlier_share)  # for two outputs, Keras takes lists in their order
        model.compile(
            optimizer,
            loss=["categorical_crossentropy", compute_novelty_loss][: 1 + has_novelty],
            loss_weights=[1.0, _NOVELTY_WEIGHT] if has_novelty else None,
            weighted_metrics=[["accuracy"], []] if has_novelty else ["accuracy"],
        )
        optimizer.build(model.trainable_variables)
        if start.history:
            _assign(model.variables, start.variables)
            _assign(optimizer.variables, start.optimizer_variables)
        return model

    @property
    def _outliers(self) -> int:
        """The number of outliers in an epoch."""
        return round(len(self.data.images) * self.recipe.outlier_share)

    def _train_epoch(self, model: Model, index: int) -> Epoch:
        started = time.perf_counter()
        images, targets, is_article = self._draw_epoch(model, np.random.default_rng((self.seed, index)))
        steps = math.ceil(len(images) / self.recipe.batch_size)
        has_novelty = bool(self.recipe.outlier_share)
        self.observer.prepare("training")
        fitted = model.fit(
            _batch(
                add_channel(images),
                (targets, 1 - is_article) if has_novelty else targets,
                (is_article, np.ones_like(is_article)) if has_novelty else is_article,
                size=self.recipe.batch_size,
            ),
            shuffle=False,  # _draw_epoch has shuffled them
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=_report_to(self.observer, steps))],
        ).history
        validation_loss, validation_accuracy = self._validate(model)
        return Epoch(
            loss=fitted["loss"][0],
            accuracy=_find_accuracy(fitted)[0],
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            duration_s=time.perf_counter() - started,
        )

    def _draw_epoch(self, model: Model, rng: np.random.Generator) -> tuple[Images, Targets, npt.NDArray[np.float32]]:
        """Draw an epoch: its images, augmented and shuffled, their targets, and 1 for an article, 0 for an outlier."""
        self.observer.prepare("altering the images")
        order = rng.permutation(len(self.data.images))
        images = self.augment(self.data.images[order], self.recipe.augmentation, rng)
        targets = self.targets[order]
        if self.teachers:
            self.observer.prepare("asking the teachers")
            weight = np.float32(self.recipe.distillation_weight)
            targets = (1 - weight) * targets + weight * ask_teachers(self.teachers, images)
        is_article = np.ones(len(images), np.float32)
        if not self._outliers:
            return images, targets, is_article
        outliers = self._draw_outliers(model, rng)
        mixed = rng.permutation(len(images) + len(outliers))
        images = np.concatenate((images, outliers))[mixed]
        targets = np.concatenate((targets, np.full((len(outliers), self.classes), 1 / self.classes, np.float32)))[mixed]
        return images, targets, np.concatenate((is_article, np.zeros(len(outliers), np.float32)))[mixed]

    def _draw_outliers(self, model: Model, rng: np.random.Generator) -> Images:
        """Draw an epoch's outliers, among them nonsense that the network in its present state takes for articles."""
        self.observer.prepare("drawing outliers")
        outliers = draw_training_outliers(
            self._outliers, articles=self.data.images, rng=rng, with_turned=self.recipe.has_turned_outliers
        )
        searched = round(self._outliers * self.recipe.nonsense_share)
        if searched:
            self.observer.prepare("searching for nonsense")
            found = search(lambda images: _score_classes(model, images), shape=self.shape, rng=rng)
            if len(found):
                outliers[:searched] = found[rng.integers(0, len(found), searched)]
        return outliers

    def _validate(self, model: Model) -> tuple[float, float]:
        """Compute the cross-entropy and the accuracy on the validation images."""
        images = self.data.validation_images
        batches = _batch(add_channel(images), size=limit_batch(_VALIDATION_BATCH_SIZE, images))
        answers = model.predict(batches, verbose=0)
        probabilities = answers[0] if isinstance(answers, list) else answers
        labels = self.data.validation_labels
        likelihoods = probabilities[np.arange(len(labels)), labels]
        loss = -np.log(np.maximum(likelihoods, np.finfo(np.float32).tiny)).mean()
        return float(loss), float((probabilities.argmax(axis=1) == labels).mean())

    def _report(self, state: Checkpoint) -> None:
        number, epoch = len(state.history), state.history[-1]
        is_best = state.best_index == number - 1
        self.observer.end_epoch(number, epoch, is_best=is_best)
        logger.info(
            "epoch %d/%d: loss %.4f, accuracy %.4f; validation: loss %.4f, accuracy %.4f%s; %.0f s",
            number,
            self.recipe.epochs,
            epoch.loss,
            epoch.accuracy,
            epoch.validation_loss,
            epoch.validation_accuracy,
            " (best)" if is_best else "",
            epoch.duration_s,
        )


def _score_classes(model: Model, images: Images) -> npt.NDArray[np.float32]:
    """Compute P(article) · P(class) of images: float32[n, classes]."""
    size = limit_batch(_VALIDATION_BATCH_SIZE, images)
    answers = [
        model.predict_on_batch(add_channel(images[start : start + size]).astype(np.float32))
        for start in range(0, len(images), size)
    ]
    probabilities, novelty = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    scores: npt.NDArray[np.float32] = probabilities * np.exp(-novelty.reshape(-1, 1))
    return scores


def compute_novelty_loss(is_outlier: Any, novelty: Any) -> Any:  # noqa: ANN401  # tensors
    """Compute the cross-entropy of the novelty, -log P(article): float32[n] from float32[n, 1] or float32[n]."""
    is_outlier = tf.reshape(tf.cast(is_outlier, novelty.dtype), tf.shape(novelty))
    as_outlier = -tf.math.log(-tf.math.expm1(-tf.maximum(novelty, _LEAST_NOVELTY)))
    return tf.reduce_mean(is_outlier * as_outlier + (1 - is_outlier) * novelty, axis=-1)


def _batch(*arrays: Any, size: int) -> Any:  # noqa: ANN401  # arrays, or tuples of them; a TensorFlow data set
    """Give the arrays' rows in batches, in order.

    Autotuning is off: there is nothing to tune, and the end of an epoch would wait up to a minute for its thread.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size).with_options(options)


def _find_accuracy(logs: Mapping[str, Any]) -> Any:  # noqa: ANN401  # a number, or one an epoch
    """Give the accuracy; for several outputs, Keras puts the output's name before it."""
    return logs["probabilities_accuracy"] if "probabilities_accuracy" in logs else logs["accuracy"]


def _report_to(observer: Observer, steps: int) -> Any:  # noqa: ANN401  # a Keras callback
    def report(step: int, logs: Mapping[str, float]) -> None:
        observer.advance((step + 1) / steps, loss=logs["loss"], accuracy=_find_accuracy(logs))

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
