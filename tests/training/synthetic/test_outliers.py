import numpy as np
import pytest

from fashion_api.training.synthetic.outliers import (
    CHOOSING_FAMILIES,
    CHOOSING_FONTS,
    REPORT_FONTS,
    TRAINING_FAMILIES,
    TRAINING_FONTS,
    draw_glyph,
)

ARTICLES = np.random.default_rng(3).integers(0, 256, (30, 28, 24), dtype=np.uint8)


def test_shuffled_article_has_the_articles_pixels() -> None:
    """Shuffling moves an article's patches and adds no pixel to them."""
    articles = ARTICLES[:1]
    image = TRAINING_FAMILIES["shuffled"](np.random.default_rng(0), articles)

    assert (image != articles[0]).any()
    assert np.isin(image, np.append(articles[0], 0)).all()


def test_fonts_serve_one_purpose_each() -> None:
    """No font is used for more than one of training, choosing and the report."""
    fonts = (*TRAINING_FONTS, *CHOOSING_FONTS, *REPORT_FONTS)

    assert len(set(fonts)) == len(fonts)


@pytest.mark.parametrize("font", [*TRAINING_FONTS, *CHOOSING_FONTS, *REPORT_FONTS])
def test_every_font_has_the_glyphs(font: str) -> None:
    """Each font exists, and has glyphs."""
    draw = draw_glyph((font,))
    rng = np.random.default_rng(0)

    assert all(draw(rng, ARTICLES).max() > 60 for _ in range(10))


def test_nothing_is_both_trained_and_chosen_on() -> None:
    """A method is chosen on other families than training uses."""
    assert not TRAINING_FAMILIES.keys() & CHOOSING_FAMILIES.keys()
    assert not set(TRAINING_FAMILIES.values()) & set(CHOOSING_FAMILIES.values())


def test_tiles_repeat_one_article() -> None:
    """A tiled image is one article, made small, over and over."""
    image = CHOOSING_FAMILIES["tiles"](np.random.default_rng(0), np.full((1, 12, 12), 90, np.uint8))

    assert (image == 90).all()
