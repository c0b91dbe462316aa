"""Do the channels of a network see the data alike? Their NNK neighbourhoods, layer by layer.

Two experiments: the networks that the trainings of Table 5 left, before and after training; and
small networks trained with dropout and weight decay, whose last layer is set against their error.
The measures are those of ``convsim.neighborhoods.overlap``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor, nn

from convsim import models
from convsim.data import Images, spread
from convsim.experiments.activations import cosines, layer_activations, with_statistics_of
from convsim.experiments.cifar10 import TrainingSettings, initialise, settings_of
from convsim.experiments.images import load
from convsim.experiments.networks import load_network, network_path
from convsim.experiments.pools import stopping
from convsim.experiments.record import RESULTS, added, read_record, read_records
from convsim.experiments.runner import Experiment, Machine, Measured, Place, Task
from convsim.experiments.sweep import TRAINING
from convsim.layers import convolutional_layers
from convsim.neighborhoods.summary import (
    Neighborhoods,
    cosine_without_mean_picture,
    measure_neighborhoods,
)
from convsim.training import LOOP, evaluate, fit
from convsim.training.history import measure_layers

DROPOUTS, WEIGHT_DECAYS, SEEDS = (0.0, 0.1, 0.3), (0.0, 5e-4), 3


@dataclass(frozen=True)
class OverlapSettings:
    """The neighbourhoods of one network of Table 5, in every layer.

    Attributes:
        run: the training.
        trained: the network after its training, or as it was initialised.
        images: test images, evenly spread.
        queries: how many of them are queries.
        k: candidates of a query.
    """

    run: TrainingSettings
    trained: bool
    images: int = 2000
    queries: int = 500
    k: int = 25

    def __str__(self) -> str:
        return f"{self.run}, {'trained' if self.trained else 'untrained'}"


@dataclass(frozen=True)
class RegularizedSettings:
    """A small network, trained on few images with dropout and weight decay; its last layer.

    Attributes:
        dropout: probability of dropout after every block.
        weight_decay: of the convolutions' weights.
        seed: seed of initialisation, shuffles and dropout.
        data: the data, in words.
        width: of the model.
        train_images: training images, evenly spread.
        epochs: passes.
        batch_size: images a step; it divides ``train_images``, because a last batch of a few
            images, normalised by itself, undoes what an epoch has learnt.
        learning_rate: of SGD.
        images: test images for the neighbourhoods.
        queries: how many of them are queries.
        k: candidates of a query.
        loop: version of the training loop, :data:`convsim.training.LOOP`.
        model: a key of :data:`convsim.models.MODELS` that takes ``dropout``.
    """

    dropout: float
    weight_decay: float
    seed: int
    data: str = "CIFAR-10"
    width: int = 32
    train_images: int = 5000
    epochs: int = 15
    batch_size: int = 50
    learning_rate: float = 0.05
    images: int = 2000
    queries: int = 500
    k: int = 25
    loop: int = added(LOOP, before=1)
    model: str = added("ShallowCNN", before="ShallowCNN")

    def __str__(self) -> str:
        return f"dropout {self.dropout}, weight decay {self.weight_decay}, seed {self.seed}"


class LayerReadings(TypedDict):
    """What weights, feature maps and neighbourhoods say of one layer.

    ``weights`` holds L_CS, its normalised form and the norm; ``cosine`` is the mean absolute
    cosine of the feature maps, ``cosine_without_mean`` the same without what all images share;
    ``before`` and ``after`` are the neighbourhoods on either side of the non-linearity.
    """

    weights: dict[str, float]
    cosine: float | None
    cosine_without_mean: float | None
    before: Neighborhoods
    after: Neighborhoods


class NetworkMetrics(TypedDict):
    """The readings of every layer, by its name."""

    layers: dict[str, LayerReadings]


class RegularizedMetrics(TypedDict):
    """Errors in per cent after a training, and the neighbourhoods of the last layer's channels."""

    train_error: float
    test_error: float
    before: Neighborhoods
    after: Neighborhoods


Settings = OverlapSettings | RegularizedSettings


def plan(folder: Path = RESULTS, *, data: str | None = None) -> list[Settings]:
    """The kept networks with the most epochs, before and after training, and the regularised ones.

    Args:
        folder: where records and networks lie.
        data: what the networks were trained on; by default what the longest training was.
    """
    kept = [
        settings_of(record)
        for record in read_records(TRAINING.name, folder)
        if network_path(record, folder).exists() and data in (None, record.settings["data"])
    ]
    longest = max(kept, key=lambda run: (run.epochs, run.loop), default=None)
    data = data or (longest.data if longest else "CIFAR-10")
    alike = [
        run
        for run in kept
        if longest and (run.epochs, run.loop, run.data) == (longest.epochs, longest.loop, data)
    ]
    networks = [OverlapSettings(run, trained) for trained in (True, False) for run in alike]
    regularized = [
        RegularizedSettings(dropout, weight_decay, seed, data)
        for seed in range(SEEDS)
        for dropout in DROPOUTS
        for weight_decay in WEIGHT_DECAYS
    ]
    return [*networks, *regularized]


