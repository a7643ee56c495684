"""Write small image classifiers with an old version of Keras, and what that version answers.

It runs in an environment of its own for each version (requirements/ beside it; README.md says how), with Python 3.7 or
newer, and imports nothing of this project. It writes one archive, `FOLDER/VERSION.tar.xz`, with two members a model:

- `NAME.h5`, `NAME.keras`: the model as that version saves it;
- `NAME.json`: the images (whole pixels 0-255), the range that the model takes them in, its raw outputs, and the
  probabilities that they stand for.

Weights are drawn by NumPy from a fixed seed and are the same in every version. They are multiples of powers of two, so
that the archives are small.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import os
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.simplefilter("ignore")

import numpy as np
from zoo import CASES, Toolbox

IMAGES = 4
GAINS = (1, 2, 4, 8)
"""What the weights are multiplied by, until the answers differ enough."""


def main() -> None:
    """Write the archive of the version that is installed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--standalone", action="store_true", help="use the package keras, not tf.keras")
    parser.add_argument("--core", action="store_true", help="write one model of each kind alone")
    parser.add_argument("--only", help="write the model of this name alone")
    arguments = parser.parse_args()

    tools = Toolbox.load(is_standalone=arguments.standalone)
    written, skipped = 0, []
    path = arguments.folder / f"{tools.version}.tar.xz"
    with tarfile.open(path, "w:xz", preset=9 | lzma.PRESET_EXTREME) as archive:
        for name, case in sorted(CASES.items()):
            if arguments.only not in (None, name) or (arguments.core and not case.is_core):
                continue
            try:
                _write(archive, name, case, tools)
                written += 1
            except Exception as error:
                if arguments.only:
                    raise
                line = f"{type(error).__name__}: {error}".partition("\n")[0]
                skipped.append(f"{name}: {line:.100}")
    sys.stdout.write(f"{path}: {written} models, {path.stat().st_size} bytes\n")
    sys.stdout.writelines(f"  without {line}\n" for line in skipped)


def _write(archive, name, case, tools):
    if not case.exists_in(tools.version):
        raise NotImplementedError("not in this version")
    tools.begin()
    model = case.build(tools)
    images = draw_images(case.shape)
    for gain in GAINS:
        draw_weights(model, case.seed, gain * case.gain)
        reader = case.reader(tools, model) if case.reader else model
        raw = answer(reader, scale(images, case.pixel_range))
        probabilities = find_probabilities(raw[0], case.ends_in)
        if tells_models_apart(probabilities):
            break
    else:
        raise AssertionError(f"its answers say little: {probabilities}")
    record = {
        "written_by": tools.version,
        "pixel_range": case.pixel_range,
        "ends_in": case.ends_in,
        "images": images.tolist(),
        "outputs": [output.tolist() for output in raw],
        "probabilities": probabilities.round(6).tolist(),
    }
    with tempfile.TemporaryDirectory() as folder:
        for suffix in case.suffixes:
            file = Path(folder, name + suffix)
            tools.save(model, str(file))
            add(archive, file.name, file.read_bytes())
    add(archive, name + ".json", json.dumps(record).encode())


def add(archive, name, content):
    """Add a member without a time or an owner."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def draw_weights(model, seed, gain):
    """Give a model weights that depend on their shapes and order alone; of a normalisation, the variance is positive.

    What a layer was given on purpose (the statistics of a `Normalization`, a seed) stays.
    """
    rng = np.random.RandomState(seed)
    for weight in model.weights:
        name = weight.name.lower().rpartition("/")[2].partition(":")[0]
        if name in ("mean", "variance", "count") or "seed" in name:
            continue
        shape = tuple(int(size) for size in weight.shape)
        fan_in = int(np.prod(shape[:-1])) if len(shape) > 1 else 1
        step = 2.0 ** np.round(np.log2(2.0 * gain / np.sqrt(fan_in)))
        value = rng.randint(-8, 9, size=shape) / 8.0 * step
        if len(shape) <= 1 and any(part in name for part in ("variance", "gamma")):
            value = 0.5 + np.abs(value) / 2
        elif len(shape) <= 1:
            value = value / 8 + np.arange(value.size).reshape(shape) / 1024  # no two alike: a black image has no ties
        set_value(weight, value.astype("float32"))


def set_value(weight, value):
    """Assign a value to a weight of any version."""
    if hasattr(weight, "assign") and Toolbox.current.is_eager:
        weight.assign(value)
    else:
        Toolbox.current.keras.backend.set_value(weight, value)


def draw_images(shape):
    """Draw whole pixels: a few rectangles on noise, whose brightness differs."""
    rng = np.random.RandomState(0)
    images = rng.randint(0, 60, size=(IMAGES, *shape))
    for number, image in enumerate(images):
        for _ in range(3):
            top, left = rng.randint(shape[0] - 2), rng.randint(shape[1] - 2)
            image[top : top + rng.randint(2, 8), left : left + rng.randint(2, 8)] += 60 + 40 * number
    return np.clip(images, 0, 255).astype("uint8")


def scale(images, pixel_range):
    """Bring whole pixels into the range that a model takes."""
    low, high = pixel_range
    return (images.astype("float32") * ((high - low) / 255.0) + low).astype("float32")


def answer(model, pixels):
    """Give the outputs of a model, as a list, for pixels that are reshaped to its input."""
    shape = tuple(model.input_shape)
    if len(shape) == pixels.ndim + 1:
        pixels = pixels[..., None]
    elif len(shape) < pixels.ndim:
        pixels = pixels.reshape((len(pixels), *shape[1:]))
    outputs = model.predict(pixels, batch_size=shape[0] or len(pixels), verbose=0)
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    return outputs if isinstance(outputs, list) else [outputs]


def find_probabilities(output, ends_in):
    """Give the probabilities of the classes that an output stands for."""
    output = np.asarray(output, "float64")
    if ends_in == "logits":
        exponentials = np.exp(output - output.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)
    if ends_in == "sigmoid":
        return np.concatenate((1 - output, output), axis=1)
    return output


def tells_models_apart(probabilities):
    """Whether answers tell a right model from a wrong one: they are distributions, and differ from image to image."""
    are_distributions = np.allclose(probabilities.sum(axis=1), 1, atol=2e-3) and probabilities.min() >= 0
    return are_distributions and probabilities.max(axis=1).min() < 0.999 and np.ptp(probabilities, axis=0).max() > 0.05


if __name__ == "__main__":
    main()
