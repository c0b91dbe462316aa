"""The explorer of cross-correlation: a kernel that slides along a signal."""

from __future__ import annotations

from typing import Any

import traitlets

from convsim.correlation import cross_correlate
from convsim.explorers.base import Explorer, Readouts, tensor
from convsim.explorers.traits import LARGEST, choice_trait, kernel_trait, taps_trait, whole_trait

MODES = ("full", "same", "valid")


class CorrelationExplorer(Explorer):
    """A kernel that slides along a signal in full, same or valid mode (Eq. 1b).

    Traits:
        signal: list of 1 to 64 numbers, at least as many as ``kernel`` has.
        kernel: list of 1 to 16 numbers.
        mode: ``"full"``, ``"same"`` or ``"valid"``, with SciPy's centring in ``"same"``.
        position: index into the output; one past its end is set to the last.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.

    Example:
        >>> explorer = CorrelationExplorer(signal=[1, 2, 3], kernel=[1, -1], mode="valid")
        >>> explorer.readouts()["output"]
        [-1.0, -1.0]
    """

    signal = taps_trait([0, 0, 1, 2, 3, 3, 3, 1, 0, 0, -1, 0], 1, 64)
    kernel = kernel_trait([-1, 0, 1])
    mode = choice_trait(MODES)
    position = whole_trait(4, high=LARGEST)

    @traitlets.validate("signal", "kernel")
    def _fits(self, proposal: Any) -> Any:
        sizes = {"kernel": len(self.kernel), "signal": len(self.signal)}
        sizes[proposal["trait"].name] = len(proposal["value"])
        taps, length = sizes.values()
        if taps > length:
            raise traitlets.TraitError(
                f"kernel has {taps} taps and signal {length} values, expected a kernel that is no "
                "longer than the signal: shorten the kernel or lengthen the signal"
            )
        return proposal["value"]

    @traitlets.validate("position")
    def _inside(self, proposal: Any) -> Any:
        return min(proposal["value"], self._output_length() - 1)

    @traitlets.observe("signal", "kernel", "mode")
    def _stay_inside(self, _change: Any) -> None:
        self.position = min(self.position, self._output_length() - 1)

    def _output_length(self) -> int:
        signal, kernel = len(self.signal), len(self.kernel)
        return {"full": signal + kernel - 1, "same": signal, "valid": signal - kernel + 1}[
            self.mode
        ]

    def readouts(self) -> Readouts:
        """Return the output, its length, and its value at ``position``."""
        signal, kernel = tensor(self.signal), tensor(self.kernel)
        output = cross_correlate(signal, kernel, mode=self.mode).tolist()
        return {
            "output": output,
            "output_length": len(output),
            "value": output[self.position],
        }
