"""Cross-correlation and autocorrelation of 1-, 2- and 3-dimensional data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from convsim.checks import check_dims, check_pair, check_tensor, check_whole, within_dtype

Mode = Literal["full", "same", "valid"]

# Below this many taps a shifted sum is faster than an FFT, and it is exact on whole numbers.
_MOST_TAPS_SUMMED_DIRECTLY = 128


def cross_correlate(
    x: Tensor,
    kernel: Tensor,
    *,
    mode: Mode = "full",
    dims: int = 1,
    check_finite: bool = True,
) -> Tensor:
    r"""Slide ``kernel`` over ``x`` and take the inner product at every position.

    .. math:: (x \star k)[n] = \sum_l x[l]\, k[l - n + N - 1],
              \qquad n = 0, \dots, M + N - 2

    This is Equation 1b of Belmekki et al. (2024), and it equals
    ``scipy.signal.correlate(x, kernel, mode)``. Index ``n`` of the full output is lag
    ``n - (N - 1)``; *same* keeps ``M`` values from ``(N - 1) // 2`` on, *valid* the
    ``M - N + 1`` values for which the kernel lies wholly on the signal.

    Args:
        x: signal, ``(..., *M)``: the last ``dims`` axes are spatial.
        kernel: kernel, ``(..., *N)``; leading axes broadcast against those of ``x``.
        mode: ``"full"``, ``"same"`` or ``"valid"``.
        dims: number of spatial axes, 1, 2 or 3.
        check_finite: refuse NaN and infinity. Switch it off inside ``torch.func`` transforms.

    Returns:
        Tensor of the broadcast leading shape and, on each spatial axis, ``M + N - 1``,
        ``M`` or ``M - N + 1`` values; dtype and device are those of the input.

    Raises:
        ValueError: if an input is not floating point, is empty, has too few axes, holds NaN or
            infinity, if the two do not fit together, or if in valid mode the kernel is longer
            than the signal.

    Example:
        >>> x = torch.tensor([1.0, 2.0, 3.0])
        >>> cross_correlate(x, torch.tensor([1.0, 0.0, -1.0])).tolist()
        [-1.0, -2.0, -2.0, 2.0, 3.0]
        >>> cross_correlate(x, torch.tensor([1.0, 0.0, -1.0]), mode="valid").tolist()
        [-2.0]
    """
    check_dims(dims)
    if mode not in get_args(Mode):
        raise ValueError(f"mode is {mode!r}; expected one of 'full', 'same', 'valid'")
    check_tensor(x, "x", axes=dims, check_finite=check_finite)
    check_tensor(kernel, "kernel", axes=dims, check_finite=check_finite)
    check_pair(x, kernel, "x", "kernel", dims)
    sizes = list(zip(x.shape[-dims:], kernel.shape[-dims:], strict=True))
    if mode == "valid" and any(m < n for m, n in sizes):
        raise ValueError(
            f"the kernel of spatial size {tuple(kernel.shape[-dims:])} is longer than the signal "
            f"of spatial size {tuple(x.shape[-dims:])}, so mode 'valid' has no output; expected "
            "at most the signal's size on every axis: shorten the kernel or use mode 'full'"
        )
    # A full correlation is a valid one over the zero-padded signal; same and valid need less.
    pads = []
    for m, n in sizes:
        left = {"full": n - 1, "same": n - 1 - (n - 1) // 2, "valid": 0}[mode]
        total = {"full": m + n - 1, "same": m, "valid": m - n + 1}[mode]
        pads.append((left, total + n - 1 - m - left))

    def slide(x: Tensor, kernel: Tensor) -> Tensor:
        return _slide(_pad(x, pads), kernel, dims)

    what = "a cross-correlation"
    return within_dtype(slide, what, check_finite=check_finite, x=x, kernel=kernel)


def autocorrelate(
    x: Tensor, *, max_lag: int | None = None, dims: int = 1, check_finite: bool = True
) -> Tensor:
    r"""Cross-correlate ``x`` with itself, on lags ``-max_lag`` to ``max_lag`` of each axis.

    .. math:: (x \star x)[n] = \sum_l x[l]\, x[l - n], \qquad |n| \le \mathrm{max\_lag}

    Args:
        x: signal, ``(..., *M)``: the last ``dims`` axes are spatial.
        max_lag: the largest lag on every axis; the default is all lags that can differ from
            zero, ``M - 1`` on each axis. Larger lags give zeros.
        dims: number of spatial axes, 1, 2 or 3.
        check_finite: refuse NaN and infinity. Switch it off inside ``torch.func`` transforms.

    Returns:
        Tensor ``(..., 2 * max_lag + 1, ...)``; lag 0 is in the middle and equals ``‖x‖²``.

    Raises:
        ValueError: for the inputs that :func:`cross_correlate` refuses, and for a negative
            ``max_lag``.

    Example:
        >>> autocorrelate(torch.tensor([1.0, 2.0, 3.0])).tolist()
        [3.0, 8.0, 14.0, 8.0, 3.0]
        >>> autocorrelate(torch.tensor([1.0, 2.0, 3.0]), max_lag=1).tolist()
        [8.0, 14.0, 8.0]
    """
    check_dims(dims)
    check_tensor(x, "x", axes=dims, check_finite=check_finite)
    if max_lag is not None:
        check_whole(max_lag, "max_lag", least=0, what="lags")
    lags = [m - 1 if max_lag is None else max_lag for m in x.shape[-dims:]]

    def slide(x: Tensor) -> Tensor:
        return _slide(_pad(x, [(lag, lag) for lag in lags]), x, dims)

    return within_dtype(slide, "an autocorrelation", check_finite=check_finite, x=x)


def _pad(x: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
    """Zero-pad the last axes; ``F.pad`` wants the last axis first."""
    return F.pad(x, [side for pad in reversed(pads) for side in pad])


def _slide(padded: Tensor, kernel: Tensor, dims: int) -> Tensor:
    """Inner products of ``kernel`` with each window of its size in ``padded``."""
    size = kernel.shape[-dims:]
    out = [p - n + 1 for p, n in zip(padded.shape[-dims:], size, strict=True)]
    taps, positions = size.numel(), torch.Size(out).numel()
    spatial = tuple(range(-dims, 0))
    if min(taps, positions) > _MOST_TAPS_SUMMED_DIRECTLY:
        return _slide_by_fft(padded, kernel, out, spatial)
    # Loop over the shorter of the two: taps of the kernel, or positions of the window.
    if taps <= positions:
        total = torch.zeros((), dtype=padded.dtype, device=padded.device)
        for shift in product(*map(range, size)):
            tap = _window(kernel, shift, (1,) * dims)
            total = total + tap * _window(padded, shift, out)
        return total
    products = [
        (kernel * _window(padded, at, size)).sum(spatial) for at in product(*map(range, out))
    ]
    return torch.stack(products, dim=-1).unflatten(-1, out)


def _window(x: Tensor, start: Sequence[int], size: Sequence[int]) -> Tensor:
    index = tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
    return x[(Ellipsis,) + index]  # noqa: RUF005 - mypy takes a star here for Python 3.11's


def _slide_by_fft(
    padded: Tensor, kernel: Tensor, out: Sequence[int], spatial: tuple[int, ...]
) -> Tensor:
    # Half precision has no FFT on every device, so it is computed in float32.
    exact = torch.promote_types(padded.dtype, torch.float32)
    sizes = padded.shape[-len(out) :]
    spectrum = torch.fft.rfftn(padded.to(exact), dim=spatial)
    kernel_spectrum = torch.fft.rfftn(kernel.to(exact), s=sizes, dim=spatial)
    # With windows inside the padded signal nothing wraps around at the positions kept.
    slid = torch.fft.irfftn(spectrum * kernel_spectrum.conj(), s=sizes, dim=spatial)
    return _window(slid, (0,) * len(out), out).to(padded.dtype)
