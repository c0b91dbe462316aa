"""The modules of a model that a report leaves out, each with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from convsim.layers import class_name

NO_CONVOLUTION = "no convolution"


class Unmeasured(NamedTuple):
    """A module that a report says nothing of, or not all.

    Attributes:
        name: its name in ``named_modules``.
        kind: its class.
        reason: why it was left out, in words.
    """

    name: str
    kind: str
    reason: str


def unmeasured_modules(
    model: nn.Module, measured: Sequence[tuple[str, nn.Module]]
) -> tuple[Unmeasured, ...]:
    """Name every module with weights of its own that is no row of a report.

    Args:
        model: the model.
        measured: names and modules of the rows.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 1, 3), nn.Linear(4, 2))
        >>> for left in unmeasured_modules(model, [("0", model[0])]):
        ...     print(left.name, left.kind, left.reason)
        1 ConvTranspose2d transposed convolution: it spreads values instead of summing them
        2 Linear no convolution
    """
    first = {module: name for name, module in measured}
    # What computes the weight of a row, such as a parametrization, belongs to it.
    inner = {part for module in first for part in module.modules()} - {*first}
    found = []
    for name, module in model.named_modules(remove_duplicate=False):
        if module in inner:
            continue
        reason = _shared(name, first[module]) if module in first else _reason(module)
        if reason:
            found.append(Unmeasured(name, class_name(module), reason))
    return tuple(found)


def _shared(name: str, row: str) -> str:
    return "" if name == row else f"the same layer as {row}"


def _reason(module: nn.Module) -> str:
    """Why a module is no row; empty for one without weights of its own."""
    kind = class_name(module)
    own = [p for p in module._parameters.values() if p is not None]
    if "ConvTranspose" in kind:
        return "transposed convolution: it spreads values instead of summing them"
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in own):
        return "its weight has no shape yet: run the model once"
    named_so = "Conv" in kind and not [*module.children()]
    if not own and named_so:
        return "its weight is no parameter, but packed or quantised: measure the model before that"
    # Tokens, positions and scales of channels are no kernels: there is one, or a number for each.
    # By its shape a single kernel could be any of them; there the name of its class decides.
    fewest = 1 if named_so else 2
    shapes = [tuple(p.shape) for p in own if p.ndim > 2 and fewest <= len(p) < p.numel()]
    if shapes and "Norm" not in kind:
        return f"of a class that convsim does not know, with a weight of shape {shapes[0]}"
    # Quantised layers, recurrent ones too, have a method where others have the parameter.
    quantised = callable(getattr(module, "weight", getattr(module, "get_weight", None)))
    return NO_CONVOLUTION if own or quantised else ""


def unmeasured_in_words(left_out: Sequence[Unmeasured]) -> str:
    """Return a sentence that names what was left out, and counts what is no convolution."""
    others = Counter(left.kind for left in left_out if left.reason == NO_CONVOLUTION)
    reasons: dict[str, list[str]] = {}
    for left in left_out:
        if left.reason != NO_CONVOLUTION:
            reasons.setdefault(left.reason, []).append(left.name or "(the model)")
    parts = [f"{', '.join(names)} ({reason})" for reason, names in reasons.items()]
    if others:
        counted = ", ".join(f"{count} {kind}" for kind, count in others.items())
        parts.append(f"{counted} ({NO_CONVOLUTION})")
    return f"Not measured: {'; '.join(parts)}." if parts else ""
