"""The explorer of a whole network: its feature maps, how alike they are, and what a change does."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from convsim.explorers import forward
from convsim.explorers.base import Explorer, Readouts
from convsim.explorers.forward import Steps
from convsim.explorers.packed import Packed, pack, unpack
from convsim.explorers.traits import Checked, choice_trait, number_trait, whole_trait
from convsim.pictures import PICTURES, picture
from convsim.similarity import convolutional_similarity, similarity_matrix

NETWORKS = ("default", "algorithm-1", "scale", "scale-free", "longer")
CHANGES = ("none", "scale", "orthogonal-kernels", "orthogonal-maps", "remove")
SIDE = 32
RIDGES = {"orthogonal-kernels": 1e-6, "orthogonal-maps": 1e-3}
"""Shares of the mean power that keep an inverse root finite where kernels outnumber taps."""


@cache
def stored(network: str, trained: str) -> Packed:
    """A network of the book, packed."""
    # Before its training the longer one was the default.
    name = (
        "default-before" if (network, trained) == ("longer", "before") else f"{network}-{trained}"
    )
    text = files("convsim.explorers").joinpath(f"networks/{name}.json").read_text("utf-8")
    return {"name": f"{network}-{trained}", **json.loads(text)}


@cache
def pictures() -> str:
    """The book's ten pictures, one byte a number, in base64."""
    levels = [(255 * picture(name)).round().to(torch.uint8).numpy().tobytes() for name in PICTURES]
    return b64encode(b"".join(levels)).decode("ascii")


def _colours(value: Any) -> list[list[list[int]]]:
    levels = np.asarray(value, dtype=np.float64)
    if levels.shape != (3, SIDE, SIDE):
        raise ValueError(f"its shape is {levels.shape}; cut or average it to {(3, SIDE, SIDE)}")
    if not np.isin(levels, np.arange(256)).all():
        raise ValueError("turn values in [0, 1] with (255 * x).round()")
    planes: list[list[list[int]]] = levels.astype(int).tolist()
    return planes


def _colour_trait() -> Checked:
    expected = f"3 planes of {SIDE} rows of {SIDE} whole values from 0 to 255"
    return Checked(lambda: (255 * picture()).round(), _colours, expected).tag(
        fixed=True,
        to_json=lambda planes, _: b64encode(np.uint8(planes)).decode(),
        from_json=lambda text, _: np.frombuffer(b64decode(text), np.uint8).reshape(3, SIDE, SIDE),
    )


