"""The picture of a classified example: sizes, bars and their colours."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from kvision.systems.classification import _picture
from kvision.systems.classification._picture import NEUTRAL, PANEL_PX, RIGHT, WRONG

NAMES = ("cat", "dog", "a class whose name is longer than there is room for", "fish")
PROBABILITIES = np.array([0.6, 0.05, 0.25, 0.1])


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def draw(truth: list[int] | None, several: bool = False, side: int = 28, probabilities: np.ndarray = PROBABILITIES) -> np.ndarray:
    return np.asarray(_picture.beside(image(side, side), probabilities, truth, NAMES, several=several))


def bars(pixels: np.ndarray, colour: tuple[int, int, int]) -> list[int]:
    """Lengths of the bars of a colour, from top to bottom."""
    found = (pixels == colour).all(axis=-1).sum(axis=1)
    begins = np.flatnonzero((found > 0) & (np.roll(found, 1) == 0))
    return [int(found[begin : begin + _picture.BAR_PX].max()) for begin in begins]


@pytest.mark.parametrize(
    ("truth", "several", "colours"),
    [
        ([0], False, {RIGHT: [0.6], WRONG: [], NEUTRAL: [0.25, 0.1]}),
        ([2], False, {RIGHT: [0.25], WRONG: [0.6], NEUTRAL: [0.1]}),
        (None, False, {RIGHT: [], WRONG: [], NEUTRAL: [0.6, 0.25, 0.1]}),
        ([0, 3], True, {RIGHT: [0.6, 0.1], WRONG: [], NEUTRAL: [0.25]}),
        ([], True, {RIGHT: [], WRONG: [0.6], NEUTRAL: [0.25, 0.1]}),
    ],
)
def test_bars_are_as_long_as_the_probabilities_and_coloured_by_the_truth(truth, several, colours) -> None:
    pixels = draw(truth, several)
    for colour, shares in colours.items():
        assert bars(pixels, colour) == pytest.approx([share * PANEL_PX for share in shares], abs=1)


def test_of_several_classes_none_needs_to_be_said() -> None:
    assert bars(draw([], several=True, probabilities=np.array([0.4, 0.1, 0.3, 0.2])), WRONG) == []


@pytest.mark.parametrize(("side", "shown"), [(8, 112), (28, 112), (32, 128), (224, 224), (600, 224)])
def test_small_images_are_enlarged_sharply_and_large_ones_reduced(side, shown) -> None:
    pixels = draw([0], side=side)
    assert pixels.shape[1] == shown + PANEL_PX + 3 * _picture.GAP_PX
    top = (pixels.shape[0] - shown) // 2
    left = pixels[top : top + shown, :shown]
    if shown >= side:
        np.testing.assert_array_equal(left, image(side, side).repeat(shown // side, axis=0).repeat(shown // side, axis=1))
    else:
        assert left.std() > 5


def test_a_flat_image_leaves_room_for_the_text() -> None:
    pixels = np.asarray(_picture.beside(image(10, 200), PROBABILITIES, [1], NAMES, several=False))
    assert pixels.shape == (_picture.TITLE_PX + 3 * _picture.ROW_PX, 200 + PANEL_PX + 3 * _picture.GAP_PX, 3)


def test_text_stays_within_its_room() -> None:
    font = ImageFont.load_default(13)
    assert _picture._cut("cat", font, 100) == "cat"
    cut = _picture._cut(NAMES[2], font, 100)
    assert cut.endswith("…")
    assert 80 < font.getlength(cut) <= 100
    assert (draw([2])[:, -_picture.GAP_PX :] == 255).all()


def test_a_network_that_has_lost_itself_is_drawn_all_the_same() -> None:
    pixels = draw([0], probabilities=np.full(4, np.nan))
    assert [bars(pixels, colour) for colour in (RIGHT, WRONG, NEUTRAL)] == [[], [], []]


def test_two_classes_have_two_bars() -> None:
    pixels = np.asarray(_picture.beside(image(28, 28), np.array([0.2, 0.8]), [1], NAMES[:2], several=False))
    assert bars(pixels, RIGHT) == pytest.approx([0.8 * PANEL_PX], abs=1)
    assert bars(pixels, NEUTRAL) == pytest.approx([0.2 * PANEL_PX], abs=1)
