"""The questions that pairs of conditions answer: what the difference of the two is put down to."""

from __future__ import annotations

from convsim.experiments.conditions import PENALISED

CONTRASTS = {
    ("scale", "baseline"): "shrinking alone",
    ("init", "scale"): "what Algorithm 1 adds to its shrinking",
    ("scale-free", "baseline"): "lower similarity at unchanged scale",
    ("both", "scale"): "lower similarity at Algorithm 1's scale",
    ("both", "init"): "both, against Algorithm 1",
    ("regularise", "baseline"): "Algorithm 2",
    ("regularise", "decay"): "Algorithm 2, against weight decay to the same norm",
    ("learning-rate", "baseline"): "a tuned learning rate alone",
    ("init", "learning-rate"): "Algorithm 1, against a tuned learning rate",
    ("random-bands", "baseline"): "narrow spectra, different by chance",
    ("same-band", "baseline"): "narrow spectra, all alike",
    ("balanced-bands", "baseline"): "narrow spectra, mean spectrum unchanged",
    ("scale-free", "random-bands"): "what the descent adds to narrow spectra",
    ("random-bands-rate", "learning-rate"): "narrow spectra at a tuned learning rate",
    ("random-bands-scale", "scale"): "narrow spectra at Algorithm 1's scale",
}
"""Pairs of conditions, and the question that the difference of the two answers."""

INPUT_CONTRASTS = {
    ("orthogonal-kernels", "baseline"): "orthogonal kernels",
    ("orthogonal-maps", "baseline"): "uncorrelated maps at the start",
    ("orthogonal-maps", "orthogonal-kernels"): "what the input's autocorrelation adds",
    ("orthogonal-maps-first", "baseline"): "uncorrelated maps at the start, first layer",
    ("orthogonal-maps-power", "baseline"): "the same at the default's power of the maps",
    ("orthogonal-maps-power", "orthogonal-maps"): "power kept rather than the kernels' norms",
    ("orthogonal-maps-power-ridge", "orthogonal-maps-power"): "weak directions left as they are",
    ("orthogonal-maps-power-ridge", "baseline"): "both, against the default",
    ("orthogonal-maps-ridge", "orthogonal-maps"): "weak directions left as they are",
    ("orthogonal-maps-raw", "orthogonal-maps"): "orthogonal with their means",
    ("orthogonal-maps-leading", "orthogonal-maps"): "strong directions only",
    ("whitening-layer", "extra-layer"): "a layer that whitens, against one that does not",
    ("whitening-layer", "baseline"): "whitening ahead of the network",
    ("deconvolution", "baseline"): "whitening in every layer, at every step",
    ("decov", "baseline"): "correlations kept low in training",
    ("orthogonal-kernels-scale", "scale"): "orthogonal kernels, at Algorithm 1's scale",
    ("orthogonal-maps-scale", "scale"): "uncorrelated maps at the start, there",
    ("orthogonal-maps-first-scale", "scale"): "the same in the first layer, there",
    ("whitening-layer-scale", "scale"): "whitening ahead of the network, there",
    ("deconvolution-scale", "scale"): "whitening at every step, there",
    ("decov-scale", "scale"): "correlations kept low in training, there",
}
"""The same for the conditions that bring the input in."""

PENALTY_CONTRASTS = {(name, "baseline"): name for name in (*PENALISED, "decov")}
"""The same for the penalties, in words that need no explanation."""
