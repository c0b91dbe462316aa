"""What an explorer's trait accepts: a check returns the clean value or says what to do."""

from __future__ import annotations

import base64
import math
import numbers
import reprlib
from collections.abc import Callable
from functools import partial
from typing import Any

import traitlets

PICTURE_SIDE = 64
MOST_TAPS = 16
SIZES = (3, 5)  # of a square kernel
LARGEST = 1_000_000  # so that no readout overflows


class Checked(traitlets.TraitType):  # type: ignore[type-arg]  # Colab's takes no types
    """A trait with a check of its own, whose errors say what came and what was expected.

    ``bounds`` is what JavaScript is told, to check a link by: see ``js/links.js``.
    """

    def __init__(
        self, default: Any, check: Callable[[Any], Any], expected: str, **bounds: Any
    ) -> None:
        super().__init__(default)
        self.check = check
        self.expected = expected
        self.bounds = bounds
        self.tag(sync=True)

    def default(self, obj: Any = None) -> Any:
        return self.check(
            self.default_value() if callable(self.default_value) else self.default_value
        )

    def validate(self, obj: Any, value: Any) -> Any:
        try:
            return self.check(value)
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(
                f"{self.name} must be {self.expected}, got {reprlib.repr(value)}: {error}"
            ) from None


def _number(value: Any, low: float, high: float, *, whole: bool = False) -> Any:
    kind: Any = numbers.Integral if whole else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(value):
        raise ValueError(f"replace {value!r} with a {'whole' if whole else 'finite'} number")
    if not low <= value <= high:
        raise ValueError(f"choose a number from {low:.10g} to {high:.10g}")
    return int(value) if whole else float(value)


def _choice(value: Any, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        raise ValueError("choose one of these names")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("choose True or False")
    return value


def _taps(value: Any, low: int, high: int) -> list[float]:
    values = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(values, list | tuple):
        raise ValueError("pass a list such as [0.5, -1.0, 0.5]")
    if not low <= len(values) <= high:
        raise ValueError(f"it has {len(values)} values; shorten or lengthen it")
    if any(isinstance(item, list | tuple) for item in values):
        raise ValueError("it is nested; pass one flat list")
    return [_number(item, -LARGEST, LARGEST) for item in values]


def _point(value: Any, limit: float) -> list[float]:
    values = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(values, list | tuple) or len(values) != 2:
        raise ValueError(f"replace {reprlib.repr(values)} with two numbers such as [0.5, -1.0]")
    return [_number(item, -limit, limit) for item in values]


def _points(value: Any, low: int, high: int, limit: float) -> list[list[float]]:
    points = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(points, list | tuple):
        raise ValueError("pass a list of points such as [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]")
    if not low <= len(points) <= high:
        raise ValueError(f"it has {len(points)} points; add some or leave some out")
    return [_point(point, limit) for point in points]


def _square(value: Any, sizes: tuple[int, ...]) -> list[list[float]]:
    rows = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(rows, list | tuple) or not all(isinstance(r, list | tuple) for r in rows):
        raise ValueError("pass a list of rows, each a list of numbers")
    lengths = [len(row) for row in rows]
    if len(rows) not in sizes or any(length != len(rows) for length in lengths):
        raise ValueError(f"its rows have {lengths} values; give it as many rows as columns")
    return [_taps(row, len(rows), len(rows)) for row in rows]


def _grey(value: Any) -> list[list[int]]:
    rows = _square(value, (PICTURE_SIDE,))
    for item in (item for row in rows for item in row):
        if not 0 <= item <= 255 or item != round(item):
            raise ValueError(
                f"it holds {item!r}; turn grey values in [0, 1] with (255 * x).round()"
            )
    return [[int(item) for item in row] for row in rows]


def _from_base64(text: str, _widget: Any = None) -> list[list[int]]:
    levels = base64.b64decode(text)
    return [list(levels[i : i + PICTURE_SIDE]) for i in range(0, len(levels), PICTURE_SIDE)]


def _to_base64(rows: list[list[int]], _widget: Any = None) -> str:
    return base64.b64encode(bytes(item for row in rows for item in row)).decode("ascii")


def choice_trait(choices: tuple[str, ...]) -> Checked:
    expected = "one of " + ", ".join(map(repr, choices))
    return Checked(choices[0], partial(_choice, choices=choices), expected, choices=choices)


def flag_trait(default: bool) -> Checked:
    return Checked(default, _flag, "True or False").tag(fixed=True)


def taps_trait(default: Any, low: int, high: int) -> Checked:
    length = f"{low} to {high}" if low < high else f"{low}"
    return Checked(
        default,
        partial(_taps, low=low, high=high),
        f"a list of {length} finite numbers",
        length=(low, high),
        low=-LARGEST,
        high=LARGEST,
    )


def kernel_trait(default: list[float]) -> Checked:
    return taps_trait(default, 1, MOST_TAPS)


def whole_trait(default: int, high: int, low: int = 0) -> Checked:
    check = partial(_number, low=low, high=high, whole=True)
    expected = f"a whole number from {low} to {high}"
    return Checked(default, check, expected, low=low, high=high, whole=True)


def number_trait(default: float, low: float, high: float) -> Checked:
    check = partial(_number, low=low, high=high)
    return Checked(default, check, f"a number from {low:g} to {high:g}", low=low, high=high)


def point_trait(default: Any, limit: float) -> Checked:
    expected = f"two numbers from {-limit:g} to {limit:g}"
    check = partial(_point, limit=limit)
    return Checked(default, check, expected, length=(2, 2), low=-limit, high=limit)


def points_trait(default: Any, low: int, high: int, limit: float) -> Checked:
    expected = f"{low} to {high} points, each two numbers from {-limit:g} to {limit:g}"
    check = partial(_points, low=low, high=high, limit=limit)
    return Checked(default, check, expected, rows=(low, high), low=-limit, high=limit)


def square_trait(default: Any) -> Checked:
    expected = "3 rows of 3 or 5 rows of 5 finite numbers"
    check = partial(_square, sizes=SIZES)
    return Checked(default, check, expected, sizes=SIZES, low=-LARGEST, high=LARGEST)


def grey_trait(default: Any) -> Checked:
    """A 64×64 picture of grey values, sent to the page as base64 of its bytes."""
    trait = Checked(default, _grey, "64 rows of 64 whole grey values from 0 to 255")
    return trait.tag(fixed=True, to_json=_to_base64, from_json=_from_base64)
