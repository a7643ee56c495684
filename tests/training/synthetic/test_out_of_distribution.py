import gzip
from pathlib import Path

import numpy as np
import pytest

from fashion_api.errors import DataError
from fashion_api.training.synthetic.out_of_distribution import (
    DIGITS,
    MET,
    TURNED,
    blend_pairs,
    draw_plain_bands,
    join_halves,
    load_digits,
    make_out_of_distribution,
    turn,
)
from tests.idx import encode_idx

ARTICLES = np.random.default_rng(4).integers(0, 256, (12, 6, 5), dtype=np.uint8)
CLASSES = np.arange(12) % 3
DIGIT_IMAGES = np.random.default_rng(5).integers(0, 256, (4, 6, 5), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)], ids=["grey", "colour"])
def test_every_kind_has_the_articles_size(shape: tuple[int, ...]) -> None:
    """All images of the report are uint8 and of the test images' size, and in colour where these are."""
    articles = np.random.default_rng(4).integers(0, 256, (12, *shape), dtype=np.uint8)
    kinds = make_out_of_distribution(articles, CLASSES, digits=None, drawn=9)
    assert {(images.shape[1:], images.dtype) for images in kinds.values()} == {(shape, np.dtype(np.uint8))}


def test_kinds_are_the_same_every_time() -> None:
    """The images are the same in every report."""
    first, second = (make_out_of_distribution(ARTICLES, CLASSES, digits=None, drawn=9) for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)


def test_digits_are_reported_where_they_are_at_hand() -> None:
    """With digits, there is one more kind."""
    with_digits, without = (
        make_out_of_distribution(ARTICLES, CLASSES, digits=digits, drawn=9).keys() for digits in (DIGIT_IMAGES, None)
    )
    assert with_digits - without == {DIGITS}


def test_altered_articles_are_the_articles() -> None:
    """Inverted, black is white; upside down, the first row is the last."""
    kinds = make_out_of_distribution(ARTICLES, CLASSES, digits=None, drawn=9)
    np.testing.assert_array_equal(255 - kinds["inverted"], ARTICLES)
    np.testing.assert_array_equal(kinds["upside down"][:, 0], ARTICLES[:, -1])


def test_constant_images_have_every_grey() -> None:
    """There is one constant image of each grey."""
    constant = make_out_of_distribution(ARTICLES, CLASSES, digits=None, drawn=9)["constant"]
    assert (constant == np.arange(256)[:, None, None]).all()


def test_blends_are_of_two_classes() -> None:
    """A blend is the mean of two articles, which are never of one class."""
    articles = np.stack([np.full((2, 2), grey, np.uint8) for grey in (10, 10, 201)])
    blends = blend_pairs(articles, np.array([0, 0, 1]), 50, np.random.default_rng(0))
    assert np.unique(blends).tolist() == [106]


def test_square_articles_are_turned_in_four_ways() -> None:
    """Articles of another shape are turned by 180° only, as the others would not have their size."""
    square = ARTICLES[:, :5]
    assert turn(ARTICLES).keys() == {"turned by 180°"}
    assert turn(square).keys() == {"turned by 180°", "turned by 90°", "turned by 270°", "transposed"}
    np.testing.assert_array_equal(turn(square)["turned by 90°"][:, -1], square[:, :, 0])


def test_halves_are_of_two_classes() -> None:
    """The upper half is the article's, and the lower half is of an article of another class."""
    articles = np.repeat((CLASSES * 20).astype(np.uint8), 36).reshape(-1, 6, 6)
    joined = join_halves(articles, CLASSES, np.random.default_rng(0))
    np.testing.assert_array_equal(joined[:, :3], articles[:, :3])
    assert (joined[:, 3, 0] != articles[:, 3, 0]).all()


def test_constant_images_in_colour_differ() -> None:
    """There are as many constant images in colour as greys, all different, and some of a colour."""
    constant = make_out_of_distribution(ARTICLES[..., np.newaxis].repeat(3, axis=-1), CLASSES, digits=None, drawn=9)[
        "constant"
    ]
    assert len({tuple(image[0, 0].tolist()) for image in constant}) == 256
    assert (constant.std(axis=-1) > 0).any()


def test_other_data_has_no_turned_images() -> None:
    """Images that are turned are left out where they may be of a class; all other kinds are the same."""
    every = make_out_of_distribution(ARTICLES[:, :5], CLASSES, digits=None, drawn=2)
    others = make_out_of_distribution(ARTICLES[:, :5], CLASSES, digits=None, drawn=2, with_turned=False)
    assert every.keys() - others.keys() == TURNED
    assert all((every[name] == images).all() for name, images in others.items())


def test_digits_for_a_model_in_colour_have_three_equal_channels(tmp_path: Path) -> None:
    """Digits become images in colour for a model that takes those."""
    (tmp_path / "digits").write_bytes(encode_idx(DIGIT_IMAGES))
    digits = load_digits(tmp_path / "digits", (6, 5, 3))
    assert digits is not None
    np.testing.assert_array_equal(digits, np.stack([DIGIT_IMAGES] * 3, axis=-1))


def test_bands_cross_the_whole_image() -> None:
    """Each band is twelve rows or columns of one grey on black, rows 8 to 19 at 200 among them."""
    bands = draw_plain_bands((28, 28))
    wanted = np.zeros((28, 28), np.uint8)
    wanted[8:20] = 200
    assert (bands == wanted).all(axis=(1, 2)).any()
    assert ((bands > 0).sum(axis=(1, 2)) == 12 * 28).all()
    assert len({band.tobytes() for band in bands}) == len(bands) == 4 * 2 * 17


def test_kinds_like_those_of_training_are_in_the_report() -> None:
    """Every kind that is marked as met is one of the report's."""
    assert make_out_of_distribution(ARTICLES[:, :5], CLASSES, digits=None, drawn=2).keys() >= MET


@pytest.mark.parametrize("name", ["digits-idx3-ubyte", "digits-idx3-ubyte.gz"])
def test_digits_are_read(tmp_path: Path, name: str) -> None:
    """Digits are read as they were published, compressed or not."""
    content = encode_idx(DIGIT_IMAGES)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    np.testing.assert_array_equal(load_digits(tmp_path / name, (6, 5)), DIGIT_IMAGES)


def test_no_digits_is_no_error() -> None:
    """Without a file of digits there are none."""
    assert load_digits(None, (6, 5)) is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none", None, "cannot be read"),
        ("text", b"digits", "not an IDX file"),
        ("labels", encode_idx(np.zeros(5, np.uint8)), "not an IDX file of unsigned bytes in 3"),
        ("broken.gz", b"\x1f\x8b\x08 cut short", "cannot be read"),
        ("larger", encode_idx(np.zeros((2, 7, 5), np.uint8)), "2×7×5 pixels, not images of 6×5"),
        ("empty", encode_idx(np.zeros((0, 6, 5), np.uint8)), "0×6×5"),
    ],
    ids=["missing", "text", "labels", "broken gzip", "another size", "empty"],
)
def test_file_that_holds_no_digits_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    """A file that is missing, or holds no images of the model's size, is an error that names the setting."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"FASHION_DIGITS_FILE: .*{message}"):
        load_digits(tmp_path / name, (6, 5))
