"""How a device computes in a training: its precision, and its random numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

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


def autocast(device: torch.device, precision: str) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


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


def generator_state(device: torch.device) -> Tensor:
    """State of the generator that dropout draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_generator_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
