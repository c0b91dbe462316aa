"""Ten small pictures that need no data set: drawn by code, one for each class of CIFAR-10."""

from __future__ import annotations

import numpy as np
import torch

from convsim.drawing import BLACK, WHITE, Canvas


def picture(name: str = "ship") -> torch.Tensor:
    """Return one of ten small colour pictures of our own making, such as CIFAR-10 has.

    Simple shapes with shading lie before a soft background, with a little noise, drawn eight times
    as fine as the result; overlapping squares are averaged, as a lens does, and rounded to the 256
    levels of an 8-bit picture, so that the values are the same everywhere.

    Args:
        name: one of ``PICTURES``, the ten classes of CIFAR-10 in its order: ``"airplane"``,
            ``"automobile"``, ``"bird"``, ``"cat"``, ``"deer"``, ``"dog"``, ``"frog"``, ``"horse"``,
            ``"ship"``, ``"truck"``.

    Returns:
        A float64 tensor of shape (3, 32, 32), with values in [0, 1], each a multiple of 1/255.

    Raises:
        ValueError: for another name.

    Example:
        >>> x = picture("frog")
        >>> x.shape, x.dtype
        (torch.Size([3, 32, 32]), torch.float64)
    """
    if name not in PICTURES:
        raise ValueError(f"no picture is called {name!r}; choose one of {', '.join(PICTURES)}")
    canvas = Canvas(seed=PICTURES.index(name))
    _DRAWINGS[name](canvas)
    return torch.from_numpy(np.moveaxis(canvas.picture(), 2, 0) / 255)


def _airplane(p: Canvas) -> None:
    p.ground([(72, 124, 190), (122, 168, 218), (186, 212, 234)])
    for x, y, r in [(5, 27, 6), (12, 29, 7), (28, 25, 5), (25, 5, 4)]:
        p.ellipse((x, y), (r, r / 2.6), (222, 231, 240), 0.05)
    p.polygon([(14.5, 15), (19, 14), (21.5, 6), (19.5, 6)], (150, 158, 170))
    p.limb([(4.5, 18.2), (9, 17), (22, 14), (29, 11.5)], [2.2, 4.2, 4, 1.2], WHITE, 0.3)
    p.polygon([(24, 13.2), (28.2, 12), (30.6, 4), (28.4, 4.2)], (196, 48, 44))
    p.polygon([(25.5, 13.5), (28, 12.6), (31, 15.4), (29.6, 16)], (176, 182, 192))
    p.polygon([(12.5, 17.6), (18.5, 16), (26.5, 26.2), (24, 27)], (188, 194, 204), 0.2)
    p.limb([(14.6, 21.4), (17.4, 20.8)], [2.2, 2], (98, 104, 116))
    p.limb([(9, 16.2), (22, 13.2)], [0.5, 0.5], (64, 84, 120))
    p.limb([(5, 17.4), (6.6, 16.8)], [0.8, 0.9], (40, 54, 78))


def _automobile(p: Canvas) -> None:
    p.ground([(170, 196, 216), (196, 208, 210)], 0, 11)
    p.ground([(66, 92, 58), (84, 104, 62)], 8, 19, clouds=0.2)
    p.ground([(128, 126, 124), (98, 97, 98)], 18)
    p.ellipse((16, 25.4), (14, 1.6), (52, 52, 54), 0)
    p.polygon([(8.5, 15.5), (12, 9.6), (21, 9.4), (25.6, 15.5)], (176, 26, 30))
    p.polygon([(10.4, 15), (12.9, 10.8), (15.9, 10.7), (15.9, 15)], (60, 78, 96), 0.3)
    p.polygon([(17, 15), (17, 10.7), (20.4, 10.7), (23.6, 15)], (60, 78, 96), 0.3)
    p.limb([(4.4, 18), (16, 17.4), (27.6, 18)], [5, 5.6, 5], (204, 32, 34), 0.3)
    p.box(2.6, 18.6, 29.6, 22.6, (172, 24, 28))
    p.box(2.2, 21.6, 30, 23, (60, 22, 24))
    p.limb([(4, 16.9), (28, 16.9)], [0.5, 0.5], (238, 120, 110), 0)
    p.ellipse((3.4, 18.6), (1.1, 0.9), (250, 240, 190), 0)
    p.ellipse((29, 18.6), (0.8, 0.9), (120, 10, 14), 0)
    p.wheel(8.6, 22.8, 3.1)
    p.wheel(23.6, 22.8, 3.1)