class NetworkExplorer(Explorer):
    r"""A trained network on a picture: maps, three measures of their likeness, and a change.

    The networks are CNN1 of Belmekki et al. (2024), trained on CIFAR-10 (JPEG copy), one seed, and
    stored with eight bits a weight. Of one layer the explorer compares the kernels' cosines,
    :math:`\langle A_i, A_j\rangle / (\|A_i\| \|A_j\|)` and the cosines of the feature maps.

    A change is made to that layer alone. Where a batch normalisation follows, it follows the
    change: each map keeps the mean and the standard deviation that it had behind the
    normalisation, over the book's ten pictures.

    Args:
        model: your own ``torch.nn.Sequential``, shown in place of the book's networks, or none.
        classes: names of its outputs.
        mean, std: of its input's channels, for values in [0, 1].
        traits: the state.

    Traits:
        network: ``"default"``, ``"algorithm-1"``, ``"scale"``, ``"scale-free"``: the start, then 20
            epochs; ``"longer"``: the default start and 100; ``"own"``: yours.
        trained: ``"after"`` or ``"before"`` the training.
        image: one of ``convsim.pictures.PICTURES``, or ``"own"``.
        layer: of the convolutions, from 1.
        stage: ``"maps"``, what the convolution gives; ``"activations"``, what the next one gets.
        centered: ``"raw"`` or ``"centered"``: cosines of maps less their mean.
        change: ``"none"``; ``"scale"``, the weights by ``factor``; ``"orthogonal-kernels"`` and
            ``"orthogonal-maps"``, the nearest such kernels with the norms that they had, as far as
            the taps allow; ``"remove"``, the activation of the map most like the others is 0.
        factor: 0.1 to 10.
        first, second: the pair that is looked at, 1 to 1,024, counted on past the last kernel.
        own: ``(3, 32, 32)`` whole values from 0 to 255. The page replaces it by your picture.

    Raises:
        traitlets.TraitError: for a value that a trait does not take.
        ValueError: for a model that cannot be drawn; the message names the module.

    Example:
        >>> explorer = NetworkExplorer(change="scale", factor=3)
        >>> explorer.readouts()["moved"] < 1e-6
        True
    """

    network = choice_trait((*NETWORKS, "own"))
    trained = choice_trait(("after", "before"))
    image = choice_trait((*PICTURES, "own"))
    layer = whole_trait(1, low=1, high=16)
    stage = choice_trait(("maps", "activations"))
    centered = choice_trait(("raw", "centered"))
    change = choice_trait(CHANGES)
    factor = number_trait(2.0, 0.1, 10.0)
    first = whole_trait(1, low=1, high=1024)
    second = whole_trait(2, low=1, high=1024)
    own = _colour_trait()
    packed = traitlets.Dict().tag(sync=True, fixed=True)
    pictures = traitlets.Unicode(read_only=True).tag(sync=True, fixed=True)

    constants = {
        "side": SIDE,
        "ridge_kernels": RIDGES["orthogonal-kernels"],
        "ridge_maps": RIDGES["orthogonal-maps"],
    }

    def __init__(
        self,
        model: nn.Module | None = None,
        *,
        classes: Sequence[str] = (),
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        **traits: Any,
    ) -> None:
        self._model: Packed | None = None
        if model is not None:
            named = classes or [str(n + 1) for n in range(_outputs(model))]
            self._model = {"name": "own", **pack(model, classes=named, mean=mean, std=std)}
            traits = {"network": "own"} | traits
        super().__init__(**traits)
        self._load()

    @traitlets.default("pictures")
    def _all_pictures(self) -> str:
        return pictures()

    @traitlets.validate("network")
    def _known(self, proposal: Any) -> Any:
        if proposal["value"] == "own" and self._model is None:
            raise traitlets.TraitError(
                "network is 'own', and no model is given; expected NetworkExplorer(model)"
            )
        return proposal["value"]

    @traitlets.observe("network", "trained")
    def _load(self, _: Any = None) -> None:
        own = self._model if self.network == "own" else None
        self.packed = stored(self.network, self.trained) if own is None else own

    @property
    def _supplied(self) -> tuple[str, ...]:
        """What ``_static/networks`` of the book has; a network of your own goes with the page."""
        return () if self.network == "own" else ("packed", "pictures")

    def signal(self, image: str) -> Tensor:
        """A picture as the network gets it, normalised: float64, ``(1, 3, 32, 32)``."""
        pixels = torch.tensor(self.own).double() / 255 if image == "own" else picture(image)
        mean, std = (torch.tensor(self.packed[name])[:, None, None] for name in ("mean", "std"))
        return ((pixels - mean.double()) / std.double())[None]

    def cosines(self, image: str, layer: int) -> Tensor:
        """Cosines of a layer's maps on a picture, unchanged: float64, ``(S, S)``."""
        steps = unpack(self.packed)
        at = forward.convolutions(steps)[layer - 1]
        values = forward.run(steps, self.signal(image))
        return forward.cosines(
            self._rows(values[at if self.stage == "maps" else forward.end_of(steps, at)])
        )

    def readouts(self) -> Readouts:
        """Return the likeness in the layer, that of the pair, and the network's answer.

        ``kernel_cosine`` and ``map_cosine`` are mean sizes over pairs, ``similarity`` the mean of
        the normalised products, ``loss`` is L_CS. ``pair_…`` are those of the pair, with signs;
        ``lag_terms`` their sum by lags, 5×5, in the first layer, where the padding is full.
        ``probabilities`` are the softmax, ``moved`` the most that one of them moves by the change,
        ``removed`` the number of the map removed. None stands for what is undefined.
        """
        steps = unpack(self.packed)
        at = forward.convolutions(steps)[min(self.layer, len(forward.convolutions(steps))) - 1]
        x = self.signal(self.image)
        plain = forward.run(steps, x)
        changed, removed = self._changed(steps, at, plain)
        values = plain if self.change == "none" else forward.run(changed, x, at, removed)
        kernels = changed[at]["weight"]
        i, j = ((n - 1) % len(kernels) for n in (self.first, self.second))
        maps = self._rows(values[at if self.stage == "maps" else forward.end_of(steps, at)])
        of_kernels, of_maps = (forward.cosines(rows) for rows in (kernels.flatten(1), maps))
        products = similarity_matrix(kernels)
        size = products.diag().sqrt()
        answer, before = (torch.softmax(v[-1][0], 0) for v in (values, plain))
        return {
            "kernel_cosine": forward.mean_size(of_kernels),
            "similarity": float(convolutional_similarity(kernels, normalized=True)),
            "loss": float(convolutional_similarity(kernels)),
            "map_cosine": forward.mean_size(of_maps),
            "pair_kernels": _defined(of_kernels[i, j]),
            "pair_similarity": _defined(products[i, j] / (size[i] * size[j])),
            "pair_maps": _defined(of_maps[i, j]),
            "lag_terms": forward.lag_terms(x[0], kernels, i, j) if at == 0 else None,
            "probabilities": answer.tolist(),
            "moved": float((answer - before).abs().max()),
            "removed": None if removed is None else removed + 1,
        }

    def _rows(self, maps: Tensor) -> Tensor:
        rows = maps[0].flatten(1)
        return rows - rows.mean(1, keepdim=True) if self.centered == "centered" else rows

    def _changed(self, steps: Steps, at: int, plain: list[Tensor]) -> tuple[Steps, int | None]:
        """The steps after the change of the convolution ``at``, and the map that it removes."""
        if self.change == "none":
            return steps, None
        if self.change == "remove":
            shown = self._rows(plain[at if self.stage == "maps" else forward.end_of(steps, at)])
            return steps, int(forward.cosines(shown).nan_to_num().abs().sum(1).argmax())
        weight, old = steps[at]["weight"], forward.maps_of_all(steps, at, self.packed)
        if self.change == "scale":
            new = self.factor * weight
        else:
            rows = weight.flatten(1) if self.change == "orthogonal-kernels" else old
            if self.change == "orthogonal-maps" and self.centered == "centered":
                rows = rows - rows.mean(1, keepdim=True)
            new = forward.orthogonalised(weight, rows @ rows.T, RIDGES[self.change])
        changed = [*steps[:at], {**steps[at], "weight": new}, *steps[at + 1 :]]
        if steps[at + 1]["kind"] == "norm":
            now = forward.maps_of_all(changed, at, self.packed)
            changed[at + 1] = forward.following(steps[at + 1], old, now)
        return changed, None


def _outputs(model: nn.Module) -> int:
    found = [m.out_features for m in model.modules() if isinstance(m, nn.Linear)]
    return found[-1] if found else 0


def _defined(value: Tensor) -> float | None:
    return None if value.isnan() else float(value)
