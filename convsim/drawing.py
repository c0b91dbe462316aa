"""Shapes with shading on a canvas, averaged to a small colour picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIDE = 32
FINE = 8  # pixels of the canvas in one of the picture, along each axis
BLUR = 2  # pixels of the canvas by which a lens spreads each of them over its neighbours

Point = tuple[float, float]
Colour = tuple[float, float, float]

WHITE: Colour = (242, 242, 238)
BLACK: Colour = (22, 20, 20)


class Canvas:
    """A picture in the making, eight times as fine along each axis as what becomes of it.

    Positions and lengths are in pixels of the finished picture, x to the right and y down; what is
    painted later covers what is there. Nothing but sums, products and square roots is computed,
    and the last average is one of whole numbers, so that the values are the same everywhere.
    """

    def __init__(self, seed: int) -> None:
        at = (np.arange(SIDE * FINE) + 0.5) / FINE
        self.x, self.y = np.meshgrid(at, at)
        self.levels = np.zeros((*self.x.shape, 3))
        self.random = np.random.RandomState(seed)  # its numbers never change, a Generator's may

    def noise(self, cells: int) -> NDArray[np.float64]:
        """Smooth noise in [-1, 1]: so many cells along each axis."""
        corners = self.random.randint(-100, 101, (cells + 1, cells + 1)) / 100
        at = self.x[0] * cells / SIDE
        low, part = at.astype(int), at % 1
        rows = corners[low] * (1 - part)[:, None] + corners[low + 1] * part[:, None]
        return rows[:, low] * (1 - part) + rows[:, low + 1] * part

    def fill(
        self, inside: NDArray[np.bool_], colour: Colour, light: float = 0.0, grain: float = 0.04
    ) -> None:
        """Paint what is inside; ``light`` makes its top lighter and its bottom darker."""
        if not inside.any():
            return
        y = self.y[inside]
        middle, half = (y.max() + y.min()) / 2, (y.max() - y.min()) / 2
        shade = 1 + light * (middle - y) / half + grain * self.noise(SIDE)[inside]
        self.levels[inside] = shade[:, None] * np.array(colour)

    def ground(
        self, colours: Sequence[Colour], top: float = 0, bottom: float = SIDE, clouds: float = 0.06
    ) -> None:
        """A background whose colour goes from the first to the last, in equal steps."""
        rows = (self.y[:, 0] >= top) & (self.y[:, 0] < bottom)
        at = (self.y[rows, 0] - top) / (bottom - top) * (len(colours) - 1)
        low, part = at.astype(int), (at % 1)[:, None]
        stops = np.array(colours, dtype=float)
        blend = stops[low] * (1 - part) + stops[np.minimum(low + 1, len(stops) - 1)] * part
        shade = 1 + clouds * (self.noise(6) + self.noise(SIDE // 2) / 2 + self.noise(SIDE) / 2)
        self.levels[rows] = blend[:, None] * shade[rows][:, :, None]

    def ellipse(self, centre: Point, radii: Point, colour: Colour, light: float = 0.25) -> None:
        across, down = (self.x - centre[0]) / radii[0], (self.y - centre[1]) / radii[1]
        self.fill(across * across + down * down <= 1, colour, light)

    def polygon(self, corners: Sequence[Point], colour: Colour, light: float = 0.15) -> None:
        inside = np.zeros(self.x.shape, dtype=bool)
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            if y0 != y1:  # each edge to the right of a point turns its side over
                crossed = (y0 > self.y) != (y1 > self.y)
                inside ^= crossed & (self.x < x0 + (self.y - y0) / (y1 - y0) * (x1 - x0))
        self.fill(inside, colour, light)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour, 0.1)

    def limb(
        self, points: Sequence[Point], widths: Sequence[float], colour: Colour, light: float = 0.15
    ) -> None:
        """A line through the points, round and as thick as the widths."""
        inside = np.zeros(self.x.shape, dtype=bool)
        ends = list(zip(points, widths, strict=True))
        for ((x0, y0), w0), ((x1, y1), w1) in zip(ends[:-1], ends[1:], strict=True):
            dx, dy = x1 - x0, y1 - y0
            along = ((self.x - x0) * dx + (self.y - y0) * dy) / (dx * dx + dy * dy)
            along = along.clip(0, 1)
            across, down = self.x - x0 - along * dx, self.y - y0 - along * dy
            width = w0 + along * (w1 - w0)
            inside |= across * across + down * down <= width * width / 4
        self.fill(inside, colour, light)

    def wheel(self, x: float, y: float, radius: float) -> None:
        self.ellipse((x, y), (radius, radius), (30, 30, 32))
        self.ellipse((x, y), (radius / 2.2, radius / 2.2), (165, 165, 168))

    def eye(self, x: float, y: float, radius: float, iris: Colour) -> None:
        self.ellipse((x, y), (radius, radius), iris, 0)
        self.ellipse((x, y), (radius * 0.6, radius * 0.75), BLACK, 0)
        self.ellipse((x - radius / 3, y - radius / 3), (radius / 3, radius / 3), WHITE, 0)

    def picture(self) -> NDArray[np.int64]:
        """The whole levels from 0 to 255 of the finished picture, of shape (32, 32, 3)."""
        fine = self.levels.clip(0, 255).round().astype(np.int64)
        window = FINE + 2 * BLUR
        padded = np.pad(fine, ((BLUR, BLUR), (BLUR, BLUR), (0, 0)), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(0, 1))
        sums = windows[::FINE, ::FINE].sum(axis=(-2, -1))
        return np.round(sums / window**2).astype(np.int64)
