"""How a device computes in a training: its precision, and its random numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

PRECISIONS = ("float32", "tf32", "bfloat16")


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse, with a ValueError, a precision that is none or that a device does not have."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
    if precision == "tf32" and device.type != "cuda":
        raise ValueError(
            f"precision is 'tf32' on {device.type}; expected an NVIDIA GPU for it: choose float32 "
            "or bfloat16"
        )


@contextlib.contextmanager
def autocast(device: torch.device, precision: str) -> Iterator[None]:
    """Within it, layers compute in a precision; a backward pass does not belong in it."""
    if precision != "bfloat16":
        yield
        return
    slow = device.type == "cpu" and not computes_bfloat16()
    with (
        torch.autocast(device.type, torch.bfloat16),
        Rounded() if slow else contextlib.nullcontext(),
    ):
        yield


def computes_bfloat16() -> bool:
    """Whether this processor's own instructions multiply in bfloat16, or make up for it fast.

    Without AVX-512, PyTorch's convolutions in bfloat16 take ten times as long as in float32.
    """
    return "AVX512" in torch.backends.cpu.get_cpu_capability()


class Rounded(TorchFunctionMode):
    """Under autocast, convolve numbers rounded to bfloat16 with the arithmetic of float32.

    That is what a processor with bfloat16 does: it multiplies the rounded numbers exactly, sums in
    float32, and rounds the sum. Gradients are rounded at the same places.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in (nn.functional.conv2d, nn.functional.linear):
            return func(*args, **kwargs)
        rounded = {name: _rounded(value) for name, value in kwargs.items()}
        with torch.autocast("cpu", enabled=False):
            return func(*map(_rounded, args), **rounded).bfloat16()


def _rounded(value: Any) -> Any:
    return value.bfloat16().float() if isinstance(value, Tensor) else value


@contextlib.contextmanager
def kernels(device: torch.device, *, tf32: bool) -> Iterator[None]:
    """On a GPU, choose how it computes: TF32 or not, and the same numbers for the same seed."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    flags = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": tf32}
    try:
        with torch.backends.cudnn.flags(**flags):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def epoch_seed(seed: int, epoch: int) -> int:
    """What the generators are seeded with for an epoch, of which they take 64 bits."""
    return seed * 1_000_003 + epoch


def forked_generators(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Leave the generators of random numbers as they are before it, whatever is drawn within it."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def generator_state(device: torch.device) -> Tensor:
    """State of the generator that dropout draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_generator_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
