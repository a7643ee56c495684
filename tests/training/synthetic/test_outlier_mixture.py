from collections.abc import Mapping

import numpy as np
import pytest

from fashion_api.training.synthetic.alterations import REPORT_ALTERATIONS, TRAINING_ALTERATIONS, draw_turned
from fashion_api.training.synthetic.outlier_mixture import SHARES, draw_training_outliers
from fashion_api.training.synthetic.outliers import CHOOSING_FAMILIES, TRAINING_FAMILIES, Draw
from fashion_api.training.synthetic.silhouettes import ICONS, REPORT_SILHOUETTES, TRAINING_SILHOUETTES

ARTICLES = np.random.default_rng(3).integers(0, 256, (30, 28, 24), dtype=np.uint8)
FAMILIES: Mapping[str, Draw] = {
    **TRAINING_FAMILIES,
    **CHOOSING_FAMILIES,
    **TRAINING_ALTERATIONS,
    **REPORT_ALTERATIONS,
    **TRAINING_SILHOUETTES,
    **REPORT_SILHOUETTES,
}
families = pytest.mark.parametrize("name", FAMILIES)


@families
@pytest.mark.parametrize("shape", [(28, 28), (6, 9), (2, 2), (1, 1), (6, 9, 3), (1, 1, 3)], ids=str)
def test_outlier_has_the_size_of_the_articles(name: str, shape: tuple[int, ...]) -> None:
    """Each family draws uint8 images of the size that the articles have, whatever that is."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        image = FAMILIES[name](rng, np.full((2, *shape), 90, np.uint8))
        assert image.shape == shape
        assert image.dtype == np.uint8


@families
def test_same_generator_state_draws_the_same_outlier(name: str) -> None:
    """An outlier depends on the articles and the state of the random generator alone."""
    first, second = (FAMILIES[name](np.random.default_rng(8), ARTICLES) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@families
def test_family_draws_various_outliers(name: str) -> None:
    """Nearly all of a family's images differ."""
    rng = np.random.default_rng(0)
    assert len({FAMILIES[name](rng, ARTICLES).tobytes() for _ in range(20)}) > 15  # a constant may come twice


@families
def test_outliers_in_colour_are_neither_all_grey_nor_all_coloured(name: str) -> None:
    """In colour, a family that alters articles keeps their colours; of one that draws, some images are grey."""
    rng = np.random.default_rng(0)
    articles = np.random.default_rng(3).integers(0, 256, (10, 12, 12, 3), dtype=np.uint8)
    is_grey = [bool((image == image[..., :1]).all()) for image in (FAMILIES[name](rng, articles) for _ in range(40))]
    takes_articles = name in {*TRAINING_ALTERATIONS, *REPORT_ALTERATIONS, "shuffled", "crops", "tiles"}
    assert sum(is_grey) == 0 if takes_articles else 0 < sum(is_grey) < 30


def test_report_keeps_families_that_training_does_not_show() -> None:
    """No family of the report, and no sign of its icons, is in training."""
    trained = {**TRAINING_FAMILIES, **TRAINING_ALTERATIONS, **TRAINING_SILHOUETTES}
    reported = {**REPORT_ALTERATIONS, **REPORT_SILHOUETTES}
    assert not trained.keys() & reported.keys()
    assert not set(trained.values()) & set(reported.values())
    assert len(set(ICONS)) == len(ICONS)


def test_turned_article_never_stands_upright() -> None:
    """A turned article has its bright top edge elsewhere."""
    article = np.zeros((1, 28, 28), np.uint8)
    article[:, :4] = 255
    rng = np.random.default_rng(0)
    assert all(draw_turned(rng, article)[:4].mean() < 200 for _ in range(60))


def test_shares_are_of_all_trained_families() -> None:
    """Every trained family has a share, and the shares sum to 1."""
    assert sum(SHARES.values()) == pytest.approx(1)
    assert SHARES.keys() == {*TRAINING_FAMILIES, *TRAINING_ALTERATIONS, *TRAINING_SILHOUETTES, "nonsense"}


def test_no_article_is_turned_where_that_is_no_outlier() -> None:
    """An article that is bright above is bright at a side only where turned articles are outliers."""
    article = np.zeros((28, 28), np.uint8)
    article[:14] = 255
    with_turned, without = (
        draw_training_outliers(300, articles=article[None], rng=np.random.default_rng(0), with_turned=is_turned)
        for is_turned in (True, False)
    )
    assert (with_turned == article.T).all(axis=(1, 2)).any()
    assert not (without == article.T).all(axis=(1, 2)).any()


def test_training_outliers_are_drawn_alike_from_the_same_state() -> None:
    """The requested number is drawn, of the articles' size, and the same from the same generator state."""
    first, second = (draw_training_outliers(60, articles=ARTICLES, rng=np.random.default_rng(4)) for _ in range(2))
    assert first.shape == (60, 28, 24)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
