"""What input is refused, and how: errors that say what came, what was expected, what to do."""

from __future__ import annotations

import torch
from torch import Tensor


def check_tensor(value: Tensor, name: str, *, axes: int, check_finite: bool = True) -> None:
    """Raise a ``ValueError`` unless ``value`` is a finite, non-empty floating-point tensor.

    Args:
        value: what the caller passed.
        name: what the caller calls it, for the message.
        axes: the least number of axes.
        check_finite: whether to look for NaN and infinity.
    """
    if not isinstance(value, Tensor):
        raise ValueError(
            f"{name} is a {type(value).__name__}; expected a torch.Tensor: "
            f"use torch.as_tensor({name})"
        )
    if not value.is_floating_point():
        raise ValueError(
            f"{name} has dtype {value.dtype}; expected a floating-point dtype: "
            f"call {name}.float() or {name}.double()"
        )
    if value.ndim < axes:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)}, {value.ndim} axes; expected at least {axes}: "
            "add the missing axes with unsqueeze, or pass another dims"
        )
    if value.numel() == 0:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)} and no elements; expected at least one on "
            "every axis"
        )
    if check_finite and not torch.isfinite(value).all():
        count = int((~torch.isfinite(value)).sum())
        raise ValueError(
            f"{name} of shape {tuple(value.shape)} has {count} NaN or infinite values; expected "
            "finite numbers: look for a diverged step or a division by zero before this call"
        )


def check_pair(a: Tensor, b: Tensor, a_name: str, b_name: str, dims: int) -> None:
    """Raise a ``ValueError`` unless two tensors share dtype and device and broadcast."""
    if a.dtype != b.dtype or a.device != b.device:
        raise ValueError(
            f"{a_name} is {a.dtype} on {a.device} and {b_name} is {b.dtype} on {b.device}; "
            f"expected the same dtype and device: call {b_name}.to({a_name})"
        )
    try:
        torch.broadcast_shapes(a.shape[:-dims], b.shape[:-dims])
    except RuntimeError:
        raise ValueError(
            f"the leading axes {tuple(a.shape[:-dims])} of {a_name} and {tuple(b.shape[:-dims])} "
            f"of {b_name} do not broadcast; expected equal sizes or 1 before the last {dims} "
            "spatial axes"
        ) from None


def check_dims(dims: int) -> None:
    """Raise a ``ValueError`` unless ``dims`` is 1, 2 or 3."""
    if dims not in (1, 2, 3):
        raise ValueError(f"dims is {dims!r}; expected 1, 2 or 3 spatial axes")


def check_weight(weight: Tensor, name: str = "weight", *, check_finite: bool = False) -> Tensor:
    """Refuse what is not a weight; half precision is returned as float32, to sum in."""
    check_tensor(weight, name, axes=3, check_finite=check_finite)
    if weight.ndim > 5:
        raise ValueError(
            f"{name} has shape {tuple(weight.shape)}, {weight.ndim} axes; expected 3 to 5, "
            "(S, C, *kernel_size) with one to three kernel axes: pass the weight of one layer"
        )
    return weight.to(torch.promote_types(weight.dtype, torch.float32))
