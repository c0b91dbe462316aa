"""The conditions that networks are trained under: one object each.

Algorithm 1 shrinks the weights, and batch normalisation turns small weights into large steps, so
the controls take scale and similarity apart.
"""

from __future__ import annotations

from dataclasses import replace

from convsim.experiments import drawn_kernels, preparations
from convsim.experiments.condition import Condition
from convsim.experiments.spectra import CELLS, FINALISTS, OTHER_STARTS, SPECTRA

KERNELS = {
    "baseline": Condition("PyTorch's default initialisation", 0, "solid", kept=True),
    "init": Condition(
        "Algorithm 1: 500 steps on L_CS, then training",
        color=1,
        dash="12px,3px",
        prepare=(preparations.algorithm_1,),
        kept=True,
    ),
    "regularise": Condition(
        "Algorithm 2: L_CS times 0.001 in the training loss",
        color=2,
        dash="9px,3px,2px,3px,2px,3px",
        regularised=True,
    ),
    "scale": Condition(
        "default initialisation, each layer shrunk as Algorithm 1 shrank it",
        color=1,
        dash="5px,5px",
        prepare=(preparations.shrink,),
        kept=True,
    ),
    "scale-free": Condition(
        "Algorithm 1 on the normalised similarity, every kernel's norm held",
        color=3,
        dash="2px,3px",
        prepare=(preparations.scale_free,),
        kept=True,
    ),
    "both": Condition(
        "scale-free, then each layer shrunk as in scale",
        color=3,
        dash="9px,3px,2px,3px",
        prepare=(preparations.scale_free, preparations.shrink),
    ),
    "decay": Condition(
        "weight decay, as strong as it takes to end at Algorithm 2's weight norm",
        color=2,
        dash="5px,2px",
        chosen="weight_decay",
    ),
    "learning-rate": Condition(
        "default initialisation, best of several learning rates",
        color=0,
        dash="16px,4px",
        chosen="lr",
    ),
    "random-bands": Condition(
        "every kernel a random frequency of its own, norms of the default",
        color=4,
        dash="20px,3px",
        prepare=(drawn_kernels.bands("random"),),
    ),
    "same-band": Condition(
        "one random frequency for all kernels of a layer, norms of the default",
        color=5,
        dash="3px,3px",
        prepare=(drawn_kernels.bands("same"),),
    ),
    "balanced-bands": Condition(
        "random-bands, moved until the layer's mean spectrum is that of the default",
        color=4,
        dash="14px,3px,3px,3px",
        prepare=(drawn_kernels.balance_bands,),
    ),
    "random-bands-scale": Condition(
        "random-bands, each layer shrunk as in scale",
        color=1,
        dash="3px,6px",
        prepare=(drawn_kernels.bands("random"), preparations.shrink),
    ),
    "random-bands-rate": Condition(
        "random-bands, at the learning rate of learning-rate",
        color=0,
        dash="7px,7px",
        prepare=(drawn_kernels.bands("random"),),
        chosen="lr",
    ),
}
"""What changes kernels alone, as the first paper does: by name, in the order of the tables."""

INPUT = {
    "orthogonal-kernels": Condition(
        "kernels orthogonal, norms of the default",
        color=1,
        dash="12px,3px",
        prepare=(preparations.orthogonal_kernels,),
    ),
    "orthogonal-maps": Condition(
        "feature maps of 1,000 training images uncorrelated in every layer",
        color=2,
        dash="9px,3px,2px,3px",
        prepare=(preparations.maps_orthogonal,),
    ),
    "orthogonal-maps-power": Condition(
        "orthogonal-maps, each kernel as long as it takes for its map to keep its power",
        color=3,
        dash="7px,2px,7px,6px",
        prepare=(preparations.maps_orthogonal_power,),
    ),
    "orthogonal-maps-power-ridge": Condition(
        "orthogonal-maps-power, but for the directions in which the input is weak",
        color=3,
        dash="2px,6px",
        prepare=(preparations.maps_orthogonal_power_ridge,),
    ),
    "orthogonal-maps-first": Condition(
        "orthogonal-maps, in the first layer only",
        color=3,
        dash="5px,5px",
        prepare=(preparations.first_maps_orthogonal,),
    ),
    "whitening-layer": Condition(
        "a frozen layer ahead that whitens 2 × 2 patches, each filter with its negative",
        color=4,
        dash="2px,3px",
        prepare=(preparations.whitening_layer,),
    ),
    "deconvolution": Condition(
        "every layer whitens its input patches at every step",
        color=5,
        dash="16px,4px",
        prepare=(preparations.deconvolution,),
    ),
    "decov": Condition(
        "squared correlations of the feature maps in the training loss",
        color=0,
        dash="7px,7px",
        chosen="decorrelation",
    ),
    "extra-layer": Condition(
        "a layer ahead of the whitening layer's shape, PyTorch's default, trained",
        color=4,
        dash="9px,3px,2px,3px,2px,3px",
        prepare=(preparations.extra_layer,),
    ),
    "orthogonal-maps-ridge": Condition(
        "orthogonal-maps, but for the directions in which the input is weak",
        color=2,
        dash="20px,3px",
        prepare=(preparations.maps_orthogonal_ridge,),
    ),
    "orthogonal-maps-raw": Condition(
        "orthogonal-maps, with the maps' means",
        color=2,
        dash="3px,3px",
        prepare=(preparations.maps_orthogonal_raw,),
    ),
    "orthogonal-maps-leading": Condition(
        "orthogonal-maps, of kernels in the input's strongest directions alone",
        color=2,
        dash="14px,3px,3px,3px",
        prepare=(preparations.maps_orthogonal_leading,),
    ),
}
"""What makes feature maps orthogonal, with or without the input: compared with ``baseline``."""

