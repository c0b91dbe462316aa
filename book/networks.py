"""CNN1 as the explorer of networks shows it: ``python -m book.networks FOLDER-OF-CIFAR-10``.

Packs the kept networks, and what they were before their training, into
``convsim/explorers/networks``; ``add`` makes them scripts of the built book.
"""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "convsim/explorers/networks"
# The paper's names for some conditions of `convsim run table5`.
CONDITIONS = {
    "default": "baseline",
    "algorithm-1": "init",
    "scale": "scale",
    "scale-free": "scale-free",
}
LONGER = 100
CALIBRATED = 5_000


def scripts() -> dict[str, str]:
    """What a page loads on request, by file name: each network, and the pictures."""
    from convsim.explorers.network import NETWORKS, pictures

    supplies: dict[str, Any] = {"pictures": pictures()}
    for path in sorted(PLACE.glob("*.json")):
        supplies[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    assert {f"{name}-after" for name in NETWORKS} <= supplies.keys(), "run book.networks"
    return {
        f"{name}.js": f"convsimExplorers.take({json.dumps(name)}, {json.dumps(value)});\n"
        for name, value in supplies.items()
    }


def main(data: str) -> None:
    """Pack all networks, and measure what eight bits cost them."""
    from convsim.data import cifar10, spread
    from convsim.experiments.cifar10 import initialise, settings_of
    from convsim.experiments.networks import load_network
    from convsim.experiments.record import read_records
    from convsim.experiments.sweep import TRAINING
    from convsim.explorers.packed import pack, unpack
    from convsim.training import evaluate

    train, test = cifar10(data)
    usual: dict[str, Any] = {
        "classes": train.classes,
        "mean": (train.mean.flatten() / 255).tolist(),
        "std": (train.std.flatten() / 255).tolist(),
    }
    records = read_records(TRAINING.name)

    def record_of(condition: str, epochs: int, loop: int | None) -> Any:
        (found,) = (
            record
            for record in records
            if (s := settings_of(record)).condition == condition
            and (s.epochs, s.loop, s.seed, s.width) == (epochs, loop, 0, 64)
            and s.queries == 0
            and s.ordinary
            and s.model == "ShallowCNN"
        )
        return found

    def write(name: str, model: nn.Module, measured: bool, words: str) -> None:
        packed = pack(model.eval(), **usual)
        again = deepcopy(model)
        with torch.no_grad():
            _fill(again, unpack(packed))
        packed["words"] = words
        if measured:
            packed["accuracy"] = [evaluate(net.eval(), test) for net in (model, again)]
        (PLACE / f"{name}.json").write_text(json.dumps(packed) + "\n", encoding="utf-8")
        print(name, packed.get("accuracy"), len(packed["data"]))

    PLACE.mkdir(exist_ok=True)
    few = train.subset(spread(len(train), CALIBRATED, train.pixels.device))
    for name, condition in CONDITIONS.items():
        record = record_of(condition, 20, 1)
        write(f"{name}-after", load_network(record), True, f"{condition}, 20 epochs, seed 0")
        before, _ = initialise(settings_of(record), "cpu", train=train)
        _calibrate(before, few)
        write(f"{name}-before", before, False, f"{condition} before its training, seed 0")
    longer = record_of("baseline", LONGER, 2)
    write("longer-after", load_network(longer), True, f"baseline, {LONGER} epochs, seed 0")


def _calibrate(model: nn.Module, images: Any) -> None:
    """Statistics of batch normalisation over some images: before a training there are none."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the average over all batches
    model.train()
    with torch.no_grad():
        for batch, _ in images.batches(500):
            model(batch)


def _fill(model: nn.Module, steps: list[dict[str, Any]]) -> None:
    """Give a network the weights of a packed one."""
    weights = [step["weight"] for step in steps if "weight" in step]
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer, weight in zip(layers, weights, strict=True):
        layer.weight.copy_(weight)


if __name__ == "__main__":
    main(*sys.argv[1:])
