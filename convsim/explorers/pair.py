"""What the explorers of two kernels share: both kernels keep one size."""

from __future__ import annotations

from typing import Any

import traitlets

from convsim.explorers.base import Explorer


class KernelPair(Explorer):
    """An explorer whose traits ``kernel_1`` and ``kernel_2`` have one size."""

    def __init__(self, **traits: Any) -> None:
        if "kernel_1" in traits and "kernel_2" in traits:
            self._checked(traits["kernel_1"], traits["kernel_2"])
        super().__init__(**traits)

    def set_kernels(self, kernel_1: Any, kernel_2: Any) -> None:
        """Set both kernels at once, for a change of size.

        A kernel that is set alone brings the other one to its size: cut, or padded with zeros (at
        the end in one dimension, on all sides in two).

        Raises:
            traitlets.TraitError: for a kernel that its trait does not take.
            ValueError: for two sizes.
        """
        first, second = self._checked(kernel_1, kernel_2)
        with self.hold_sync(), self.hold_trait_notifications():
            self.kernel_1, self.kernel_2 = first, second

    @traitlets.observe("kernel_1", "kernel_2")
    def _match_sizes(self, change: Any) -> None:
        other = "kernel_2" if change["name"] == "kernel_1" else "kernel_1"
        if len(change["new"]) != len(getattr(self, other)):
            setattr(self, other, self._resized(getattr(self, other), len(change["new"])))

    def _checked(self, kernel_1: Any, kernel_2: Any) -> tuple[list[Any], list[Any]]:
        traits = self.traits()
        first = traits["kernel_1"].validate(self, kernel_1)
        second = traits["kernel_2"].validate(self, kernel_2)
        if len(first) != len(second):
            raise ValueError(
                f"kernel_1 and kernel_2 must have one size, got {len(first)} and {len(second)}: "
                "lengthen the shorter one, with zeros for instance"
            )
        return first, second

    @staticmethod
    def _resized(kernel: list[Any], size: int) -> list[Any]:
        return (kernel + [0.0] * size)[:size]
