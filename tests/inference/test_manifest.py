"""The manifest beside a model."""

import json
import math
from pathlib import Path

import pytest

from fashion_api.errors import ModelError
from fashion_api.inference.manifest import InputSpec, Manifest, read_manifest, write_manifest

MANIFEST = Manifest(
    name="small", sha256="0" * 64, labels=("a", "b"), input=InputSpec(height=4, width=5, pixel_range=(-1.0, 1.0))
)


def write_changed(path: Path, **changes: object) -> None:
    """Write the manifest with some fields changed."""
    path.with_suffix(".json").write_text(json.dumps({**MANIFEST.model_dump(mode="json"), **changes}))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A manifest is read as it was written, beside its model."""
    write_manifest(tmp_path / "model.h5", MANIFEST)
    assert (read_manifest(tmp_path / "model.h5"), (tmp_path / "model.json").exists()) == (MANIFEST, True)


def test_no_manifest_is_none(tmp_path: Path) -> None:
    """A model may have no manifest."""
    assert read_manifest(tmp_path / "model.h5") is None


def test_field_of_a_later_version_is_ignored(tmp_path: Path) -> None:
    """A manifest with unknown fields is read."""
    write_changed(tmp_path / "model.h5", later={"x": 1})
    assert read_manifest(tmp_path / "model.h5") == MANIFEST


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"sha256": "xyz"}, "sha256"),
        ({"labels": ["only one"]}, "labels"),
        ({"labels": ["a", "a"]}, "labels: a label occurs twice"),
        ({"input": {"height": 0, "width": 5}}, "input.height"),
        ({"input": {"height": 4, "width": 5, "pixel_range": [1, 0]}}, "pixel_range"),
        ({"input": {"height": 4, "width": 5, "pixel_range": [0, None]}}, "input.pixel_range"),
        ({"input": {"height": 4, "width": 5, "pixel_range": [-math.inf, 1]}}, "pixel_range"),
        ({"input": {"height": 4, "width": 5, "pixel_range": [0, math.inf]}}, "pixel_range"),
        ({"input": {"height": 4, "width": 5, "pixel_range": [math.nan, 1]}}, "pixel_range"),
        ({"input": {"height": 4, "width": 5, "pixel_range": [-1.7e308, 1.7e308]}}, "pixel_range"),
        ({"name": None}, "name"),
        ({"manifest_version": 2}, "manifest_version"),
    ],
    ids=[
        "digest",
        "one label",
        "label twice",
        "no height",
        "range",
        "range of null",
        *("range from -∞", "range to ∞", "range of NaN", "too wide a range"),
        "no name",
        "version",
    ],
)
def test_wrong_field_is_named(tmp_path: Path, changes: dict[str, object], place: str) -> None:
    """A manifest with a wrong value is an error that names the field."""
    write_changed(tmp_path / "model.h5", **changes)
    with pytest.raises(ModelError, match=place):
        read_manifest(tmp_path / "model.h5")


@pytest.mark.parametrize("content", ["", "[]", "{", "\0"], ids=["empty", "a list", "cut short", "not text"])
def test_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    """A file that is no JSON object is an error that names it."""
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(ModelError, match=r"model\.json is not a manifest"):
        read_manifest(tmp_path / "model.h5")


def test_place_of_an_error_is_cut(tmp_path: Path) -> None:
    """A name from the file, which is in the message, does not make it long."""
    thresholds = {"0.9": 0.9, "0.95": 0.9, "0.99": 0.9, "x" * 10_000: "y"}
    sets = {"method": "adaptive", "thresholds": thresholds}
    write_changed(
        tmp_path / "model.h5", calibration={"images": 1, "temperature": 1.0, "prediction_sets": sets, "novelty": None}
    )
    with pytest.raises(ModelError, match=r"thresholds\.x+: Input should be a valid number") as refusal:
        read_manifest(tmp_path / "model.h5")
    assert len(str(refusal.value)) < 300 + len(str(tmp_path))


def test_manifest_over_the_limit_is_not_read(tmp_path: Path) -> None:
    """A file of millions of errors, which would take gigabytes, is refused by its size."""
    (tmp_path / "model.json").write_text('{"labels": [' + "1, " * 300_000 + "1]}")
    with pytest.raises(ModelError, match=r"model\.json cannot be read: More than 524288 bytes"):
        read_manifest(tmp_path / "model.h5")


def test_manifest_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A manifest that cannot be read is an error."""
    (tmp_path / "model.json").mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        read_manifest(tmp_path / "model.h5")


@pytest.mark.parametrize("name", ["fashion_mnist", "compact", "teacher"])
def test_manifest_without_class_thresholds_is_served_as_before(name: str) -> None:
    """In a manifest of an earlier version, one threshold applies to all classes, for sets and for novelty."""
    manifest = read_manifest(Path(__file__).with_name("earlier_manifests") / f"{name}.h5")

    assert manifest is not None
    assert manifest.calibration is not None
    sets, novelty = manifest.calibration.prediction_sets, manifest.calibration.novelty
    assert novelty is not None
    assert {novelty.get_threshold(class_id) for class_id in range(10)} == {novelty.threshold}
    threshold = sets.thresholds["0.99"]
    row = [0.0] * 8 + [threshold * 0.99, 1 - threshold]
    assert sets.find_classes(row, 0.99) == [9]
    assert sorted(sets.find_classes([threshold, *row[1:]], 0.99)) == [0, 9]
