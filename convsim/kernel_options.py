"""Options of functions that draw or write kernels: what is refused, and how."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from convsim.checks import check_dims, check_whole


def check_generator(generator: Any) -> None:
    """Raise a ``ValueError`` unless this is a ``torch.Generator`` on the CPU."""
    if not isinstance(generator, torch.Generator):
        seed = generator if type(generator) is int else 0
        raise ValueError(
            f"generator is {generator!r}; expected a torch.Generator: pass "
            f"torch.Generator().manual_seed({seed})"
        )
    if generator.device.type != "cpu":
        raise ValueError(
            f"generator is on {generator.device}; expected one on the CPU, whose numbers are the "
            "same on every machine: pass torch.Generator().manual_seed(0)"
        )


def generator_or_default(generator: torch.Generator | None) -> torch.Generator:
    """PyTorch's own generator for None, or the one that was passed, checked."""
    if generator is None:
        return torch.default_generator
    check_generator(generator)
    return generator


def check_window(window: Any) -> None:
    """Raise a ``ValueError`` unless this is a finite number above 0."""
    is_number = isinstance(window, Real) and not isinstance(window, bool)
    if not (is_number and math.isfinite(window) and window > 0):
        raise ValueError(f"window is {window!r}; expected a finite share of the size, above 0")


def checked_sizes(kernel_size: Any) -> tuple[int, ...]:
    """The sizes of one to three kernel axes, or a ``ValueError``."""
    if not isinstance(kernel_size, Iterable):
        raise ValueError(
            f"kernel_size is {kernel_size!r}; expected the taps of each axis in a list: pass [3, 3]"
        )
    sizes = tuple(kernel_size)
    check_dims(len(sizes))
    for taps in sizes:
        check_whole(taps, "an entry of kernel_size", least=1, what="taps")
    return sizes


def check_start(start: Callable[..., Tensor], options: Mapping[str, Any]) -> None:
    """Raise a ``ValueError`` unless this is a function of a weight and these options."""
    if not callable(start):
        raise ValueError(
            f"start is {start!r}; expected a function of a weight: pass one of convsim.starts or "
            "torch.nn.init, such as starts.even_bands_"
        )
    try:
        signature = inspect.signature(start)
    except ValueError:  # one that is written in C does not say what it takes
        return
    try:
        signature.bind(None, **options)
    except TypeError as error:
        name = getattr(start, "__name__", repr(start))
        raise ValueError(
            f"{name} does not take the options {[*options]} ({error}); expected some of "
            f"{[*signature.parameters][1:]}: name them as its documentation does"
        ) from error


def check_writable(weight: Tensor, name: str = "weight") -> None:
    """Raise a ``ValueError`` unless every element of a tensor has a place of its own."""
    if any(n > 1 and step == 0 for n, step in zip(weight.shape, weight.stride(), strict=True)):
        raise ValueError(
            f"{name} of shape {tuple(weight.shape)} is an expanded tensor, whose elements share "
            f"places in memory; expected a place for each, to write to: call {name}.clone() first"
        )
