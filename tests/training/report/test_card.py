import logging
import os
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, ModelCardData

from fashion_api.inference.evaluation_record import ClassScore, EvaluationRecord
from fashion_api.inference.manifest import InputSpec, Manifest, write_manifest
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.training.report.card import read_manifests, render_folder, render_seeds, write_card
from fashion_api.training.report.markdown import table
from tests.training.samples import TRAINING_RECORD

ROOT = Path(__file__).parents[3]

RECORD = EvaluationRecord(
    data_sha256="0" * 64,
    images=4,
    correct=3,
    accuracy=0.75,
    accuracy_interval=(0.3, 0.95),
    classes={
        "Shirt": ClassScore(precision=1, recall=0.5, images=2),
        "Bag": ClassScore(precision=0.7, recall=1, images=2),
    },
    confusion_matrix=((1, 1), (0, 2)),
)


def make_manifest(name: str, *, accuracy: float = 0.75, **changes: object) -> Manifest:
    return Manifest(
        name=name,
        sha256="0" * 64,
        labels=FASHION_MNIST_LABELS,
        input=InputSpec(height=28, width=28),
        training=TRAINING_RECORD,
        evaluation=RECORD.model_copy(update={"accuracy": accuracy}),
    ).model_copy(update=changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the manifests of the default model and of another."""
    write_manifest(tmp_path / "fashion_mnist.h5", make_manifest("fashion_mnist", accuracy=0.9499))
    write_manifest(tmp_path / "compact.h5", make_manifest("compact", accuracy=0.9388))
    return tmp_path


def test_table_lines_up_its_columns() -> None:
    """A table has a header row, a rule, and the rows."""
    assert table(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_card_is_of_the_default_model_whichever_was_evaluated(folder: Path) -> None:
    """The full card is the default model's; the other has a row in the table."""
    text = render_folder(folder / "compact.h5")
    assert "# `fashion_mnist.h5`" in text
    assert "# `compact.h5`" not in text
    assert "| `compact.h5` | small | 3 | 93.88 % |" in text


def test_card_is_of_the_model_evaluated_where_there_is_no_default(tmp_path: Path) -> None:
    """In a folder without the default model, the full card is that of the model that was evaluated."""
    write_manifest(tmp_path / "mine.h5", make_manifest("mine"))
    text = render_folder(tmp_path / "mine.h5")
    assert "# `mine.h5`" in text
    assert "defined in fashion-api's page on evaluation" in text  # that page is not beside others' models


def test_card_of_a_model_whose_name_is_not_utf_8_is_written(tmp_path: Path) -> None:
    """In a card, bytes of a file's name that are no UTF-8 are written out."""
    path = tmp_path / os.fsdecode(b"caf\xe9.h5")
    write_manifest(path, make_manifest("mine"))
    [card] = write_card(path)
    assert r"# `caf\udce9.h5`" in card.read_text()


def test_card_has_the_training_and_the_accuracy(folder: Path) -> None:
    """The command, the images, the accuracy with its interval and the class with the lowest recall are in it."""
    text = render_folder(folder / "fashion_mnist.h5")
    for said in (
        "fashion-api train --recipe small",
        "55,000 of the training images",
        "**94.99 %** of the 4 test images (95 % Wilson interval 30.00–95.00 %)",
        "*Shirt* has the lowest recall, 50.00 %",
        "People score 83.5 %",
    ):
        assert said in text


def test_card_names_the_teachers(tmp_path: Path) -> None:
    """The digests of the teachers are in it, if there were any."""
    taught = TRAINING_RECORD.model_copy(update={"teachers": ("a" * 64,)})
    write_manifest(tmp_path / "taught.h5", make_manifest("taught", training=taught))
    write_manifest(tmp_path / "alone.h5", make_manifest("alone"))

    assert f"**Teachers** (SHA-256) `{'a' * 64}`" in render_folder(tmp_path / "taught.h5")
    assert "Teachers" not in render_folder(tmp_path / "alone.h5")


def test_card_has_what_the_command_does_not_say(tmp_path: Path) -> None:
    """The note of the training record is in it, if there is one."""
    noted = TRAINING_RECORD.model_copy(update={"note": "On another machine."})
    write_manifest(tmp_path / "noted.h5", make_manifest("noted", training=noted))

    assert "- **Note** On another machine." in render_folder(tmp_path / "noted.h5")


def test_limits_of_another_data_set_are_not_known(tmp_path: Path) -> None:
    """The limits of Fashion-MNIST's labels are left out for other data."""
    write_manifest(tmp_path / "pets.h5", make_manifest("pets", labels=("cat", "dog")))
    assert "Known limits" not in render_folder(tmp_path / "pets.h5")


def test_what_was_not_measured_is_left_out(folder: Path) -> None:
    """A record with the accuracy alone gives a card without the other sections."""
    text = render_folder(folder / "fashion_mnist.h5")
    assert not any(f"## {part}" in text for part in ("Prediction sets", "Novelty", "Robustness", "Cost"))


def test_model_that_was_not_evaluated_has_a_card_too(tmp_path: Path) -> None:
    """The card of a model that was not evaluated says so."""
    write_manifest(tmp_path / "new.h5", make_manifest("new", evaluation=None))
    assert "It has not been evaluated." in render_folder(tmp_path / "new.h5")


def test_seeds_have_mean_and_range() -> None:
    """The runs of a recipe are summarised by the mean, the least and the largest test accuracy."""
    text = "\n".join(
        render_seeds(
            {f"{name}.json": make_manifest(name, accuracy=accuracy) for name, accuracy in (("s1", 0.9), ("s2", 0.94))}
        )
    )
    assert "`small`, 2 run(s): mean 92.00 %, from 90.00 % to 94.00 %" in text


def test_seeds_are_read_from_their_folder(folder: Path) -> None:
    """Manifests in `seeds/` are in the table of the seeds, by recipe and seed, and the folder's models with theirs."""
    compact = TRAINING_RECORD.model_copy(update={"recipe": "compact", "best_epoch": 1, "validation_accuracy": 0.9})
    for seed, path in ((1, folder / "seeds" / "compact_1.h5"), (0, folder / "compact.h5")):
        write_manifest(
            path,
            make_manifest(path.stem, accuracy=0.93, training=compact.model_copy(update={"seed": seed, "command": ""})),
        )
    write_manifest(folder / "seeds" / "standard_1.h5", make_manifest("standard_1", accuracy=0.91))

    text = render_folder(folder / "fashion_mnist.h5")

    seeds = text.partition("# Seeds")[2]
    names = [line.split("|")[1].strip() for line in seeds.splitlines() if line.startswith("| `")]
    assert names == ["`compact.json`", "`compact_1.json`", "`fashion_mnist.json`", "`standard_1.json`"]
    assert "| `standard_1.json` | small | 3 | 92.50 % | 91.00 % |" in text
    assert "`small`, 2 run(s): mean 93.00 %, from 91.00 % to 94.99 %" in text


@pytest.mark.parametrize("change", [{"recipe": "other"}, {"teachers": ("1" * 64,)}, {"epochs": 99}], ids=str)
def test_model_of_another_set_up_is_not_among_the_seeds(folder: Path, change: dict[str, object]) -> None:
    """A model that was trained differently from the runs in `seeds/` is not among them."""
    other = TRAINING_RECORD.model_copy(update=change)
    write_manifest(folder / "compact.h5", make_manifest("compact", accuracy=0.5, training=other))
    write_manifest(folder / "seeds" / "standard_1.h5", make_manifest("standard_1", accuracy=0.91))

    seeds = render_folder(folder / "fashion_mnist.h5").partition("# Seeds")[2]

    assert "`fashion_mnist.json`" in seeds
    assert "`compact.json`" not in seeds


def test_one_seed_alone_has_no_table(folder: Path) -> None:
    """Without other runs there is no table of seeds."""
    assert "# Seeds" not in render_folder(folder / "fashion_mnist.h5")


def test_json_of_another_kind_is_skipped(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A JSON file that is no manifest is left out of the card, with a warning."""
    (folder / "notes.json").write_text("[]")
    with caplog.at_level(logging.WARNING):
        assert "notes" not in render_folder(folder / "fashion_mnist.h5")
    assert "notes.json is not a manifest" in caplog.text


def test_card_is_replaced(folder: Path) -> None:
    """A card that evaluation wrote is replaced."""
    first = write_card(folder / "fashion_mnist.h5")
    (folder / "compact.json").unlink()
    assert write_card(folder / "fashion_mnist.h5") == first == [folder / "README.md"]
    assert "compact" not in first[0].read_text()


def test_readme_of_others_is_not_overwritten(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A README that evaluation did not write is not overwritten, and a warning is logged."""
    (folder / "README.md").write_text("# My project")
    with caplog.at_level(logging.WARNING):
        assert write_card(folder / "fashion_mnist.h5") == []
    assert (folder / "README.md").read_text() == "# My project"
    assert "left alone" in caplog.text


@pytest.fixture(scope="module")
def published() -> ModelCard:
    """The card of the models in the repository, as the Hugging Face hub reads it."""
    return ModelCard(render_folder(ROOT / "models" / "fashion_mnist.h5"))


def test_hub_reads_the_score_of_each_model(published: ModelCard) -> None:
    """The head gives the hub each model's test accuracy, in the form that it checks."""
    data = published.data
    assert isinstance(data, ModelCardData)
    results = [(result.dataset_name, result.metric_type, result.metric_value) for result in data.eval_results or ()]
    record = read_manifests(ROOT / "models")["fashion_mnist.json"].evaluation
    assert record is not None
    assert ("Fashion-MNIST", "accuracy", record.accuracy) in results
    assert (data.license, data.library_name, data.pipeline_tag) == ("mit", "keras", "image-classification")


def test_card_says_what_not_to_do(published: ModelCard) -> None:
    """The uses that it is not for are in it, with the share of errors and the outliers accepted most often."""
    uses = published.text.partition("## Uses")[2].partition("\n## ")[0]
    assert "Do not use it:" in uses
    assert "of the test images are classified wrongly" in uses
    assert "Of the kinds measured, these are accepted most often: " in uses


def test_licence_of_others_models_is_not_known(tmp_path: Path) -> None:
    """The card of a model that is not the project's states no licence, and of other data no score on Fashion-MNIST."""
    write_manifest(tmp_path / "pets.h5", make_manifest("pets", labels=("cat", "dog")))
    data = ModelCard(render_folder(tmp_path / "pets.h5")).data
    assert isinstance(data, ModelCardData)
    assert (data.library_name, data.license, data.datasets, data.eval_results) == ("keras", None, None, None)
