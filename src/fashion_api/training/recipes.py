"""The named recipes, each of which defines how a model is built and trained; without TensorFlow."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from fashion_api.errors import TrainingError
from fashion_api.inference.manifest import Manifest
from fashion_api.settings import FASHION_MNIST_LABELS, Optimizer, TrainingSettings
from fashion_api.training.synthetic.augmentation import Augmentation


@dataclass(frozen=True)
class ResidualShape:
    """The size of a residual network."""

    stem_size: int
    """Height and width of the first convolution's kernel; pooling then halves the image."""
    widths: tuple[int, ...]
    """Channels of each stage; each but the first halves its input."""
    blocks: tuple[int, ...]
    """Residual blocks of each stage."""


@dataclass(frozen=True)
class Recipe:
    """All that determines a model, apart from the data, the seed and the precision."""

    name: str
    description: str
    architecture: Literal["small", "tutorial", "residual"]
    epochs: int
    optimizer: Optimizer
    learning_rate: float
    """The learning rate of a constant `schedule`, or the peak of another."""
    batch_size: int
    hidden_units: int
    """Units of the dense hidden layer."""
    validation_share: float
    """The share of the images that is held back for validation, unless `validation_size` is set."""
    dropout_rates: tuple[float, ...] = ()
    """One for each dropout layer of the architecture, from input to output."""
    residual: ResidualShape | None = None
    """The size of a residual network; `None` for other architectures."""
    weight_decay: float = 0.0
    """The share of each kernel that a step subtracts, divided by the learning rate; biases do not decay."""
    outlier_share: float = 0.0
    """Synthetic outliers in an epoch, as a share of its images; if above 0, the network has a novelty output."""
    has_turned_outliers: bool = True
    """Whether images that are turned are outliers."""
    nonsense_share: float = 0.0
    """The share of the outliers that is searched for before each epoch: shapes that the network takes for a class."""
    label_smoothing: float = 0.0
    """The share of the label that is spread evenly over all classes (C. Szegedy et al., arXiv:1512.00567)."""
    teachers: tuple[Path, ...] = ()
    """Models to distil: their mean answer is part of the training target."""
    distillation_weight: float = 0.0
    """The weight of the teachers' answer in the training target, if there are teachers; the rest is the label."""
    schedule: Literal["constant", "cosine"] = "constant"
    """`cosine` rises to the learning rate in the first tenth of the steps and falls to 0 by the last."""
    data_size: int | None = None
    """The number of training images to use, from the first on, including those held back; `None` for all."""
    validation_size: int | None = None
    """The number of images held back for validation; `None` for `validation_share`."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    def count_validation_images(self, available: int) -> int:
        """Compute how many of `available` images are held back for validation.

        Raises:
            TrainingError: no image would be left to train on, or none to validate on.
        """
        count = round(available * self.validation_share) if self.validation_size is None else self.validation_size
        if not 0 < count < available:
            raise TrainingError(
                f"{count} validation images cannot be held back from {available} training images: at least one of each "
                "is needed; set FASHION_VALIDATION_SIZE or FASHION_DATA_SIZE"
            )
        return count


_STANDARD = Recipe(
    name="standard",
    description="the model that is served: a residual network that scores novelty",
    architecture="residual",
    hidden_units=128,
    residual=ResidualShape(stem_size=5, widths=(32, 64), blocks=(2, 2)),
    epochs=24,
    optimizer="muon",
    learning_rate=0.02,
    schedule="cosine",
    batch_size=128,
    weight_decay=0.01,
    validation_share=1 / 12,
    augmentation=Augmentation(is_flipped=True, max_shift=1 / 14, erased_share=0.25, captured_share=0.5),
    outlier_share=1 / 3,
    nonsense_share=0.3,
    teachers=(Path("models/teacher.h5"),),
    distillation_weight=0.8,
)
_RECIPES = (
    replace(
        _STANDARD,
        name="compact",
        description="the default: `standard` with a third of the multiply-adds",
        residual=ResidualShape(stem_size=5, widths=(24, 64), blocks=(1, 1)),
        epochs=36,
        outlier_share=5 / 8,
        nonsense_share=0.4,
    ),
    _STANDARD,
    replace(
        _STANDARD,
        name="teacher",
        description="`standard` with twice the channels, trained on the labels alone",
        residual=ResidualShape(stem_size=5, widths=(64, 128), blocks=(2, 2)),
        weight_decay=0.02,
        outlier_share=0.25,
        nonsense_share=0.25,
        label_smoothing=0.05,
        teachers=(),
        distillation_weight=0.0,
    ),
    Recipe(
        name="small",
        description="trained in minutes: four 3×3 convolutions, no novelty",
        architecture="small",
        epochs=18,
        optimizer="adam",
        learning_rate=0.002,
        schedule="cosine",
        batch_size=128,
        dropout_rates=(0.2, 0.3, 0.4),
        hidden_units=128,
        validation_share=1 / 12,  # 5,000 of Fashion-MNIST's 60,000
        augmentation=Augmentation(is_flipped=True, max_shift=1 / 14),  # 2 of 28 pixels
    ),
    Recipe(
        name="tutorial",
        description="the original: two 2×2 convolutions, RMSProp, 1,000 images",
        architecture="tutorial",
        epochs=100,
        optimizer="rmsprop",
        learning_rate=0.001,
        batch_size=64,
        dropout_rates=(0.3, 0.3, 0.5),
        hidden_units=256,
        validation_share=0.2,
        data_size=1000,
    ),
)
RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _RECIPES})
"""By name. Of a known architecture, a new recipe is one entry above; the command line shows it by itself."""


def find_recipe(manifest: Manifest | None) -> Recipe | None:
    """Give the recipe that a model was trained by; `None` where it is not known."""
    return None if manifest is None or manifest.training is None else RECIPES.get(manifest.training.recipe)


def resolve_recipe(settings: TrainingSettings, labels: tuple[str, ...] | None = None) -> Recipe:
    """Give the settings' recipe for data of these classes, with its values replaced by those that the settings set.

    For classes other than Fashion-MNIST's, images are not mirrored, as a mirror image may be of another class or of
    none; images that are turned are no outliers, as they may be of a class; and the recipe's own teachers are left out,
    as they do not know the classes. By default, the classes are the settings'.

    Raises:
        SettingsError: there is no such recipe, or a setting does not fit it.
    """
    named = RECIPES.get(settings.recipe)
    if named is None:
        raise settings.make_error("recipe", f"there is no recipe {settings.recipe!r}; there are: {', '.join(RECIPES)}")
    recipe = replace(
        named,
        epochs=settings.epochs or named.epochs,
        optimizer=settings.optimizer or named.optimizer,
        learning_rate=settings.learning_rate or named.learning_rate,
        batch_size=settings.batch_size or named.batch_size,
        dropout_rates=named.dropout_rates if settings.dropout_rates is None else settings.dropout_rates,
        hidden_units=settings.hidden_units or named.hidden_units,
        data_size=settings.data_size or named.data_size,
        validation_size=settings.validation_size or named.validation_size,
        teachers=named.teachers if settings.teachers is None else settings.teachers,
    )
    expected, given = len(named.dropout_rates), len(recipe.dropout_rates)
    if given != expected:
        raise settings.make_error(
            "dropout_rates", f"the recipe {named.name!r} has {expected} dropout layers, but {given} rate(s) are set"
        )
    if (labels or settings.class_names) == FASHION_MNIST_LABELS:
        return recipe
    return replace(
        recipe,
        augmentation=replace(recipe.augmentation, is_flipped=False),
        has_turned_outliers=False,
        teachers=settings.teachers or (),
    )


def list_recipes() -> str:
    """Describe every recipe, for the terminal."""
    return "\n\n".join(_describe(recipe) for recipe in RECIPES.values())


def _describe(recipe: Recipe) -> str:
    images = "all training images" if recipe.data_size is None else f"the first {recipe.data_size:,} training images"
    rows = (
        f"{recipe.name}: {recipe.description}",
        f"data: {images}, {recipe.validation_share:.0%} of them held back for validation",
        f"training: {describe_training(recipe)}",
        f"network: {describe_network(recipe)}",
        *([f"teachers: {', '.join(map(str, recipe.teachers))}"] if recipe.teachers else []),
    )
    return "\n".join(
        [rows[0], *(textwrap.fill(row, 80, initial_indent="    ", subsequent_indent="        ") for row in rows[1:])]
    )


def describe_training(recipe: Recipe) -> str:
    """Describe how a recipe trains, in a few words."""
    rate = f"{recipe.learning_rate:g}" + (", cosine" if recipe.schedule == "cosine" else "")
    return f"{recipe.epochs} epochs in batches of {recipe.batch_size}, {recipe.optimizer} at {rate}"


def describe_network(recipe: Recipe) -> str:
    """Describe a recipe's network, and the outliers that it is shown, in a few words."""
    parts = [f"{recipe.hidden_units} hidden units"]
    if recipe.residual is not None:
        parts[:0] = [
            f"{blocks} residual block(s) of {width} channels"
            for width, blocks in zip(recipe.residual.widths, recipe.residual.blocks, strict=True)
        ]
    if recipe.dropout_rates:
        parts.append("dropout " + ", ".join(f"{rate:g}" for rate in recipe.dropout_rates))
    outliers = f"; {recipe.outlier_share:.1%} of synthetic outliers are added" if recipe.outlier_share else ""
    return ", ".join(parts) + outliers
