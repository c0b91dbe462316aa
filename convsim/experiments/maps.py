"""How alike a network's feature maps are, raw and centred, before and after its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from torch import nn

from convsim.experiments.activations import map_cosines
from convsim.experiments.cifar10 import TrainingSettings, initialise, settings_of
from convsim.experiments.images import load
from convsim.experiments.networks import load_network, network_path
from convsim.experiments.record import RESULTS, read_record, read_records
from convsim.experiments.runner import Experiment, Machine, Measured, Place, Task
from convsim.experiments.sweep import TRAINING
from convsim.map_cosines import MapCosines


@dataclass(frozen=True)
class MapSettings:
    """The feature maps of one kept network.

    Attributes:
        run: the training.
        trained: the network after its training, or as it was initialised.
        images: test images, evenly spread.
    """

    run: TrainingSettings
    trained: bool
    images: int = 500

    def __str__(self) -> str:
        return f"{self.run}, {'trained' if self.trained else 'untrained'}"


class LayerMaps(TypedDict):
    """One layer's :class:`convsim.map_cosines.MapCosines`."""

    per_image: float | None
    expected: float | None
    correlation: float | None
    dead: int | None


def layer_maps(found: MapCosines) -> LayerMaps:
    """The reading of a layer as a record holds it."""
    return {
        "per_image": found.per_image,
        "expected": found.expected,
        "correlation": found.correlation,
        "dead": found.dead,
    }


class MapMetrics(TypedDict):
    """The readings of every layer, by its name."""

    layers: dict[str, LayerMaps]


def plan(folder: Path = RESULTS, *, data: str | None = None) -> list[MapSettings]:
    """Every kept network, trained and not.

    Args:
        folder: where records and networks lie.
        data: what they were trained on; by default anything.
    """
    kept = [
        settings_of(record)
        for record in read_records(TRAINING.name, folder)
        if network_path(record, folder).exists() and data in (None, record.settings["data"])
    ]
    return [MapSettings(run, trained) for run in kept for trained in (True, False)]


def tasks(rows: Sequence[MapSettings]) -> list[Task]:
    """A task for each network."""
    return MAPS.tasks(rows)


def _check(settings: MapSettings, machine: Machine, here: bool) -> None:
    if here:
        load(settings.run.data, machine.data_dir, machine.device)


def _needs(settings: MapSettings) -> Task | None:
    return Task(TRAINING, settings.run) if settings.trained else None


def _measure(settings: MapSettings, place: Place) -> Measured:
    machine = place.machine
    train, test = load(settings.run.data, machine.data_dir, machine.device)
    device = test.pixels.device
    if settings.trained:
        record = read_record(TRAINING.path(settings.run, machine.folder))
        model: nn.Module = load_network(record, machine.folder).to(device)
    else:
        model = initialise(settings.run, device, classes=len(test.classes), train=train)[0]
    found = map_cosines(model, test, settings.images)
    layers = {name: layer_maps(reading) for name, reading in found.items()}
    return Measured({"layers": layers}, train.source)


MAPS = Experiment("maps", _measure, _needs, _check)
