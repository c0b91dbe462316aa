"""Penalties in a training: SGD on the sum, what is refused, the searches for their strengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from convsim.experiments.conditions import CONDITIONS, PENALISED
from convsim.experiments.contrasts import PENALTY_CONTRASTS
from convsim.experiments.record import read_records
from convsim.experiments.runner import with_needs
from convsim.experiments.sweep import CHOICE, TRAINING
from convsim.penalties import OF_WEIGHTS
from convsim.training import fit, loop
from convsim.training.checkpoint import save_checkpoint
from tests.small_sweeps import TEST as FEW_DIGITS
from tests.small_sweeps import TRAIN as DIGITS
from tests.small_sweeps import by_condition, digits_are, rows, run
from tests.tiny_networks import FEW, TEST, assert_same_bits, network, tiny, untimed

pytestmark = pytest.mark.usefixtures("one_thread")


def orthogonality(weight: Tensor) -> Tensor:
    kernels = weight.flatten(1)
    small = kernels if kernels.shape[0] <= kernels.shape[1] else kernels.T
    values = torch.linalg.svdvals(small)
    return (values**2 - 1).square().sum()


def pairs(weight: Tensor) -> Tensor:
    directions = normalize(weight.flatten(1))
    cosines = directions @ directions.T
    above = torch.triu_indices(*cosines.shape, 1)
    return 2 * torch.log1p(torch.exp(10 * (cosines[above[0], above[1]] - 1))).sum()


def by_hand(penalty: Any, strength: float) -> nn.Sequential:
    """Two epochs of the tiny model with a penalty on its two convolutions."""
    model = tiny()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    for number in (1, 2):
        torch.manual_seed(number)  # seed 0
        order = torch.randperm(len(FEW))
        for start in range(0, len(FEW), 40):
            index = order[start : start + 40]
            loss = cross_entropy(model(FEW.normalized(index)), FEW.labels[index])
            loss = loss + strength * (penalty(model[0].weight) + penalty(model[3].weight))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


OPTIONS: dict[str, Any] = {"epochs": 2, "lr": 0.05, "batch_size": 40, "progress": False}


@pytest.mark.parametrize(
    ("name", "reference"), [("soft orthogonality", orthogonality), ("OrthoReg", pairs)]
)
def test_fit_is_sgd_on_the_sum(name: str, reference: Any) -> None:
    ours, theirs, without = tiny(), by_hand(reference, 0.3), tiny()
    fit(ours, FEW, TEST, penalty=name, strength=0.3, **OPTIONS)
    for key, value in ours.state_dict().items():
        torch.testing.assert_close(
            value, theirs.state_dict()[key], rtol=1e-4, atol=1e-5, check_stride=False
        )
    fit(without, FEW, TEST, **OPTIONS)
    moved = (without[3].weight - theirs[3].weight).abs().max()
    assert moved > 5e-4  # the comparison sees it


def test_beta_and_the_penalty_l_cs_are_the_same_training() -> None:
    ours, theirs = tiny(), tiny()
    first = fit(ours, FEW, TEST, penalty="L_CS", strength=0.1, **OPTIONS)
    second = fit(theirs, FEW, TEST, beta=0.1, **OPTIONS)
    assert untimed(first) == untimed(second)
    assert_same_bits(ours, theirs)


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_a_strength_of_nothing_trains_to_the_same_bits(name: str) -> None:
    ours, theirs = tiny(), tiny()
    assert untimed(fit(ours, FEW, TEST, penalty=name, **OPTIONS)) == untimed(
        fit(theirs, FEW, TEST, **OPTIONS)
    )
    assert_same_bits(ours, theirs)


def test_a_checkpoint_belongs_to_its_penalty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = OPTIONS | {"epochs": 1, "checkpoint": tmp_path / "run.safetensors"}
    fit(network(), FEW, TEST, penalty="OCNN", strength=0.1, **options)
    said = r"another run \(penalty 'OCNN', not 'SRIP'\); expected the same settings"
    with pytest.raises(ValueError, match=said):
        fit(network(), FEW, TEST, penalty="SRIP", strength=0.1, **options)
    # One from before there were penalties had none.
    options["checkpoint"] = tmp_path / "old.safetensors"

    def as_before(path: Path, model: nn.Module, settings: dict[str, Any], *rest: Any) -> None:
        old = {key: settings[key] for key in settings.keys() - {"penalty", "strength"}}
        save_checkpoint(path, model, old, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", as_before)
        first = fit(network(), FEW, TEST, **options)
    again = fit(network(seed=9), FEW, TEST, **options)
    assert untimed(again) == untimed(first)
    with pytest.raises(ValueError, match=r"another run \(penalty None, not 'OCNN', strength 0"):
        fit(network(), FEW, TEST, penalty="OCNN", strength=0.1, **options)


def test_each_condition_names_a_penalty_and_searches_its_own_strength(tmp_path: Path) -> None:
    assert {CONDITIONS[name].options["penalty"] for name in PENALISED} == set(OF_WEIGHTS)
    assert {name for name, _ in PENALTY_CONTRASTS} == {*PENALISED, "decov"}
    some = rows("ocnn", "srip", seeds=2)
    needs = [task for task in with_needs(TRAINING.tasks(some)) if task.experiment == CHOICE]
    assert [(t.settings.run.condition, t.settings.run.seed) for t in needs] == [
        *(("ocnn", 0), ("srip", 0))
    ]
    with digits_are(DIGITS, FEW_DIGITS):
        run(some, tmp_path)
    searches = {r.settings["run"]["condition"]: r for r in read_records(CHOICE.name, tmp_path)}
    for seed in (0, 1):
        for name, record in by_condition(tmp_path, seed).items():
            search = searches[name].metrics
            assert [row["strength"] for row in search["tried"]] == [0.001, 0.01, 0.1, 1.0]
            best = max(search["tried"], key=lambda row: row["accuracy"])["strength"]
            assert record.metrics["chosen"] == {"strength": best}
