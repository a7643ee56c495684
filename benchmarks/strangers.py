"""What the service makes of pictures that nobody trained on or chose a threshold by: the share accepted of each kind.

    python -m benchmarks.strangers [MODEL.h5 …] [--photos FOLDER] [--digits FILE] [--count 1000]

Drawings and textures of our own, altered test images, and, where they are given, crops of photographs and MNIST's
digits. Some of the altered images still show their article; for those the accuracy is given too. The last kind is noise
that is changed along the gradient of each model itself. The same call draws the same pictures.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.drawings import SIDE, draw_codes, draw_face, draw_moire, draw_rosette, draw_thing
from fashion_api.data.dataset import DataSource, Split
from fashion_api.errors import FashionError
from fashion_api.images import Images
from fashion_api.inference.keras_engine import load_keras_model
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.inference.model_file import read_model_file
from fashion_api.settings import Settings, load_settings
from fashion_api.training.arrays import Labels
from fashion_api.training.classification import classify_all
from fashion_api.training.evaluate.acceptance import compute_accepted, find_thresholds
from fashion_api.training.network.backend import tf
from fashion_api.training.synthetic.out_of_distribution import load_digits
from fashion_api.training.synthetic.pixels import to_pixels

_DEFAULT = Path("models/fashion_mnist.h5")
_DRAWINGS = {
    "drawn things": draw_thing,
    "rosettes": draw_rosette,
    "moiré": draw_moire,
    "codes and charts": draw_codes,
    "faces": draw_face,
}
_EDGES = ImageFilter.FIND_EDGES
_DERANGEMENTS = [order for order in permutations(range(4)) if all(at != band for at, band in enumerate(order))]
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) * 16 + 8
_STEPS, _STEP, _CLIMBED, _LEAST = 20, 4, 200, 1e-9
_GRADIENT = f"noise, {_STEPS} steps along the gradient"
Alter = Callable[[Images, np.random.Generator], Images]
"""Alters one uint8[28, 28]."""


@dataclass(frozen=True)
class Kind:
    """Some pictures, and their classes if they still show an article."""

    name: str
    images: Images
    labels: Labels | None = None


def main() -> int:
    """Show the pictures to the models that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=[_DEFAULT], metavar="MODEL.h5")
    parser.add_argument("--photos", type=Path, help="a folder of photographs")
    parser.add_argument("--digits", type=Path, help="MNIST's test digits, t10k-images-idx3-ubyte(.gz)")
    parser.add_argument("--count", type=int, default=1000, help="pictures of each kind")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    try:
        models = [load_model(load_settings(Settings, overrides={"model_path": path})) for path in arguments.models]
        test = DataSource.from_settings(load_settings(Settings, overrides={})).load("test")
        kinds = [
            *draw_kinds(arguments.count),
            *alter_articles(test, arguments.count),
            *crop_photos(arguments.photos, arguments.count),
            *thicken_digits(arguments.digits, arguments.count),
        ]
    except FashionError as error:
        sys.stderr.write(f"strangers: {error}\n")
        return 1
    names = " | ".join(path.stem for path in arguments.models)
    sys.stdout.write(f"| {arguments.count} pictures each | {names} |\n| --- |{' ---: |' * len(models)}\n")
    for kind in kinds:
        sys.stdout.write(f"| {kind.name} | {' | '.join(judge(model, kind) for model in models)} |\n")
    climbed = [judge(model, climb_gradient(path)) for path, model in zip(arguments.models, models, strict=True)]
    sys.stdout.write(f"| {_GRADIENT} | {' | '.join(climbed)} |\n")
    return 0


def judge(model: LoadedModel, kind: Kind) -> str:
    """Give the share accepted, after the accuracy where the pictures show articles."""
    answers = classify_all(model.classifier, kind.images)
    accepted = compute_accepted(answers, find_thresholds(model))
    share = "–" if accepted is None else f"{accepted:.1%}"
    return share if kind.labels is None else f"{(answers.class_ids == kind.labels).mean():.1%} right; {share}"


def draw_kinds(count: int) -> Iterator[Kind]:
    """Draw every kind of drawing."""
    for number, (name, draw) in enumerate(_DRAWINGS.items()):
        rng = np.random.default_rng((71, number))
        yield Kind(name, np.stack([draw(rng) for _ in range(count)]))


def alter_articles(test: Split, count: int) -> Iterator[Kind]:
    """Alter the first test images in every way."""
    for is_article, group in ((False, _SPOILT), (True, _KEPT)):
        for number, (name, alter) in enumerate(group.items()):
            rng = np.random.default_rng((72, number, is_article))
            images = np.stack([alter(image, rng) for image in test.images[:count]])
            yield Kind(f"articles, {name}", images, test.labels[: len(images)] if is_article else None)


def crop_photos(folder: Path | None, count: int) -> Iterator[Kind]:
    """Crop photographs at random, whole, and as a round piece on black."""
    if folder is None:
        return
    rng, crops, cut = np.random.default_rng(73), [], []
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    for path in sorted(folder.iterdir())[:count]:
        with Image.open(path) as photo:
            grey = photo.convert("L")
        side = max(2, int(min(grey.size) * rng.uniform(0.15, 0.6)))
        left, top = (int(rng.integers(0, size - side + 1)) for size in grey.size)
        crop = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX, (left, top, left + side, top + side)))
        tall, wide = rng.uniform(8, 14, 2)
        crops.append(crop)
        cut.append(to_pixels(crop * np.clip((1 - np.hypot(rows / tall, columns / wide)) * 8, 0, 1)))
    yield Kind("crops of photographs", np.stack(crops))
    yield Kind("crops of photographs, round on black", np.stack(cut))


