import numpy as np
import pytest

from fashion_api.training.synthetic.poor_pictures import MET, UNMET

ARTICLES = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
KINDS = {**MET, **UNMET}


@pytest.mark.parametrize("shape", [(28, 28), (9, 6)], ids=str)
@pytest.mark.parametrize("name", KINDS)
def test_poor_pictures_have_the_articles_size(name: str, shape: tuple[int, int]) -> None:
    """Each kind gives as many uint8 images as it takes, of the same size."""
    articles = np.resize(ARTICLES, (5, *shape))
    poor = KINDS[name](articles)
    assert (poor.shape, poor.dtype) == (articles.shape, articles.dtype)


@pytest.mark.parametrize("name", KINDS)
def test_poor_pictures_are_the_same_every_time(name: str) -> None:
    """The same articles give the same pictures in every report."""
    np.testing.assert_array_equal(KINDS[name](ARTICLES), KINDS[name](ARTICLES))


def test_kind_is_met_or_unmet() -> None:
    """No kind is both one that training resembles and one that it never shows."""
    assert not MET.keys() & UNMET.keys()


def test_small_article_lies_in_the_middle() -> None:
    """An article is shrunk to 20×20 pixels, with four black pixels on each side."""
    small = MET["shrunk to five sevenths"](np.full((1, 28, 28), 200, np.uint8))
    assert (small[0, 4:24, 4:24] == 200).all()
    assert small.sum() == 20 * 20 * 200


def test_background_alone_becomes_grey() -> None:
    """Pixels below 10 become the grey, and the others stay."""
    images = np.array([[[0, 9], [10, 200]]], np.uint8)
    assert MET["background 30"](images).tolist() == [[[30, 30], [10, 200]]]
