"""The convolutions' weights among the tensors of a state_dict, whatever form they are stored in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import torch
from torch import Tensor


def _with_norms(direction: Tensor, norms: Tensor) -> Tensor:
    """Weight norm: a norm for each index of the axes that ``norms`` has."""
    axes = tuple(axis for axis, size in enumerate(norms.shape) if size == 1)
    return direction * (norms / torch.linalg.vector_norm(direction, dim=axes, keepdim=True))


def _over_spectral_norm(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Spectral norm: divided by the largest singular value, as the power iteration knows it."""
    return weight / torch.dot(u, weight.flatten(1) @ v)


FORMS: dict[tuple[str, ...], Callable[..., Tensor]] = {
    ("weight",): lambda weight: weight,
    ("weight_v", "weight_g"): _with_norms,
    ("parametrizations.weight.original1", "parametrizations.weight.original0"): _with_norms,
    ("weight_orig", "weight_u", "weight_v"): _over_spectral_norm,
    (
        "parametrizations.weight.original",
        "parametrizations.weight.0._u",
        "parametrizations.weight.0._v",
    ): _over_spectral_norm,
    ("weight_orig", "weight_mask"): torch.mul,  # a pruning mask
}
"""What ``torch.nn.utils`` stores of a weight, one of its shape first, and how it is computed."""

_PART = re.compile(r"(?:(.*)\.)?(weight(?:_\w+)?|parametrizations\.weight\..*)")


def stored_forms(names: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
    """Layers that have a weight, layer2 before layer10, and the key of ``FORMS`` that fits.

    Args:
        names: of the tensors of a state_dict.

    Returns:
        By layer; None where a weight is computed in a way that its tensors do not tell.

    Example:
        >>> stored_forms(["conv.weight_g", "conv.weight_v", "conv.bias", "weight"])
        {'': ('weight',), 'conv': ('weight_v', 'weight_g')}
    """
    parts: dict[str, set[str]] = {}
    for name in names:
        if found := _PART.fullmatch(name):
            parts.setdefault(found[1] or "", set()).add(found[2])
    forms = {frozenset(form): form for form in FORMS}
    return {layer: forms.get(frozenset(parts[layer])) for layer in sorted(parts, key=_by_numbers)}


def _by_numbers(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", name)  # words and numbers by turns
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
