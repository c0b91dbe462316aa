"""The drawn pictures, and the shapes that they are drawn with."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch

from convsim.data import CIFAR10_CLASSES
from convsim.drawing import BLUR, FINE, SIDE, Canvas
from convsim.photographs import photograph
from convsim.pictures import PICTURES, picture

SUMS = {
    "airplane": 4229270158,
    "automobile": 2755099776,
    "bird": 1438481250,
    "cat": 15303521,
    "deer": 971229154,
    "dog": 3423936492,
    "frog": 4061025645,
    "horse": 528255023,
    "ship": 3535732873,
    "truck": 2352426964,
}


def levels(name: str) -> np.ndarray:
    return (255 * picture(name)).round().to(torch.uint8).numpy()


def neighbours(x: torch.Tensor) -> list[float]:
    """The correlation of pixels with those to their right, and with those below."""
    pairs = ((x[:, :, 1:], x[:, :, :-1]), (x[:, 1:], x[:, :-1]))
    return [float(np.corrcoef(a.flatten(), b.flatten())[0, 1]) for a, b in pairs]


def test_there_is_a_picture_for_each_class_of_cifar10() -> None:
    assert PICTURES == CIFAR10_CLASSES
    assert torch.equal(picture(), picture("ship"))
    assert len({levels(name).tobytes() for name in PICTURES}) == 10


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_the_same_8_bit_levels_everywhere(name: str) -> None:
    x = picture(name)
    assert x.shape == (3, 32, 32)
    assert x.dtype == torch.float64
    assert 0 <= x.min() < 0.25 < 0.75 < x.max() <= 1
    assert torch.equal((255 * x).round() / 255, x)
    assert zlib.crc32(levels(name).tobytes()) == SUMS[name]


@pytest.mark.parametrize("name", PICTURES)
def test_neighbouring_pixels_are_as_alike_as_in_a_photograph(name: str) -> None:
    flower = neighbours(photograph("flower", 32, colour=True))
    assert min(neighbours(picture(name))) > 0.8
    assert max(neighbours(picture(name))) < 0.99
    assert np.mean(neighbours(picture(name))) == pytest.approx(np.mean(flower), abs=0.05)


def test_an_unknown_picture_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError) as error:
        picture("china")
    assert str(error.value) == (
        "no picture is called 'china'; choose one of airplane, automobile, bird, cat, deer, dog, "
        "frog, horse, ship, truck"
    )


def test_shapes_have_their_areas() -> None:
    """πab, the shoelace formula, and a band with two half discs for ends, in finished pixels."""

    def area(painted: Canvas) -> float:
        return float((painted.levels[..., 0] > 0).sum()) / FINE**2

    def drawn(shape: str, *args: object) -> Canvas:
        canvas = Canvas(seed=0)
        getattr(canvas, shape)(*args, (100, 100, 100))
        return canvas

    assert area(drawn("ellipse", (15, 17), (9, 4))) == pytest.approx(np.pi * 36, rel=0.01)
    corners = [(2, 3), (20, 1), (29, 30), (12, 12)]
    x, y = np.transpose(corners)
    shoelace = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert area(drawn("polygon", corners)) == pytest.approx(shoelace, rel=0.01)
    limb = drawn("limb", [(6, 8), (18, 24)], [4, 4])
    assert area(limb) == pytest.approx(4 * 20 + np.pi * 4, rel=0.01)
    assert area(drawn("box", 3, 4, 10, 6.5)) == 7 * 2.5


def test_light_falls_from_above_and_what_comes_later_covers() -> None:
    canvas = Canvas(seed=0)
    canvas.box(0, 0, 32, 32, (200, 100, 50))
    canvas.ellipse((16, 16), (8, 8), (100, 100, 100), 0.5)
    finished = canvas.picture()
    assert finished[9, 16, 0] > finished[16, 16, 0] > finished[22, 16, 0]
    assert finished[16, 2].argmax() == 0
    assert np.ptp(finished[16, 16]) == 0


def test_the_finished_picture_is_a_mean_over_squares() -> None:
    canvas = Canvas(seed=0)
    canvas.levels = np.random.default_rng(0).uniform(-20, 280, canvas.levels.shape)
    fine = np.clip(canvas.levels, 0, 255).round()
    finished = canvas.picture()
    assert finished.shape == (SIDE, SIDE, 3)
    for i, j in ((1, 1), (7, 30), (16, 16)):
        rows, columns = (slice(FINE * n - BLUR, FINE * (n + 1) + BLUR) for n in (i, j))
        assert np.abs(finished[i, j] - fine[rows, columns].mean(axis=(0, 1))).max() <= 0.5 + 1e-9
