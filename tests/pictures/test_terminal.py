"""Pictures as text."""

import numpy as np

from fashion_api.pictures.terminal import draw_colour, draw_compact, draw_plain

STEPS = np.array([[0, 255], [128, 0], [255, 64]], np.uint8)


def test_colour_has_two_pixels_a_character() -> None:
    """The upper half of a character is one pixel, the lower half the next row's; a row left over meets black."""
    lines = draw_colour(STEPS).splitlines()
    assert lines == [
        "\x1b[38;2;0;0;0m\x1b[48;2;128;128;128m▀\x1b[38;2;255;255;255m\x1b[48;2;0;0;0m▀\x1b[0m",
        "\x1b[38;2;255;255;255m\x1b[48;2;0;0;0m▀\x1b[38;2;64;64;64m\x1b[48;2;0;0;0m▀\x1b[0m",
    ]


def test_plain_has_two_characters_a_pixel() -> None:
    """Where there is no colour, ten shades of characters are used, two a pixel for a square."""
    assert draw_plain(STEPS).splitlines() == ["  @@", "++", "@@::"]


def test_colours_are_drawn() -> None:
    """A picture in colour is drawn in its colours; in shades, by their luma."""
    red_over_green = np.array([[(255, 0, 0)], [(0, 255, 0)]], np.uint8)
    assert draw_colour(red_over_green) == "\x1b[38;2;255;0;0m\x1b[48;2;0;255;0m▀\x1b[0m"
    assert draw_plain(red_over_green).splitlines() == ["::", "++"]
    assert draw_compact(red_over_green) == "="