def _bird(p: Canvas) -> None:
    p.ground([(150, 178, 120), (122, 158, 96), (98, 134, 84)], clouds=0.14)
    p.limb([(0, 27.5), (14, 26), (32, 27.8)], [2, 2.4, 1.6], (96, 70, 50))
    p.polygon([(20, 17), (24, 20.6), (31.2, 27.8), (28.4, 29.6), (19, 23)], (88, 72, 62))
    p.limb([(14.6, 22), (14.2, 26)], [0.7, 0.6], (110, 76, 50))
    p.limb([(17.6, 22), (17.8, 26)], [0.7, 0.6], (110, 76, 50))
    p.ellipse((15.8, 17), (7, 6.6), (122, 98, 80))
    p.ellipse((13, 18), (5, 5.6), (222, 112, 46))
    p.ellipse((15, 22), (4.4, 1.8), (226, 212, 192), 0)
    p.ellipse((11, 9.6), (4.6, 4.4), (116, 92, 76))
    p.ellipse((9.8, 11.4), (3, 2.8), (222, 112, 46), 0)
    p.polygon([(6.9, 8.6), (2.8, 10.4), (7, 11)], (64, 54, 44))
    p.limb([(18, 14.4), (22, 19), (25.4, 23.4)], [5.6, 4.4, 1], (80, 64, 56), 0.3)
    p.limb([(17.6, 17.2), (23, 22)], [0.6, 0.5], (168, 146, 124), 0)
    p.eye(9.4, 8.8, 0.95, BLACK)


def _cat(p: Canvas) -> None:
    p.ground([(186, 168, 150), (170, 150, 132), (120, 98, 84)])
    fur, dark = (176, 128, 78), (112, 76, 44)
    p.limb([(24, 29), (28.6, 25), (28, 19)], [4, 3.4, 2.4], dark)
    p.ellipse((16, 29.5), (9.6, 10.5), fur)
    p.ellipse((16, 29.5), (4.6, 8), (226, 208, 184), 0.1)
    for side in (-1, 1):
        p.polygon([(16 + 9.4 * side, 1.4), (16 + 8.8 * side, 12), (16 + 2 * side, 6.4)], dark)
        p.polygon(
            [(16 + 8 * side, 4.4), (16 + 7.4 * side, 9.4), (16 + 4 * side, 7)], (214, 150, 140)
        )
    p.ellipse((16, 13), (9.6, 8.2), fur)
    for x in (13.2, 16, 18.8):
        p.limb([(x, 5.4), (16 + (x - 16) * 0.6, 9)], [1.3, 0.8], dark)
    for side in (-1, 1):
        for y in (14.6, 16.8):
            p.limb([(16 + 9 * side, y), (16 + 6.2 * side, y)], [1, 0.6], dark)
        p.ellipse((16 + 2 * side, 17.4), (2.9, 2.3), (234, 218, 198), 0.1)
        p.ellipse((16 + 4.2 * side, 12), (2.2, 1.9), (164, 190, 84), 0)
        p.ellipse((16 + 4.2 * side, 12), (0.7, 1.8), BLACK, 0)
    p.polygon([(14.7, 15), (17.3, 15), (16, 16.6)], (206, 112, 108))
    p.limb([(16, 16.4), (16, 18.4)], [0.5, 0.5], dark)


def _deer(p: Canvas) -> None:
    p.ground([(60, 82, 52), (78, 100, 60), (104, 122, 70)], 0, 21, clouds=0.25)
    for x in (3, 13.5, 29.5):
        p.limb([(x, 0), (x + 0.4, 20)], [2, 2.4], (58, 50, 40))
    p.ground([(134, 148, 78), (112, 128, 62)], 20, clouds=0.14)
    coat, dark = (178, 124, 76), (134, 90, 54)
    for x, foot in ((15, 14.4), (25.6, 27)):
        p.limb([(x, 20), (foot, 25), (foot + 0.3, 29.6)], [2, 1.2, 1], dark)
    p.ellipse((20, 18.2), (8.4, 4.1), coat, 0.3)
    for x, foot in ((13, 12.4), (23.4, 24.4)):
        p.limb([(x, 20), (foot, 25.4), (foot, 30.2)], [2.4, 1.4, 1.1], coat)
    p.limb([(14.4, 17), (11.4, 12), (9.6, 9.4)], [6, 3.8, 3], coat)
    p.limb([(10.4, 8.8), (5.2, 11.2)], [3.6, 2], coat)
    p.ellipse((4.6, 11.4), (1, 0.9), BLACK, 0)
    p.polygon([(10.6, 8), (15, 6.4), (12.4, 9.6)], dark)
    p.ellipse((28.2, 17.2), (1.2, 1.8), WHITE, 0)
    for beam in (
        [(9.8, 7.4), (8.6, 4), (5.6, 1.4)],
        [(8.6, 4.2), (6, 4.6)],
        [(10.8, 7.4), (13, 4), (12.2, 0.8)],
        [(12.6, 4.4), (15.4, 2.4)],
    ):
        p.limb(beam, [0.9] * len(beam), (222, 202, 166))
    p.ellipse((8.8, 9), (0.6, 0.6), BLACK, 0)


