import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_api.errors import ModelError
from fashion_api.inference.calibration import COVERAGES, NoveltyThresholds, PredictionSets
from fashion_api.inference.manifest import read_manifest

CALIBRATION = {
    "images": 5000,
    "temperature": 1.2,
    "prediction_sets": {"method": "least-ambiguous", "thresholds": {"0.9": 0.8, "0.95": 0.4, "0.99": 0.1}},
    "novelty": {"threshold": 0.5, "threshold_98": 0.9},
}
ROW = [0.05, 0.3, 0.6, 0.04, 0.01]


def make_sets(method: str, **thresholds: float) -> PredictionSets:
    values = {f"{coverage:g}": 0.5 for coverage in COVERAGES} | thresholds
    return PredictionSets.model_validate({"method": method, "thresholds": values})


@pytest.mark.parametrize(
    ("threshold", "found"), [(0.7, [2]), (0.6, [2]), (0.3, [2, 1]), (0.045, [2, 1, 0]), (0.0, [2, 1, 0, 3, 4])]
)
def test_least_ambiguous_set_has_the_classes_of_at_least_the_threshold(threshold: float, found: list[int]) -> None:
    """It has the classes of at least the threshold's probability, and always the most probable one, which is first."""
    assert make_sets("least-ambiguous", **{"0.95": threshold}).find_classes(ROW, 0.95) == found


@pytest.mark.parametrize(("threshold", "found"), [(0.0, [2]), (0.6, [2]), (0.61, [2, 1]), (0.93, [2, 1, 0])])
def test_adaptive_set_adds_up_to_the_threshold(threshold: float, found: list[int]) -> None:
    """It has the fewest most probable classes that add up to the threshold, and at least one."""
    assert make_sets("adaptive", **{"0.95": threshold}).find_classes(ROW, 0.95) == found


@pytest.mark.parametrize("coverage", COVERAGES)
def test_each_coverage_has_its_own_threshold(coverage: float) -> None:
    """The threshold is that of the coverage."""
    sets = make_sets("least-ambiguous", **{f"{coverage:g}": 0.2})

    assert sets.find_classes(ROW, coverage) == [2, 1]


@pytest.mark.parametrize(
    ("thresholds", "found"),
    [
        ((0.05, 0.5, 0.5, 0.5, 0.5), [2, 0]),
        ((0.9, 0.2, 0.9, 0.9, 0.9), [2, 1]),
        ((0.9, 0.9, 0.9, 0.9, 0.0), [2, 4]),
        ((0.9,) * 5, [2]),
    ],
    ids=["own", "top is below its own", "rare", "none"],
)
def test_each_class_has_its_own_threshold(thresholds: tuple[float, ...], found: list[int]) -> None:
    """A set has the classes of at least their own thresholds, and always the most probable one, which is first."""
    class_thresholds = {f"{coverage:g}": thresholds for coverage in COVERAGES}
    sets = make_sets("least-ambiguous").model_copy(update={"class_thresholds": class_thresholds})

    assert sets.find_classes(ROW, 0.95) == found


def test_novelty_threshold_is_that_of_the_predicted_class() -> None:
    """Without thresholds of the classes, which earlier manifests lack, all classes have the common one."""
    common = NoveltyThresholds(threshold=0.5, threshold_98=0.9)
    by_class = common.model_copy(update={"class_thresholds": (0.1, 0.2)})

    assert [common.get_threshold(class_id) for class_id in (0, 1)] == [0.5, 0.5]
    assert [by_class.get_threshold(class_id) for class_id in (0, 1)] == [0.1, 0.2]


def _without(*path: str) -> Callable[[dict[str, object]], None]:
    def remove(calibration: dict[str, object]) -> None:
        at: dict[str, object] = calibration
        for name in path[:-1]:
            at = at[name]  # type: ignore[assignment]  # the path leads through objects
        del at[path[-1]]

    return remove


def _with(value: object, *path: str) -> Callable[[dict[str, object]], None]:
    def replace(calibration: dict[str, object]) -> None:
        at: dict[str, object] = calibration
        for name in path[:-1]:
            at = at[name]  # type: ignore[assignment]  # the path leads through objects
        at[path[-1]] = value

    return replace


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param(_without("temperature"), "calibration.temperature: Field required", id="no temperature"),
        pytest.param(_with(-1.0, "temperature"), "calibration.temperature: Input should be greater", id="negative"),
        pytest.param(_with("1.2", "temperature"), "calibration.temperature: Input should be a valid", id="text"),
        pytest.param(_with(True, "temperature"), "calibration.temperature: Input should be a valid", id="boolean"),  # noqa: FBT003  # see id
        pytest.param(_with(float("nan"), "temperature"), "calibration.temperature: Input should be", id="NaN"),
        pytest.param(_with(float("inf"), "temperature"), "calibration.temperature: Input should be", id="infinite"),
        pytest.param(_without("prediction_sets"), "calibration.prediction_sets: Field required", id="no sets"),
        pytest.param(
            _without("prediction_sets", "thresholds", "0.95"),
            r"calibration.prediction_sets: .*there is none for the coverage 0.95",
            id="no threshold of a coverage",
        ),
        pytest.param(
            _with(-0.1, "prediction_sets", "thresholds", "0.95"), "thresholds.0.95: Input should be greater", id="< 0"
        ),
        pytest.param(_with(1.5, "prediction_sets", "thresholds", "0.95"), "0.95: Input should be less", id="> 1"),
        pytest.param(_with("a", "prediction_sets", "thresholds", "0.95"), "0.95: Input should be a", id="a word"),
        pytest.param(_with("best", "prediction_sets", "method"), "method: Input should be 'least-", id="method"),
        pytest.param(_without("novelty", "threshold"), "novelty.threshold: Field required", id="no novelty threshold"),
        pytest.param(_with(-0.5, "novelty", "threshold"), "novelty.threshold: Input should be greater", id="n < 0"),
        pytest.param(_with(None, "novelty", "threshold"), "novelty.threshold: Input should be a valid", id="null"),
        pytest.param(_with([0.5], "novelty", "class_thresholds"), "one value for each label", id="too few"),
        pytest.param(
            _with({key: [0.5] * 3 for key in ("0.9", "0.95", "0.99")}, "prediction_sets", "class_thresholds"),
            "one value for each label",
            id="too many",
        ),
        pytest.param(
            _with({"0.9": [0.5, 0.5]}, "prediction_sets", "class_thresholds"),
            "class_thresholds: there is none for the coverage 0.95, 0.99",
            id="no class thresholds of a coverage",
        ),
        pytest.param(_with([0, 1], "novelty", "class_thresholds"), r"class_thresholds\.0: Input should", id="zero"),
    ],
)
def test_bad_calibration_is_refused(change: Callable[[dict[str, object]], None], where: str, tmp_path: Path) -> None:
    """A missing, negative or non-numeric value is an error that names the field and the file."""
    calibration = json.loads(json.dumps(CALIBRATION))
    change(calibration)
    manifest = {
        "name": "m",
        "sha256": "0" * 64,
        "labels": ["a", "b"],
        "input": {"height": 2, "width": 2},
        "calibration": calibration,
    }
    (tmp_path / "m.json").write_text(json.dumps(manifest))

    with pytest.raises(ModelError, match=rf"m\.json is not a manifest: .*{where}"):
        read_manifest(tmp_path / "m.h5")
