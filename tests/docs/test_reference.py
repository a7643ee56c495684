"""What the documentation takes from the code and from the models is what those have."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from fashion_api.data.dataset import DataSource
from fashion_api.inference.manifest import read_manifest
from fashion_api.pictures.decoding import decode_image
from fashion_api.settings import FASHION_MNIST_LABELS, Settings
from fashion_api.training.report.markdown import percent
from tests.servers import ROOT

REFERENCE = ROOT / "docs" / "reference"
SAMPLES = {"ankle-boot": 0, "pullover": 1, "trouser": 2, "bag": 18, "dress": 42}


def test_pages_are_what_the_code_gives() -> None:
    """`make reference` would change nothing: settings, commands, routes, problems and metrics are those of the code."""
    render_all = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["render_all"]
    stale = [name for name, text in render_all() if (REFERENCE / name).read_text() != text]
    assert not stale, f"`make reference` writes {stale} anew"


@pytest.mark.parametrize("name", ["fashion_mnist", "compact"])
def test_readme_has_the_accuracy_of_the_model(name: str) -> None:
    """The accuracy in the README is the one in the model's manifest."""
    manifest = read_manifest(ROOT / "models" / f"{name}.json")
    assert manifest is not None
    assert manifest.evaluation is not None
    assert percent(manifest.evaluation.accuracy) in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_is_the_test_image_that_it_is_said_to_be(name: str) -> None:
    """The samples are pictures of the test set, pixel by pixel."""
    path = ROOT / "samples" / f"{name}.png"
    test_set = DataSource.from_settings(Settings(), labels=FASHION_MNIST_LABELS, shape=(28, 28)).load("test")
    assert np.array_equal(decode_image(path.read_bytes(), height=28, width=28), test_set.images[SAMPLES[name]])


def test_every_sample_is_listed() -> None:
    """There is no picture that nobody knows the origin of."""
    assert {path.stem for path in Path(ROOT / "samples").glob("*.png")} == set(SAMPLES)