def _dog(p: Canvas) -> None:
    p.ground([(120, 160, 84), (102, 142, 70), (84, 124, 58)], clouds=0.14)
    fur, ear, pale = (196, 150, 92), (124, 80, 44), (232, 212, 178)
    p.ellipse((16, 32), (11, 9), fur)
    p.ellipse((16, 33), (6, 8), pale)
    p.ellipse((16, 12.4), (8.4, 8.8), fur)
    for side in (-1, 1):
        p.limb(
            [(16 + 6.4 * side, 6), (16 + 9.6 * side, 11), (16 + 9.8 * side, 17.4)], [4, 5, 4.6], ear
        )
        p.eye(16 + 3.6 * side, 11, 1.5, (70, 42, 22))
    p.limb([(16, 4.6), (16, 12)], [2, 3], pale, 0)
    p.ellipse((16, 18), (5.2, 5), pale)
    p.ellipse((16, 22.6), (2, 3), (222, 108, 112))
    p.limb([(12.4, 19.6), (16, 20.8), (19.6, 19.6)], [0.7, 0.7, 0.7], (70, 48, 38), 0)
    p.ellipse((16, 15.8), (2.6, 1.8), BLACK, 0)
    p.ellipse((15.2, 15.2), (0.6, 0.4), (130, 130, 134), 0)


def _frog(p: Canvas) -> None:
    p.ground([(70, 84, 58), (92, 92, 64), (118, 104, 76)], clouds=0.2)
    p.ellipse((16, 27.6), (15, 3), (64, 58, 44), 0)
    skin, dark, belly = (104, 162, 54), (64, 112, 38), (206, 212, 146)
    for side in (-1, 1):
        p.ellipse((16 + 10 * side, 22), (4.8, 5.6), dark)
        p.limb([(16 + 9 * side, 26.6), (16 + 14 * side, 27.6)], [2.6, 1.6], dark)
    p.ellipse((16, 20), (9.6, 8), skin)
    p.ellipse((16, 23.4), (6.4, 4.8), belly)
    for side in (-1, 1):
        p.limb([(16 + 5.4 * side, 21), (16 + 6.4 * side, 27.6)], [3.2, 2.6], skin)
        for toe in (3.8, 6.6, 9):
            p.limb([(16 + 6.4 * side, 27.2), (16 + toe * side, 29.2)], [1.2, 1], skin)
    p.ellipse((16, 13.6), (9.4, 6), skin)
    for side in (-1, 1):
        p.ellipse((16 + 5.6 * side, 8.2), (3.4, 3.4), skin)
        p.eye(16 + 5.8 * side, 7.8, 2.3, (226, 178, 52))
        p.ellipse((16 + 1.2 * side, 11.6), (0.4, 0.4), dark, 0)
    p.limb([(8, 14.2), (12, 16.4), (20, 16.4), (24, 14.2)], [0.9] * 4, (46, 78, 30), 0)
    for x, y in ((9, 21.4), (23.4, 20.6), (12, 9.6), (20, 10)):
        p.ellipse((x, y), (0.9, 0.8), dark, 0)