def thicken_digits(path: Path | None, count: int) -> Iterator[Kind]:
    """Thicken the strokes of digits, and give them a rough surface."""
    digits = load_digits(path, (SIDE, SIDE))
    if digits is None:
        return
    rng = np.random.default_rng(74)
    thick = [np.asarray(Image.fromarray(digit).filter(ImageFilter.MaxFilter(5))) for digit in digits[:count]]
    yield Kind("digits, thickened", np.stack(thick))
    rough = (
        np.stack(thick).astype(np.float64)
        * rng.uniform(0.3, 1, (len(thick), 1, 1))
        * rng.uniform(0.6, 1, (len(thick), SIDE, SIDE))
    )
    yield Kind("digits, thickened, rough and darker", to_pixels(rough))


def climb_gradient(path: Path) -> Kind:
    """Change noise in small steps along a model's gradient, towards an accepted article of each class in turn."""
    file = read_model_file(load_settings(Settings, overrides={"model_path": path}))
    network = load_keras_model(file.content)
    rng = np.random.default_rng(75)
    images = tf.Variable(rng.uniform(0, 255, (_CLIMBED, SIDE, SIDE, 1)).astype(np.float32))
    classes = network.output_shape[0][1]
    wanted = tf.one_hot(np.arange(_CLIMBED) % classes, classes)
    for _ in range(_STEPS):
        with tf.GradientTape() as tape:
            probabilities, novelty = network(images, training=False)
            loss = tf.reduce_sum(novelty) - tf.reduce_sum(wanted * tf.math.log(probabilities + _LEAST))
        images.assign(tf.clip_by_value(images - _STEP * tf.sign(tape.gradient(loss, images)), 0, 255))
    return Kind(_GRADIENT, to_pixels(images.numpy()[..., 0]))


def _shift_bands(image: Images, rng: np.random.Generator) -> Images:
    """Cut into four bands and join them in one of the orders in which none stays where it is."""
    bands = np.split(image, 4)
    return np.concatenate([bands[band] for band in rng.permutation(_DERANGEMENTS)[0]])


def _twirl(image: Images, _: np.random.Generator) -> Images:
    """Turn the middle by 150°, and what is further out by less."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    angle = np.radians(150) * np.exp(-((np.hypot(rows, columns) / 9) ** 2))
    y, x = rows * np.cos(angle) - columns * np.sin(angle), rows * np.sin(angle) + columns * np.cos(angle)
    at = np.clip(np.rint(np.stack((y, x)) + (SIDE - 1) / 2), 0, SIDE - 1).astype(int)
    twirled: Images = image[at[0], at[1]]
    return twirled


def _tear(image: Images, rng: np.random.Generator) -> Images:
    """Move the lower half sideways by ten pixels."""
    return np.concatenate((image[: SIDE // 2], np.roll(image[SIDE // 2 :], rng.choice((-10, 10)), axis=1)))


def _shrink_to(image: Images, height: int, width: int) -> Images:
    small = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))
    canvas = np.zeros_like(image)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    canvas[top : top + height, left : left + width] = small
    return canvas


def _shade(image: Images, rng: np.random.Generator) -> Images:
    """Leave a third of the light on one side of a slanting line."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    angle = rng.uniform(0, 2 * np.pi)
    return to_pixels(image.astype(np.float64) * np.where(rows * np.sin(angle) + columns * np.cos(angle) > 0, 1, 1 / 3))


def _lay_grid(image: Images, _: np.random.Generator) -> Images:
    """Lay a dark line over every seventh row and column."""
    lines = np.arange(SIDE) % 7 == 3  # noqa: PLR2004  # the middle one of seven
    return np.where(lines[:, None] | lines, 40, image).astype(np.uint8)


_SPOILT: dict[str, Alter] = {
    "wrapped around by half the height": lambda image, _: np.roll(image, SIDE // 2, axis=0),
    "wrapped around by half the width": lambda image, _: np.roll(image, SIDE // 2, axis=1),
    "four bands in another order": _shift_bands,
    "lower half moved by 10 pixels": _tear,
    "twirled": _twirl,
    "solarised": lambda image, _: to_pixels(np.abs(image.astype(np.float64) - 128) * 2),
    "squeezed to a third of the height": lambda image, _: _shrink_to(image, SIDE // 3, SIDE),
    "middle enlarged three times": lambda image, _: np.asarray(
        Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR, (9, 9, 19, 19))
    ),
}
_KEPT: dict[str, Alter] = {
    "as black and white": lambda image, _: ((image > image.mean()) * 255).astype(np.uint8),
    "as outlines": lambda image, _: np.asarray(Image.fromarray(image).filter(_EDGES)),
    "dithered": lambda image, _: ((image > np.tile(_BAYER, (7, 7))) * 255).astype(np.uint8),
    "one side in the shade": _shade,
    "dark and noisy": lambda image, rng: to_pixels(image * 0.25 + rng.normal(10, 6, image.shape)),
    "behind a grid": _lay_grid,
    "16×16 in the middle": lambda image, _: _shrink_to(image, 16, 16),
}


if __name__ == "__main__":
    sys.exit(main())