SHRUNK = {
    f"{name}-scale": replace(
        condition,
        words=f"{name}, each layer shrunk as in scale",
        prepare=(preparations.shrink, *condition.prepare)
        if name in ("whitening-layer", "deconvolution")  # which change the layers themselves
        else (*condition.prepare, preparations.shrink),
    )
    for name, condition in INPUT.items()
    if name in ("orthogonal-kernels", "orthogonal-maps", "orthogonal-maps-first")
    or name in ("whitening-layer", "deconvolution", "decov")
}
"""Some of the same at Algorithm 1's norms: compared with ``scale``."""

_PENALTIES = {
    "soft-orthogonality": ("soft orthogonality", 1, "12px,3px"),
    "mutual-coherence": ("mutual coherence", 2, "9px,3px,2px,3px"),
    "srip": ("SRIP", 3, "5px,5px"),
    "ocnn": ("OCNN", 4, "2px,3px"),
    "orthoreg": ("OrthoReg", 5, "16px,4px"),
    "similarity": ("L_CS", 1, "3px,3px"),
    "normalised-similarity": ("normalised similarity", 2, "20px,3px"),
}

PENALISED = {
    name: Condition(
        f"{penalty} in the training loss, best of several strengths",
        color=color,
        dash=dash,
        chosen="strength",
        options={"penalty": penalty},
    )
    for name, (penalty, color, dash) in _PENALTIES.items()
}
"""Penalties on kernels in training, compared with ``baseline``; ``decov`` is one on maps."""

DEEPER = {
    "regularise-falling": Condition(
        "Algorithm 2, β in proportion to the loss",
        color=3,
        dash="5px,5px",
        regularised=True,
        options={"beta_follows_loss": True},
    ),
    "matched-rate": Condition(
        "default initialisation, each layer at the norm from which an epoch leads to one "
        "effective rate",
        color=3,
        dash="9px,3px,2px,3px,2px,3px",
        prepare=(preparations.matched_rate,),
    ),
    "unit-variance": Condition(
        "default initialisation, each layer scaled until its maps have variance 1",
        color=0,
        dash="16px,4px",
        prepare=(preparations.unit_variance,),
    ),
    "init-unit-variance": Condition(
        "Algorithm 1, then unit-variance, which undoes its shrinking",
        color=1,
        dash="9px,3px,2px,3px",
        prepare=(preparations.algorithm_1, preparations.unit_variance),
    ),
    "scale-free-unit-variance": Condition(
        "scale-free, then unit-variance",
        color=3,
        dash="2px,3px",
        prepare=(preparations.scale_free, preparations.unit_variance),
    ),
}
"""What else trains with other optimisers, and without batch normalisation."""

_RIVALS = {name: KERNELS[name] for name in ("baseline", "scale-free")} | OTHER_STARTS
OWN_RATE = {
    f"{name}-own-rate": replace(
        start, words=f"{start.words}, best of several learning rates", chosen="own_lr", kept=False
    )
    for name, start in ({name: CELLS[name] for name in FINALISTS} | _RIVALS).items()
}
"""Starts that are compared each at the learning rate that suits it."""

CONDITIONS = KERNELS | INPUT | SHRUNK | PENALISED | DEEPER | SPECTRA | OWN_RATE
"""All conditions."""
