"""What input is refused, and how: errors that say what came, what was expected, what to do."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter


def check_tensor(value: Tensor, name: str, *, axes: int, check_finite: bool = True) -> None:
    """Raise a ``ValueError`` unless ``value`` is a finite, non-empty, dense tensor of floats.

    Args:
        value: what the caller passed.
        name: what the caller calls it, for the message.
        axes: the least number of axes.
        check_finite: whether to look for NaN and infinity.
    """
    _check_layout(value, name)
    _check_dtype(value, name)
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


def _check_layout(value: Any, name: str) -> None:
    if not isinstance(value, Tensor):
        remedy = f"use torch.as_tensor({name})"
        if isinstance(value, Mapping):
            remedy = "pass one of its values"
        elif value is None or isinstance(value, nn.Module):
            remedy = "pass numbers, such as a layer's weight"
        raise ValueError(f"{name} is a {type(value).__name__}; expected a torch.Tensor: {remedy}")
    if value.is_nested:
        raise ValueError(f"{name} is a nested tensor; expected one of one shape: pad its parts")
    if value.layout != torch.strided:
        raise ValueError(
            f"{name} has the layout {value.layout}; expected a dense tensor: call {name}.to_dense()"
        )
    if isinstance(value, UninitializedBuffer | UninitializedParameter) or value.is_meta:
        raise ValueError(
            f"{name} holds no numbers yet; expected an initialised tensor: run a lazy model once "
            "on a batch, or load the weights of a model on the meta device"
        )


def _check_dtype(value: Tensor, name: str) -> None:
    if not value.is_floating_point():
        remedy = f"call {name}.float() or {name}.double()"
        if value.is_quantized:
            remedy = f"call {name}.dequantize()"
        elif value.is_complex():
            remedy = f"pass {name}.real or {name}.abs()"
        raise ValueError(
            f"{name} has dtype {value.dtype}; expected a floating-point dtype: {remedy}"
        )
    if value.dtype.itemsize < 2:  # float8 and smaller can be stored, but not computed with
        raise ValueError(
            f"{name} has dtype {value.dtype}; expected at least 16 bits: call {name}.float()"
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


def check_whole(value: Any, name: str, *, least: int, what: str = "") -> None:
    """Raise a ``ValueError`` unless ``value`` is a whole number, ``least`` or more.

    Args:
        value: what the caller passed; 3.0 and True are no whole numbers.
        name: what the caller calls it, for the message.
        least: the smallest one that is allowed.
        what: what it counts, for the message.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        of = f" of {what}" if what else ""
        raise ValueError(f"{name} is {value!r}; expected a whole number{of}, {least} or more")


def check_number(value: Any, name: str) -> None:
    """Raise a ``ValueError`` unless ``value`` is a finite real number, 0 or more."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value!r}; expected a finite number, 0 or more")


def check_dims(dims: int) -> None:
    """Raise a ``ValueError`` unless ``dims`` is 1, 2 or 3."""
    if type(dims) is not int or dims not in (1, 2, 3):  # 1.0 and True are equal to 1
        raise ValueError(f"dims is {dims!r}; expected 1, 2 or 3 spatial axes")


def check_weight(weight: Tensor, name: str = "weight", *, check_finite: bool = False) -> None:
    """Raise a ``ValueError`` unless ``weight`` is ``(S, C, *kernel_size)`` of 3 to 5 axes."""
    check_tensor(weight, name, axes=3, check_finite=check_finite)
    if weight.ndim > 5:
        raise ValueError(
            f"{name} has shape {tuple(weight.shape)}, {weight.ndim} axes; expected 3 to 5, "
            "(S, C, *kernel_size) with one to three kernel axes: pass the weight of one layer"
        )


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half precision as float32, to sum in."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def full_precision(tensor: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Within it, matrix products are of a tensor's own dtype, under autocast as well."""
    kind = tensor.device.type
    if kind != "meta" and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return contextlib.nullcontext()


def check_module(model: nn.Module) -> None:
    """Raise a ``ValueError`` unless ``model`` is a module, and not, say, its weights."""
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"model is a {type(model).__name__}; expected a torch.nn.Module: build the model, "
            "load its state_dict if you have one, and pass the model"
        )


def within_dtype(
    compute: Callable[..., Tensor], what: str, *, check_finite: bool = True, **tensors: Tensor
) -> Tensor:
    """What ``compute`` makes of finite tensors, or a ``ValueError``; never NaN or infinity.

    Where a number on the way does not fit the dtype, the result may: it is computed once more, in
    float64. A compiled function looks at no value, and nothing is rounded by autocast.

    Args:
        compute: takes the tensors, in their order.
        what: the result in words, for the message.
        check_finite: look at the value; otherwise it is returned as it is.
        tensors: by the names that the caller gives them; looked through if the result is not
            finite.
    """
    with full_precision(next(iter(tensors.values()))):
        value = compute(*tensors.values())
    if not check_finite or torch.compiler.is_compiling() or _is_finite(value):
        return value
    for name, tensor in tensors.items():
        check_tensor(tensor, name, axes=0)
    # Not every GPU has float64.
    exact = compute(*(tensor.to("cpu", torch.float64) for tensor in tensors.values())).to(value)
    if not _is_finite(exact):
        largest = max(float(tensor.detach().abs().max()) for tensor in tensors.values())
        dtype = value.dtype
        wider = "" if dtype == torch.float64 else ", or compute in float64: call double()"
        raise ValueError(
            f"{what} overflows {dtype}, with numbers as large as {largest:.3g} in "
            f"{' and '.join(tensors)}; expected a result below {torch.finfo(dtype).max:.3g}: "
            f"divide by a constant{wider}"
        )
    return exact


def _is_finite(value: Tensor) -> bool:
    # A sum is quicker to look at; it may overflow where no value does.
    return math.isfinite(value.detach().sum().item()) or bool(torch.isfinite(value).all())
