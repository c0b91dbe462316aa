"""What a training is watched by: a row of numbers an epoch, and a stop at NaN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypedDict, cast

from torch import Tensor, nn

from convsim.layers import Convolution
from convsim.similarity import convolutional_similarity


@dataclass(frozen=True)
class Epoch:
    """What one epoch of :func:`convsim.training.fit` came to.

    Attributes:
        epoch: number of epochs trained so far, from 1.
        loss: mean cross-entropy of the training batches, as they were trained on.
        train_accuracy: share of them that was right, in per cent.
        test_accuracy: of the test images after the epoch, in per cent.
        similarity: L_CS of each convolutional layer after the epoch.
        normalized: its scale-free form.
        norm: norm of each layer's weight.
        seconds: duration of the training steps, without the evaluation.
        held_out_accuracy: of images held out of the training, after the epoch, in per cent; None
            if none were.
    """

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    similarity: dict[str, float]
    normalized: dict[str, float]
    norm: dict[str, float]
    seconds: float
    held_out_accuracy: float | None = None


class _HeldOut(TypedDict, total=False):
    held_out_accuracy: list[float]


class Epochs(_HeldOut):
    """The fields of :class:`Epoch`, epoch by epoch."""

    epoch: list[int]
    loss: list[float]
    train_accuracy: list[float]
    test_accuracy: list[float]
    similarity: dict[str, list[float]]
    normalized: dict[str, list[float]]
    norm: dict[str, list[float]]
    seconds: list[float]


def by_epoch(history: Sequence[Epoch]) -> Epochs:
    """Every field of the epochs as a list, or as a list a layer; none that is None."""
    rows = [asdict(epoch) for epoch in history]
    fields = {
        key: {layer: [row[key][layer] for row in rows] for layer in value}
        if isinstance(value, dict)
        else [row[key] for row in rows]
        for key, value in rows[0].items()
        if value is not None
    }
    return cast(Epochs, fields)


class Stopped(Exception):
    """A training was asked to stop, and has; its checkpoint holds every step that was made."""


def measure_layers(layers: Sequence[tuple[str, Convolution]]) -> dict[str, dict[str, float]]:
    """L_CS, its normalised form and the norm of each layer's weight."""
    measured: dict[str, dict[str, float]] = {"similarity": {}, "normalized": {}, "norm": {}}
    for name, layer in layers:
        weight = layer.weight.detach()
        measured["similarity"][name] = convolutional_similarity(weight).item()
        normalized = convolutional_similarity(weight, normalized=True)
        measured["normalized"][name] = normalized.item()
        measured["norm"][name] = weight.norm().item()
    return measured


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of the tensors that hold NaN or infinity."""
    return [name for name, value in tensors.items() if not value.isfinite().all()]


def check_finite(
    loss: Tensor, model: nn.Module, layers: Sequence[tuple[str, Convolution]], epoch: int
) -> None:
    """Stop a run whose loss or weights became NaN or infinite, or so large that L_CS did.

    Statistics of batch normalisation count as weights: what is not finite is never saved.
    """
    broken = [name.rpartition(".")[0] for name in not_finite(model.state_dict())]
    broken += [
        name
        for name, layer in layers
        if not convolutional_similarity(layer.weight.detach(), check_finite=False).isfinite()
    ]
    finite = loss.isfinite()
    if finite.all() and not broken:
        return
    # Once a loss is NaN all later ones are.
    first = int(finite.sum())
    last = f"{loss[first - 1]:.6g}" if first else "none in this epoch"
    where = f"the weights or L_CS of layer {broken[0]!r}" if broken else "the loss alone"
    raise FloatingPointError(
        f"epoch {epoch}: NaN or infinity in {where} at step {first + 1} of the epoch or just "
        f"before; last finite loss: {last}. Expected finite numbers: lower the learning rate or "
        "beta, or choose precision float32"
    )
