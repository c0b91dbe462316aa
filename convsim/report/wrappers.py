"""Names of layers and tensors without what a wrapper of the whole model puts before them."""

from __future__ import annotations

from collections.abc import Iterable

PREFIXES = ("module.", "_orig_mod.")
"""Of ``DataParallel`` and its relatives, and of ``torch.compile``."""


def unwrapped(names: Iterable[str]) -> list[str]:
    """The names without the prefixes of wrappers that all of them begin with.

    Example:
        >>> unwrapped(["module.0.weight", "module.0.bias"]), unwrapped(["module.0", "1"])
        (['0.weight', '0.bias'], ['module.0', '1'])
        >>> unwrapped(["_orig_mod"])  # a layer that is the whole model
        ['']
    """
    short = [f"{name}." for name in names]
    while prefix := next(
        (p for p in PREFIXES if short and all(n.startswith(p) for n in short)), ""
    ):
        short = [name.removeprefix(prefix) for name in short]
    return [name.removesuffix(".") for name in short]
