"""How redundant a network is, layer by layer: its kernels and, given images, its feature maps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from convsim.checks import check_tensor
from convsim.feature_maps import feature_map_cosines, mean_absolute_cosine
from convsim.floor import floor_share
from convsim.layers import class_name, current_weight, with_torchscript
from convsim.similarity import convolutional_similarity
from convsim.table import Table


@dataclass(frozen=True, repr=False)
class LayerReport:
    """One layer in :func:`convsim.report.redundancy_report`; None is undefined or not measured.

    Attributes:
        name: the layer's name in ``named_modules``; empty if the model is the layer.
        kernels: number of kernels, S.
        channels: channels of a kernel, C: the layer's input channels divided by its groups.
        groups: number of groups, or None if the file does not say.
        kernel_size: taps on each spatial axis.
        weight_norm: Euclidean norm of the weight.
        similarity: Convolutional Similarity, L_CS.
        floor: the share of L_CS below which no kernels of these norms can bring it; None where
            nothing above 0 is proven, and for kernels of one tap, where L_CS is norms alone.
        normalized_similarity: its scale-free form, between 0 and 1; None for kernels of one tap,
            1 × 1, for which it is 1 whatever the weights.
        kernel_cosine: mean absolute cosine of pairs of flattened kernels. It is also what their
            maps would have if the input were white, that is, uncorrelated and equally strong.
        dead_kernels: kernels that are zero, which have no cosine.
        feature_map_cosine: mean absolute cosine of pairs of an image's feature maps.
        expected_cosine: the same with each map taken over all images and positions at once.
        dead_feature_maps: feature maps that are zero, over all images and calls.
    """

    name: str
    kernels: int
    channels: int
    groups: int | None
    kernel_size: tuple[int, ...]
    weight_norm: float
    similarity: float
    floor: float | None
    normalized_similarity: float | None
    kernel_cosine: float | None
    dead_kernels: int
    feature_map_cosine: float | None = None
    expected_cosine: float | None = None
    dead_feature_maps: int | None = None

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        return _table((self,), "One convolutional layer", _source((self,)))


@dataclass(frozen=True, repr=False)
class RedundancyReport:
    """A model's layers, in the order of ``named_modules``; prints as a table.

    Attributes:
        model: what was measured, in words.
        layers: one report a convolutional layer.
        images: shape of the images, or None.
        note: what the reader has to know about the numbers; may be empty.
    """

    model: str
    layers: tuple[LayerReport, ...]
    images: tuple[int, ...] | None = None
    note: str = ""

    @property
    def total_similarity(self) -> float:
        """Sum of L_CS over the layers, as :func:`convsim.model_similarity` computes it."""
        return sum(layer.similarity for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can write it: lists for tuples, None for what is undefined."""
        layers = [asdict(layer) | {"kernel_size": list(layer.kernel_size)} for layer in self.layers]
        images = None if self.images is None else list(self.images)
        return {
            "model": self.model,
            "images": images,
            "note": self.note,
            "total_similarity": self.total_similarity,
            "layers": layers,
        }

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        count = len(self.layers)
        caption = f"{self.model}: {count} convolutional layer{'s' if count > 1 else ''}"
        if self.images is not None:
            caption += f", images of shape {self.images}"
        source = " ".join(filter(None, (_source(self.layers), self.note)))
        return _table(self.layers, caption, source, total=self.total_similarity)


def redundancy_report(model: nn.Module, images: Tensor | None = None) -> RedundancyReport:
    """Measure every convolutional layer of a model: L_CS, its scale-free form, and cosines.

    Every ``Conv1d``, ``Conv2d`` and ``Conv3d`` is a row; a module used in several places is one
    row. Weights are measured in float64, cosines at least in float32. With ``images`` the model
    runs once, in evaluation mode and without gradients, and is left as it was; the feature maps
    are the layers' outputs, before any activation, and calls of one layer are averaged.

    Args:
        model: any module with a convolutional layer, TorchScript included.
        images: a batch that the model accepts, for instance ``(B, C, H, W)``; None leaves the
            feature maps out.

    Returns:
        A :class:`convsim.report.RedundancyReport`. What is not defined is None, such as the
        cosine of a single kernel, of dead ones, or of the maps of a layer that is not called.

    Raises:
        ValueError: if the model has no convolutional layer, a weight, the images or a feature
            map is not finite, or the model refuses the images.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3, groups=2))
        >>> report = redundancy_report(model, torch.rand(2, 3, 16, 16))
        >>> [(layer.name, layer.kernels, layer.channels) for layer in report.layers]
        [('0', 8, 3), ('2', 4, 4)]
        >>> print(report)
        Sequential: 2 convolutional layers, images of shape (2, 3, 16, 16)
        layer  S  C            size   ‖weight‖  L_CS ...
        0      8  3            3 × 3  ...
        2      4  4, 2 groups  3 × 3  ...
        total ...
    """
    convolutions = with_torchscript(model)
    title = class_name(model)
    layers = [
        _measure_weight(name, current_weight(module), getattr(module, "groups", None))
        for name, module in convolutions
    ]
    if images is None:
        unknown = any(layer.groups is None for layer in layers)
        note = "A traced model does not keep the number of groups." if unknown else ""
        return RedundancyReport(title, tuple(layers), note=note)
    check_tensor(images, "images", axes=2)
    if any(isinstance(module, torch.jit.ScriptModule) for _, module in convolutions):
        raise ValueError(
            f"{title} is TorchScript, whose layers take no hooks; expected a Python module to "
            "measure feature maps: pass that, or leave images out"
        )
    measured = feature_map_cosines(model, dict(convolutions), images)
    layers = [
        replace(
            layer,
            feature_map_cosine=found.per_image,
            expected_cosine=found.expected,
            dead_feature_maps=found.dead,
        )
        for layer, found in zip(layers, measured, strict=True)
    ]
    return RedundancyReport(title, tuple(layers), tuple(images.shape))


