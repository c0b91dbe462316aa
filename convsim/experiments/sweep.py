"""Many trainings, and the searches for numbers that some of them need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from convsim.data import Images
from convsim.experiments import runner
from convsim.experiments.choices import choose_of_grid, choose_weight_decay
from convsim.experiments.cifar10 import TrainingSettings, check_loop, measure
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.images import load
from convsim.experiments.networks import RECORDS, compressed, is_kept
from convsim.experiments.pools import stopping
from convsim.experiments.runner import Experiment, Machine, Measured, Place, Task
from convsim.training.arithmetic import check_precision


@dataclass(frozen=True)
class ChoiceSettings:
    """A search for the number that a condition needs.

    Attributes:
        run: the run with seed 0; other seeds take its choice over.
    """

    run: TrainingSettings

    def __str__(self) -> str:
        return f"choice for {self.run}"


SEARCHES = {"weight_decay": "decay", "lr": "learning-rate", "decorrelation": "decov"}
"""The option of ``fit`` that is searched for, and the condition whose trainings search.

An option that is not among them means something else in every condition: each searches by itself.
"""


def run(rows: Sequence[TrainingSettings], machine: Machine, **options: Any) -> None:
    """Run and record trainings that have no record yet, each after the search that it needs.

    Args:
        rows: the trainings.
        machine: device, data and folders.
        options: as for :func:`convsim.experiments.runner.run`.
    """
    runner.run(TRAINING.tasks(rows), machine, **options)


def _needs_search(settings: TrainingSettings) -> Task | None:
    # One search for all seeds, and for all conditions that want the same number.
    chosen = CONDITIONS[settings.condition].chosen
    if chosen is None:
        return None
    searching = SEARCHES.get(chosen, settings.condition)
    return Task(CHOICE, ChoiceSettings(replace(settings, seed=0, condition=searching)))


def _needs_training(settings: ChoiceSettings) -> Task | None:
    if settings.run.condition != SEARCHES["weight_decay"]:
        return None
    return Task(TRAINING, replace(settings.run, condition="regularise"))


def _check(settings: TrainingSettings, machine: Machine, here: bool) -> None:
    check_loop(settings)
    check_precision(settings.precision, torch.device(machine.device))
    if here:  # the images are kept for the runs; other processes have to look for themselves
        load(settings.data, machine.data_dir, machine.device)


def _check_choice(settings: ChoiceSettings, machine: Machine, here: bool) -> None:
    _check(settings.run, machine, here)


def _train(settings: TrainingSettings, place: Place) -> Measured:
    train, test = _images(settings, place)
    try:
        choice = _given(place, _needs_search(settings))["choice"] if place.given else None
        metrics, model = measure(settings, train, test, choice=choice, **_options(place))
    except FloatingPointError as error:
        return Measured({"diverged": str(error)}, train.source)
    network = compressed(model, settings) if is_kept(settings) else None
    return Measured(metrics, train.source, network)


def _choose(settings: ChoiceSettings, place: Place) -> Measured:
    train, test = _images(settings.run, place)
    metrics: Mapping[str, Any]
    try:
        option = CONDITIONS[settings.run.condition].chosen
        if option and option != "weight_decay":
            metrics = choose_of_grid(option, settings.run, train, **_options(place))
        else:
            target: Any = _given(place, _needs_training(settings))
            metrics = choose_weight_decay(
                settings.run, train, test, target=target, **_options(place)
            )
    except FloatingPointError as error:
        metrics = {"diverged": str(error)}
    return Measured(metrics, train.source)


def _given(place: Place, need: Task | None) -> Mapping[str, Any]:
    """Metrics of the run that this one needs, if it did not diverge."""
    if "diverged" in place.given:
        raise FloatingPointError(f"{need} diverged: {place.given['diverged']}")
    return place.given


def _images(settings: TrainingSettings, place: Place) -> tuple[Images, Images]:
    return load(settings.data, place.machine.data_dir, place.machine.device)


def _options(place: Place) -> dict[str, Any]:
    return {
        "checkpoint": place.checkpoint,
        "progress": place.machine.progress,
        "stop": stopping,
    }


TRAINING = Experiment(RECORDS, _train, _needs_search, _check)
CHOICE = Experiment("table5choice", _choose, _needs_training, _check_choice)