def _horse(p: Canvas) -> None:
    p.ground([(150, 186, 222), (204, 220, 228)], 0, 13)
    p.ground([(88, 112, 66), (104, 134, 66)], 11, 17, clouds=0.2)
    p.ground([(124, 152, 70), (98, 130, 54)], 16, clouds=0.12)
    coat, dark = (124, 68, 36), (48, 30, 24)
    p.limb([(27, 14), (30, 18), (29.6, 25)], [2.2, 3, 1.4], dark)
    for x, foot in ((13.4, 11.4), (24.2, 25.8)):
        p.limb([(x, 20), (foot, 25), (foot + 0.4, 29.4)], [2.6, 1.8, 1.6], (92, 50, 28))
    p.ellipse((19, 17), (8.8, 4.9), coat, 0.35)
    for x, foot in ((12.6, 13.8), (25, 23)):
        p.limb([(x, 19), (foot, 25), (foot, 30)], [3.6, 2.2, 1.8], coat)
        p.limb([(foot, 29.2), (foot, 30.4)], [2, 2.2], dark)
    p.limb([(13.4, 16), (9.8, 9.6), (8.4, 6.4)], [8, 5, 3.6], coat)
    p.limb([(8.8, 6.2), (3.6, 11.6)], [4, 2.6], coat)
    p.limb([(9.6, 3.8), (12.4, 8), (16, 13)], [1.6, 2.6, 1.6], dark)
    p.polygon([(8, 5), (9.4, 1.8), (10.4, 5)], dark)
    p.limb([(6.8, 6.8), (4.2, 9.6)], [1, 0.7], WHITE, 0)
    p.ellipse((8.2, 7), (0.6, 0.6), BLACK, 0)
    p.ellipse((3.2, 11.9), (0.9, 0.7), dark, 0)


def _ship(p: Canvas) -> None:
    p.ground([(126, 170, 214), (176, 204, 226), (214, 224, 226)], 0, 20)
    p.ground([(70, 112, 142), (44, 84, 118), (34, 66, 98)], 19.4, clouds=0.16)
    p.limb([(15.4, 2.4), (15.4, 10)], [0.6, 0.7], (90, 90, 92))
    p.box(19, 5, 22.6, 12, (196, 52, 44))
    p.box(19, 5, 22.6, 6.4, BLACK)
    p.box(12.4, 8.4, 18.6, 12.6, (226, 228, 226))
    p.box(9, 12, 25, 18, WHITE)
    for y in (13.4, 15.6):
        p.limb([(10.4, y), (23.6, y)], [0.8, 0.8], (92, 110, 130), 0)
    p.limb([(13, 10), (18, 10)], [1, 1], (60, 76, 96), 0)
    p.polygon([(1.4, 16.4), (6, 17.6), (29.8, 17.4), (28, 24), (5.4, 24)], (38, 46, 68), 0.25)
    p.polygon([(4.5, 22.4), (28.4, 22.4), (28, 24), (5.4, 24)], (156, 44, 40))
    p.limb([(2.4, 17.2), (29, 17.8)], [0.6, 0.6], WHITE, 0)
    p.limb([(2, 24.4), (10, 24.2), (30, 24.6)], [1.4, 0.8, 1], (206, 220, 228), 0)
    for x, y in ((7, 27.4), (21, 28.6), (27, 26.8), (12, 30.2)):
        p.limb([(x - 2.6, y), (x + 2.6, y)], [0.5, 0.5], (120, 156, 180), 0)


def _truck(p: Canvas) -> None:
    p.ground([(186, 204, 222), (206, 212, 214)], 0, 14)
    p.ground([(110, 124, 96), (124, 132, 100)], 13, 21, clouds=0.2)
    p.ground([(116, 115, 116), (88, 88, 90)], 20)
    p.ellipse((16, 27.6), (15, 1.5), (48, 48, 50), 0)
    p.box(10.6, 5, 30.4, 21.4, (222, 222, 214))
    p.box(10.6, 5, 30.4, 6, (160, 162, 160))
    p.box(10.6, 13, 30.4, 15, (226, 132, 40))
    p.box(2.4, 21.6, 30.4, 23.8, (58, 58, 62))
    p.polygon([(1.6, 23.4), (1.8, 16), (4, 9.6), (9.8, 9.2), (9.8, 23.4)], (38, 84, 160), 0.25)
    p.polygon([(2.8, 15.4), (4.6, 10.8), (8.4, 10.8), (8.4, 15.4)], (164, 192, 210), 0.2)
    p.box(1.4, 21, 9.8, 23.2, (190, 194, 198))
    p.ellipse((2.6, 19.6), (0.9, 0.9), (250, 240, 190), 0)
    for x in (6, 21, 27):
        p.wheel(x, 24.8, 2.9)


_DRAWERS = (
    *(_airplane, _automobile, _bird, _cat, _deer),
    *(_dog, _frog, _horse, _ship, _truck),
)
_DRAWINGS = {drawer.__name__[1:]: drawer for drawer in _DRAWERS}

PICTURES = tuple(_DRAWINGS)
