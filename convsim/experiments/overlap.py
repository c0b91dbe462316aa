"""Do the channels of a network see the data alike? Their NNK neighbourhoods, layer by layer.

Two experiments: the networks that the trainings of Table 5 left, before and after training; and
small networks trained with dropout and weight decay, whose last layer is set against their error.
The measures are those of ``convsim.neighborhoods.overlap``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import joblib
import torch
from torch import nn
from tqdm.auto import tqdm

from convsim.data import Images, spread
from convsim.experiments import sweep
from convsim.experiments.activations import (
    SIDES,
    cosines,
    layer_activations,
    with_statistics_of,
)
from convsim.experiments.cifar10 import TrainingSettings, initialise, settings_of
from convsim.experiments.record import (
    RESULTS,
    Record,
    added,
    make_record,
    read_record,
    read_records,
    record_path,
    save_record,
)
from convsim.models import ShallowCNN
from convsim.neighborhoods.summary import cosine_without_mean_picture, measure_neighborhoods
from convsim.similarity import convolutional_layers
from convsim.training import LOOP, evaluate, fit
from convsim.training.history import measure_layers, short

NETWORKS, REGULARIZED = "overlap", "overlapregularized"
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
        width: width of the :class:`~convsim.models.ShallowCNN`.
        train_images: training images, evenly spread.
        epochs: passes.
        batch_size: images a step; it divides ``train_images``, because a last batch of a few
            images, normalised by itself, undoes what an epoch has learnt.
        learning_rate: of SGD.
        images: test images for the neighbourhoods.
        queries: how many of them are queries.
        k: candidates of a query.
        loop: version of the training loop, :data:`convsim.training.LOOP`.
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

    def __str__(self) -> str:
        return f"dropout {self.dropout}, weight decay {self.weight_decay}, seed {self.seed}"


Settings = OverlapSettings | RegularizedSettings


def plan(folder: Path = RESULTS, *, data: str | None = None) -> list[Settings]:
    """The kept networks with the most epochs, before and after training, and the regularised ones.

    Args:
        folder: where records and networks lie.
        data: what the networks were trained on; by default what the longest training was.
    """
    kept = [
        settings_of(record)
        for record in read_records(sweep.RECORDS, folder)
        if sweep.network_path(record, folder).exists() and data in (None, record.settings["data"])
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


def run(rows: Sequence[Settings], machine: sweep.Machine, *, jobs: int = 1) -> None:
    """Measure and record what has no record yet, ``jobs`` networks side by side."""
    missing = [row for row in rows if not _path(row, machine.folder).exists()]
    calls = [joblib.delayed(perform)(row, machine) for row in missing]
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    with tqdm(total=len(missing), unit="network", disable=not missing) as bar:
        for row, record in parallel(calls):
            save_record(record, row, machine.folder)
            _checkpoint(row, machine.folder).unlink(missing_ok=True)
            bar.update()


def perform(settings: Settings, machine: sweep.Machine) -> tuple[Settings, Record]:
    """Measure one network; nothing but a training's checkpoint is written here."""
    started = datetime.now(timezone.utc)
    train, test = sweep.load(machine.data_dir, machine.device)
    if isinstance(settings, OverlapSettings):
        metrics = measure_network(settings, test, machine.folder)
    else:
        checkpoint = _checkpoint(settings, machine.folder)
        metrics = measure_regularized(settings, train, test, checkpoint, machine.progress)
    record = make_record(
        _name(settings),
        settings,
        metrics,
        data=train.source,
        started=started,
        device=machine.device,
        command=machine.command,
    )
    return settings, record


def measure_network(settings: OverlapSettings, test: Images, folder: Path) -> dict[str, Any]:
    """What weights, feature maps and neighbourhoods say of each layer of one network.

    ``layers`` holds, for each layer, ``weights`` (L_CS, its normalised form, the norm), ``cosine``
    (mean absolute cosine of its feature maps), ``cosine_without_mean`` (the same without what all
    images share) and the neighbourhoods on either side of the non-linearity, as
    :func:`~convsim.neighborhoods.summary.measure_neighborhoods` returns them.
    """
    device = test.pixels.device
    if settings.trained:
        record = read_record(sweep.path_of(settings.run, folder))
        model: nn.Module = sweep.load_network(record, folder).to(device)
    else:
        model = initialise(settings.run, device, classes=len(test.classes))[0]
    of_weights = measure_layers(convolutional_layers(model))
    of_maps = cosines(model, test)
    outputs = layer_activations(model, test, settings.images)
    layers = {
        name: {
            "weights": {key: values[name] for key, values in of_weights.items()},
            "cosine": of_maps[name],
            "cosine_without_mean": cosine_without_mean_picture(outputs[name, "before"]),
        }
        | {
            side: measure_neighborhoods(outputs.pop((name, side)), settings.queries, settings.k)
            for side in SIDES
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
) -> dict[str, Any]:
    """Errors in per cent after a training, and the neighbourhoods of the last layer's channels."""
    device = train.pixels.device
    some = train.subset(spread(len(train), settings.train_images, device))
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        model = ShallowCNN(settings.width, len(train.classes), dropout=settings.dropout)
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
    )
    outputs = layer_activations(model, test, settings.images)
    last = convolutional_layers(model)[-1][0]
    # The running statistics of batch normalisation lag behind; errors would tell of the lag.
    tested = with_statistics_of(model, some.normalized(spread(len(some), 2000, device)))
    return {
        "train_error": short(100 - evaluate(tested, some)),
        "test_error": short(100 - evaluate(tested, test)),
    } | {
        side: measure_neighborhoods(outputs[last, side], settings.queries, settings.k)
        for side in SIDES
    }


def standing(rows: Sequence[Settings], folder: Path = RESULTS) -> Iterator[str]:
    """A line for each run: its record, or that there is none."""
    for row in rows:
        path = _path(row, folder)
        note = "missing"
        if path.exists():
            record = read_record(path)
            note = f"done     {record.started}  {record.seconds:.0f} s  {record.data}"
        yield f"{str(row):<48}  {note}"


def _name(settings: Settings) -> str:
    return NETWORKS if isinstance(settings, OverlapSettings) else REGULARIZED


def _path(settings: Settings, folder: Path) -> Path:
    return record_path(_name(settings), settings, folder)


def _checkpoint(settings: Settings, folder: Path) -> Path:
    return folder / ".checkpoints" / f"{_path(settings, folder).stem}.safetensors"
