"""Conditions that start from the spectrum, taken apart: how wide bands are, how spread, and where.

And the starts that they are compared with.
"""

from __future__ import annotations

import math
from itertools import product

from torch import nn

from convsim.bands import EVERYWHERE, HIGH, LOW
from convsim.experiments.condition import Condition
from convsim.experiments.drawn_kernels import (
    bands,
    channel_bands,
    delta_orthogonal_,
    filled,
    noise,
    windowed_bands,
)

WIDE = math.pi / 4
"""Width of a band between a wave and noise, in radians per tap."""
SPREADS = {
    "same": "one frequency for all kernels of a layer",
    "random": "every kernel a random frequency",
    "even": "every kernel a frequency, spread evenly",
}
WIDTHS = {"": 0.0, "wide-": WIDE}
PARTS = {"": EVERYWHERE, "-low": LOW, "-high": HIGH}
"""Where the frequencies are: everywhere, in the low half of the square or in the high one."""
_WIDTH_WORDS = {"": "", "wide-": ", a band around it"}
_PART_WORDS = {"": "", "-low": ", of the low half", "-high": ", of the high half"}
_DASHES = ("solid", "12px,3px", "5px,5px", "9px,3px,2px,3px", "2px,3px", "16px,4px")


def cell(spread: str, width: str = "", part: str = "") -> str:
    """The name of the condition with a spread, a width and a part of the frequencies."""
    return f"{spread}-{width}band{'' if spread == 'same' else 's'}{part}"


CELLS = {
    cell(spread, width, part): Condition(
        f"{SPREADS[spread]}{_WIDTH_WORDS[width]}{_PART_WORDS[part]}",
        color=list(PARTS).index(part) + 1,
        dash=_DASHES[3 * list(WIDTHS).index(width) + list(SPREADS).index(spread)],
        prepare=(bands(spread, width=WIDTHS[width], between=PARTS[part]),),
    )
    for part, width, spread in product(PARTS, WIDTHS, SPREADS)
}
"""Kernels that share a band over their channels, by name."""
NOISE = {
    f"noise{part}": Condition(
        f"every tap random, all frequencies{_PART_WORDS[part]}",
        color=list(PARTS).index(part) + 1,
        dash="20px,3px",
        prepare=(noise(PARTS[part]),),
    )
    for part in PARTS
}
"""Kernels without a band: wider than the widest, and in expectation all alike."""
FACTORIAL = (*CELLS, *NOISE, "channel-bands")
"""The conditions that tell width, spread and place apart; each is compared with ``baseline``."""

OF_LAYERS = {
    "random-bands-first": Condition(
        "random-bands, in the first layer only",
        color=1,
        dash="12px,3px",
        prepare=(bands("random", layers=slice(1)),),
    ),
    "random-bands-later": Condition(
        "random-bands, in all layers but the first",
        color=2,
        dash="5px,5px",
        prepare=(bands("random", layers=slice(1, None)),),
    ),
    "random-bands-last": Condition(
        "random-bands, in the last layer only",
        color=3,
        dash="2px,3px",
        prepare=(bands("random", layers=slice(-1, None)),),
    ),
}
OTHER_STARTS = {
    "orthogonal": Condition(
        "torch.nn.init.orthogonal_",
        color=1,
        dash="9px,3px",
        prepare=(filled(nn.init.orthogonal_),),
    ),
    "delta-orthogonal": Condition(
        "an orthogonal matrix in the middle tap",
        color=2,
        dash="3px,3px",
        prepare=(filled(delta_orthogonal_),),
    ),
    "kaiming-uniform": Condition(
        "torch.nn.init.kaiming_uniform_ for a ReLU",
        color=5,
        dash="14px,3px,3px,3px",
        prepare=(filled(lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu")),),
    ),
}
"""Starts that others use, at the norms that they have there."""

SPECTRA = (
    {name: start for name, start in CELLS.items() if name not in ("random-bands", "same-band")}
    | NOISE
    | {
        "channel-bands": Condition(
            "every channel of every kernel a random frequency of its own",
            color=4,
            dash="7px,7px",
            prepare=(channel_bands,),
        ),
        "gabor": Condition(
            "random-bands, behind a Gaussian window if kernels are larger than 3 × 3",
            color=4,
            dash="2px,6px",
            prepare=(windowed_bands,),
        ),
    }
    | OF_LAYERS
    | OTHER_STARTS
)
"""All of them but the two that the book has had before: by name, in the order of the tables."""

FINALISTS: tuple[str, ...] = ()
"""The two of ``FACTORIAL`` with the highest training accuracy after ten epochs, when it is in."""
