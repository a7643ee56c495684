import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.images import Images
from fashion_api.training.synthetic.nonsense import climb, draw_genomes, draw_nonsense, mutate, render, search


@pytest.mark.parametrize("shape", [(28, 28), (7, 5), (1, 1), (7, 5, 3)], ids=str)
def test_nonsense_is_drawn_in_the_size_asked_for(shape: tuple[int, ...]) -> None:
    """Shapes are drawn as uint8 images of any size."""
    images = draw_nonsense(5, shape=shape, rng=np.random.default_rng(0))
    assert images.shape == (5, *shape)
    assert images.dtype == np.uint8


def test_same_genes_draw_the_same_picture() -> None:
    """A picture depends on its genes alone, and other genes draw other pictures."""
    genomes = draw_genomes(30, (28, 28), np.random.default_rng(0))
    np.testing.assert_array_equal(render(genomes, (28, 28)), render(genomes[::-1], (28, 28))[::-1])
    assert len({image.tobytes() for image in render(genomes, (28, 28))}) == 30


def test_nonsense_in_colour_has_one_form_and_many_colours() -> None:
    """The channels of a picture show the same shapes, each in greys of its own; a black background is black in all."""
    images = draw_nonsense(60, shape=(28, 28, 3), rng=np.random.default_rng(0))
    assert (images.std(axis=-1).max(axis=(1, 2)) > 20).mean() > 0.9
    assert ((images == 0).all(axis=-1).any(axis=(1, 2))).mean() > 0.5


def test_climb_in_colour_changes_the_colours() -> None:
    """A climb towards red finds a redder picture than chance does."""

    def score(images: Images) -> npt.NDArray[np.float64]:
        reds: npt.NDArray[np.float64] = images[..., 0].mean(axis=(1, 2)) - images[..., 1:].mean(axis=(1, 2, 3))
        return reds

    _, reached = climb(score, shape=(8, 8, 3), queries=600, rng=np.random.default_rng(0))
    assert reached > score(draw_nonsense(600, shape=(8, 8, 3), rng=np.random.default_rng(0))).max()


def test_large_pictures_are_drawn_in_parts() -> None:
    """Pictures too large to be drawn all at once are those that are drawn one by one."""
    genomes = draw_genomes(3, (1500, 1500), np.random.default_rng(0))
    one_by_one = np.concatenate([render(genomes[index : index + 1], (1500, 1500)) for index in range(3)])
    np.testing.assert_array_equal(render(genomes, (1500, 1500)), one_by_one)


def test_mutation_changes_some_genes_of_each_picture() -> None:
    """Every picture has a gene changed, most genes stay, and all stay within 0 and 1."""
    genomes = draw_genomes(200, (28, 28), np.random.default_rng(0))
    mutated = mutate(genomes, np.random.default_rng(1))
    changed = mutated != genomes
    assert (changed.sum(axis=1) >= 1).mean() > 0.98  # a gene at 0 may be moved below, and stays
    assert changed.mean() < 0.4
    assert ((mutated >= 0) & (mutated <= 1)).all()


def test_climb_finds_better_than_chance_within_its_queries() -> None:
    """A climb rates no more pictures than allowed, and ends higher than as many random pictures."""
    asked: list[int] = []

    def score(images: Images) -> npt.NDArray[np.float64]:  # a bright upper half above a dark lower one
        asked.append(len(images))
        means: npt.NDArray[np.float64] = images[:, :14].mean(axis=(1, 2)) - images[:, 14:].mean(axis=(1, 2))
        return means

    _, reached = climb(score, shape=(28, 28), queries=530, rng=np.random.default_rng(0))
    by_chance = score(draw_nonsense(530, shape=(28, 28), rng=np.random.default_rng(0))).max()
    assert sum(asked[:-1]) == 530
    assert reached > by_chance


def test_climb_returns_the_picture_with_its_score() -> None:
    """The returned genes draw a picture that has the returned score."""

    def score(images: Images) -> npt.NDArray[np.float64]:
        means: npt.NDArray[np.float64] = images.mean(axis=(1, 2))
        return means

    genome, reached = climb(score, shape=(28, 28), queries=300, rng=np.random.default_rng(0))
    assert score(render(genome[None], (28, 28)))[0] == reached


def test_search_gives_pictures_that_come_near() -> None:
    """All pictures found score high for a class, and they are more than random pictures would give."""

    def score(images: Images) -> npt.NDArray[np.float64]:  # two classes: bright above, bright below
        upper, lower = images[:, :14].mean(axis=(1, 2)) / 255, images[:, 14:].mean(axis=(1, 2)) / 255
        return np.stack((upper - lower, lower - upper), axis=1).clip(0, 1)

    found = search(score, shape=(28, 28), rng=np.random.default_rng(0))
    assert (score(found).max(axis=1) > 0.5).all()
    assert (score(found) > 0.5).any(axis=0).all()
    assert len(found) > 2 * (score(draw_nonsense(1360, shape=(28, 28), rng=np.random.default_rng(0))) > 0.5).sum()


def test_search_may_find_nothing() -> None:
    """If no picture scores high, none is found."""
    found = search(lambda images: np.zeros((len(images), 3)), shape=(28, 28), rng=np.random.default_rng(0))
    assert found.shape == (0, 28, 28)
