"""A network step by step on pictures, and what a change of one layer makes of it: js/forward.js."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, leaky_relu, linear, max_pool2d, normalize

from convsim.correlation import cross_correlate
from convsim.explorers.packed import Packed
from convsim.pictures import PICTURES, picture

Steps = list[dict[str, Any]]
"""As :func:`~convsim.explorers.packed.unpack` returns them."""


def convolutions(steps: Steps) -> list[int]:
    """The steps that are convolutions."""
    return [n for n, step in enumerate(steps) if step["kind"] == "conv"]


def end_of(steps: Steps, at: int) -> int:
    """The last step before the next layer's."""
    after = (n for n in range(at + 1, len(steps)) if steps[n]["kind"] in ("conv", "linear"))
    return next(after) - 1


def run(steps: Steps, x: Tensor, at: int | None = None, removed: int | None = None) -> list[Tensor]:
    """What each step gives; the map ``removed`` of the layer at step ``at`` is 0 at its end."""
    end = None if at is None or removed is None else end_of(steps, at)
    values = []
    for n, step in enumerate(steps):
        x = _step(step, x)
        if n == end:
            x = x.clone()
            x[:, removed] = 0
        values.append(x)
    return values


def _step(step: dict[str, Any], x: Tensor) -> Tensor:
    if step["kind"] == "conv":
        return conv2d(x, step["weight"], step["bias"], padding=step["padding"])
    if step["kind"] == "linear":
        return linear(x.flatten(1), step["weight"], step["bias"])
    if step["kind"] == "norm":
        return x * step["slope"][:, None, None] + step["offset"][:, None, None]
    return max_pool2d(x, 2) if step["kind"] == "pool" else leaky_relu(x, step["slope"])


def maps_of_all(steps: Steps, at: int, packed: Packed) -> Tensor:
    """What the convolution ``at`` gives for the ten pictures, a row a map."""
    mean, std = (torch.tensor(packed[name])[:, None, None].double() for name in ("mean", "std"))
    x = (torch.stack([picture(name) for name in PICTURES]) - mean) / std
    values = run(steps[: at + 1], x)
    return values[at].transpose(0, 1).flatten(1)


def orthogonalised(weight: Tensor, gram: Tensor, ridge: float) -> Tensor:
    """(G + ε I)^(-1/2) K, each kernel with the norm that it had."""
    eye = torch.eye(len(gram), dtype=gram.dtype)
    values, vectors = torch.linalg.eigh(gram + ridge * gram.diag().mean() * eye)
    rows = vectors @ ((vectors.T @ weight.flatten(1)) / values.sqrt()[:, None])
    rows = normalize(rows) * weight.flatten(1).norm(dim=1, keepdim=True)
    return rows.view_as(weight)


def following(norm: dict[str, Any], old: Tensor, new: Tensor) -> dict[str, Any]:
    """The normalisation behind which each map keeps its mean and its standard deviation."""
    slope = norm["slope"] * old.std(1) / new.std(1)
    offset = norm["offset"] + norm["slope"] * old.mean(1) - slope * new.mean(1)
    return {**norm, "slope": slope, "offset": offset}


def cosines(rows: Tensor) -> Tensor:
    """Of all pairs of rows, not a number where a row is zero."""
    gram = rows @ rows.T
    norms = gram.diag().sqrt()
    return gram / torch.outer(norms, norms)


def mean_size(cosines: Tensor) -> float | None:
    """Of those that are defined, of different rows."""
    away = cosines[~torch.eye(len(cosines), dtype=torch.bool)].abs()
    defined = away[~away.isnan()]
    return float(defined.mean()) if len(defined) else None


def lag_terms(x: Tensor, kernels: Tensor, i: int, j: int) -> list[list[float]]:
    """⟨F_i, F_j⟩ by lags, all pairs of channels together."""
    size = kernels.shape[-1]
    terms = torch.zeros(2 * size - 1, 2 * size - 1, dtype=x.dtype)
    middle = x.shape[-1] - size
    for c in range(len(x)):
        for d in range(len(x)):
            of_kernels = cross_correlate(kernels[i, c], kernels[j, d], dims=2)
            of_input = cross_correlate(x[c], x[d], dims=2)[middle : middle + len(terms)]
            terms += of_kernels * of_input[:, middle : middle + len(terms)]
    return terms.tolist()