def tasks(rows: Sequence[Settings]) -> list[Task]:
    """A task for each network."""
    return [
        Task(NETWORKS if isinstance(row, OverlapSettings) else REGULARIZED, row) for row in rows
    ]


def _check_network(settings: OverlapSettings, machine: Machine, here: bool) -> None:
    if here:
        load(settings.run.data, machine.data_dir, machine.device)
    path = TRAINING.path(settings.run, machine.folder)
    if settings.trained and path.exists():
        load_network(read_record(path), machine.folder)


def _check_regularized(settings: RegularizedSettings, machine: Machine, here: bool) -> None:
    if here:
        load(settings.data, machine.data_dir, machine.device)


def _of_network(settings: OverlapSettings, place: Place) -> Measured:
    train, test = load(settings.run.data, place.machine.data_dir, place.machine.device)
    return Measured(measure_network(settings, train, test, place.machine.folder), train.source)


def _needs_training(settings: OverlapSettings) -> Task | None:
    return Task(TRAINING, settings.run) if settings.trained else None


def _of_regularized(settings: RegularizedSettings, place: Place) -> Measured:
    train, test = load(settings.data, place.machine.data_dir, place.machine.device)
    metrics = measure_regularized(
        settings, train, test, place.checkpoint, place.machine.progress, stopping
    )
    return Measured(metrics, train.source)


NETWORKS = Experiment("overlap", _of_network, _needs_training, _check_network)
REGULARIZED = Experiment("overlapregularized", _of_regularized, check=_check_regularized)


def measure_network(
    settings: OverlapSettings, train: Images, test: Images, folder: Path
) -> NetworkMetrics:
    """What weights, feature maps and neighbourhoods say of each layer of one network."""
    device = test.pixels.device
    if settings.trained:
        record = read_record(TRAINING.path(settings.run, folder))
        model: nn.Module = load_network(record, folder).to(device)
    else:
        model = initialise(settings.run, device, classes=len(test.classes), train=train)[0]
    of_weights = measure_layers(convolutional_layers(model))
    of_maps = cosines(model, test, settings.run.pictures)
    outputs = layer_activations(model, test, settings.images)

    def neighborhoods(activations: Tensor) -> Neighborhoods:
        return measure_neighborhoods(activations, settings.queries, settings.k)

    layers: dict[str, LayerReadings] = {
        name: {
            "weights": {key: values[name] for key, values in of_weights.items()},
            "cosine": of_maps[name],
            "cosine_without_mean": cosine_without_mean_picture(outputs[name, "before"]),
            # Taken out: the activations of all layers together are large.
            "before": neighborhoods(outputs.pop((name, "before"))),
            "after": neighborhoods(outputs.pop((name, "after"))),
        }
        for name in of_maps
    }
    return {"layers": layers}


def measure_regularized(
    settings: RegularizedSettings,
    train: Images,
    test: Images,
    checkpoint: Path | None = None,
    progress: bool = False,
    stop: Callable[[], bool] | None = None,
) -> RegularizedMetrics:
    """Train a network with dropout and weight decay, and measure its last layer."""
    device = train.pixels.device
    some = train.subset(spread(len(train), settings.train_images, device))
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        model = models.build(
            settings.model, settings.width, len(train.classes), dropout=settings.dropout
        )
    model.to(device)
    fit(
        model,
        some,
        # Watched only; the test error below is that of all test images.
        test.subset(spread(len(test), 500, device)),
        epochs=settings.epochs,
        lr=settings.learning_rate,
        batch_size=settings.batch_size,
        weight_decay=settings.weight_decay,
        seed=settings.seed,
        checkpoint=checkpoint,
        progress=progress,
        stop=stop,
    )
    outputs = layer_activations(model, test, settings.images)
    last = convolutional_layers(model)[-1][0]
    # The running statistics of batch normalisation lag behind; errors would tell of the lag.
    tested = with_statistics_of(model, some.normalized(spread(len(some), 2000, device)))
    return {
        "train_error": 100 - evaluate(tested, some),
        "test_error": 100 - evaluate(tested, test),
        "before": measure_neighborhoods(outputs[last, "before"], settings.queries, settings.k),
        "after": measure_neighborhoods(outputs[last, "after"], settings.queries, settings.k),
    }