def weights_report(
    weights: Iterable[tuple[str, Tensor]], *, model: str, note: str = ""
) -> RedundancyReport:
    """Measure weights that come without a model, for instance from a file.

    Args:
        weights: name and weight, ``(S, C, *kernel_size)``, of each layer.
        model: what they belong to, in words.
        note: what the reader has to know about the numbers.

    Raises:
        ValueError: if there is no weight, or one is not a finite floating-point tensor of 3 to
            5 axes.
    """
    layers = tuple(_measure_weight(name, weight, None) for name, weight in weights)
    if not layers:
        raise ValueError(
            f"{model} holds no convolution weight; expected at least one floating-point tensor "
            "of 3 to 5 axes whose name ends in 'weight': save the state_dict of the whole model"
        )
    return RedundancyReport(model, layers, note=note)


def _measure_weight(name: str, weight: Tensor, groups: int | None) -> LayerReport:
    try:
        check_tensor(weight, "weight", axes=3, check_finite=False)
        # In float64 no fourth power of a float32 weight overflows.
        kernels = weight.detach().to("cpu", torch.float64)
        similarity = float(convolutional_similarity(kernels))
    except ValueError as error:
        raise ValueError(f"layer {name!r}: {error}") from error
    flat = kernels.flatten(1)
    size = flat.abs().amax(1)
    alive = size > 0
    # Neither value depends on a kernel's scale, so each kernel is scaled to 1 first.
    unit = kernels[alive] / size[alive].view(-1, *[1] * (kernels.ndim - 1))
    defined = len(unit) > 1
    one_tap = weight.shape[2:].numel() == 1  # then the normalised form is 1, whatever the weights
    return LayerReport(
        name=name,
        kernels=kernels.shape[0],
        channels=kernels.shape[1],
        groups=groups,
        kernel_size=tuple(kernels.shape[2:]),
        weight_norm=float(torch.linalg.vector_norm(kernels)),
        similarity=similarity,
        floor=None if one_tap else floor_share(kernels),
        normalized_similarity=(
            float(convolutional_similarity(unit, normalized=True))
            if defined and not one_tap
            else None
        ),
        kernel_cosine=mean_absolute_cosine(unit.flatten(1).float()[None])[0] if defined else None,
        dead_kernels=int((~alive).sum()),
    )


def _table(
    layers: Sequence[LayerReport], caption: str, source: str, *, total: float | None = None
) -> Table:
    with_images = any(layer.dead_feature_maps is not None for layer in layers)
    columns = [
        *(("", "layer"), ("", "S"), ("", "C"), ("", "size")),
        *(("", "‖weight‖"), ("", "L_CS"), ("", "floor"), ("", "normalised")),
        *(("kernels", "|cos|"), ("kernels", "dead")),
    ]
    if with_images:
        columns += [("feature maps", name) for name in ("|cos|", "expected", "dead")]
    rows = []
    for layer in layers:
        grouped = layer.groups is not None and layer.groups > 1
        rows.append(
            (
                layer.name or "(the model)",
                str(layer.kernels),
                f"{layer.channels}, {layer.groups} groups" if grouped else str(layer.channels),
                " × ".join(map(str, layer.kernel_size)),
                _number(layer.weight_norm, ".4g"),
                _number(layer.similarity, ".4g"),
                _number(layer.floor, ".1%"),
                _number(layer.normalized_similarity, ".4f"),
                _number(layer.kernel_cosine, ".4f"),
                str(layer.dead_kernels),
                _number(layer.feature_map_cosine, ".4f"),
                _number(layer.expected_cosine, ".4f"),
                _number(layer.dead_feature_maps, "d"),
            )[: len(columns)]
        )
    if total is not None:
        rows.append(("total", *[""] * 4, _number(total, ".4g"), *[""] * (len(columns) - 6)))
    return Table(tuple(columns), tuple(rows), caption, source)


def _source(layers: Sequence[LayerReport]) -> str:
    """What the columns are, and why some cells are empty."""
    words = [
        "L_CS: Convolutional Similarity (Belmekki et al., 2024, Eq. 10); floor: the share of it "
        "that no kernels of these norms can be without, – if none is proven; normalised: its "
        "scale-free mean over pairs of kernels; |cos|: mean over pairs, dead ones left out"
    ]
    if any(layer.dead_feature_maps is not None for layer in layers):
        words.append("expected: |cos| of maps over all images and positions at once")
    words.append("–: undefined.")
    if any(math.prod(layer.kernel_size) == 1 for layer in layers):
        words.append(
            "For 1 × 1 kernels L_CS is a matter of norms alone, and the normalised form is 1, "
            "whatever the weights, and says nothing: "
            "compare |cos| of the kernels, which is that of their maps if the input is white, and "
            "measure the maps themselves with images."
        )
    return "; ".join(words).replace(".; ", ". ")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
