"""Models, Algorithm 1, and the experiments on whole layers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from convsim import convolutional_similarity, model_similarity
from convsim.experiments import descent
from convsim.experiments.record import read_records
from convsim.models import ShallowCNN, cnn1, cnn2
from convsim.training import minimize_similarity


@pytest.mark.parametrize(
    ("model", "parameters"), [(cnn1(), 118_858), (cnn2(), 458_890), (ShallowCNN(512), 7_143_946)]
)
def test_parameters_are_the_papers(model: nn.Module, parameters: int) -> None:
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_output_has_a_score_per_class() -> None:
    assert cnn1()(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert ShallowCNN(8, classes=3)(torch.rand(2, 3, 32, 32)).shape == (2, 3)


def test_model_errors() -> None:
    with pytest.raises(ValueError, match="width is 0; expected a whole number"):
        ShallowCNN(0)


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 5, 3)).double()


def test_algorithm_1_is_adam_on_the_loss() -> None:
    ours = minimize_similarity(small(), iterations=7, lr=0.01)
    theirs = small()
    optimizer = torch.optim.Adam([theirs[0].weight, theirs[2].weight], lr=0.01)
    for _ in range(7):
        optimizer.zero_grad()
        # Equation 10 by torch's own convolution, pair by pair.
        loss = torch.zeros((), dtype=torch.float64)
        for layer in (theirs[0], theirs[2]):
            for i in range(len(layer.weight)):
                for j in range(i):
                    lags = nn.functional.conv2d(
                        layer.weight[i][:, None], layer.weight[j][:, None], padding=2
                    )
                    loss = loss + lags.square().sum()
        loss.backward()
        optimizer.step()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-9, atol=1e-12)


def test_scale_free_descent_holds_norms_and_lowers_the_normalised_form() -> None:
    model = small()
    before = [layer.weight.detach().clone() for layer in (model[0], model[2])]
    minimize_similarity(model, iterations=100, lr=0.01, scale_free=True)
    for old, layer in zip(before, (model[0], model[2]), strict=True):
        torch.testing.assert_close(
            old.flatten(1).norm(dim=1), layer.weight.detach().flatten(1).norm(dim=1)
        )
        lowered = convolutional_similarity(layer.weight, normalized=True)
        assert lowered < 0.8 * convolutional_similarity(old, normalized=True)


def test_no_iterations_change_nothing() -> None:
    model = minimize_similarity(small(), iterations=0)
    torch.testing.assert_close(model_similarity(model), model_similarity(small()))


def test_steps_are_reported() -> None:
    steps: list[int] = []
    minimize_similarity(small(), iterations=3, on_step=steps.append)
    assert steps == [0, 1, 2, 3]


def test_training_errors() -> None:
    with pytest.raises(ValueError, match="iterations is -1; expected a whole number of steps"):
        minimize_similarity(small(), iterations=-1)
    with pytest.raises(ValueError, match="Linear has no Conv1d, Conv2d or Conv3d layer"):
        minimize_similarity(nn.Linear(2, 2))
    model = small()
    nn.init.constant_(model[2].weight, float("nan"))
    with pytest.raises(ValueError, match="step 1, layer '2': weight of shape .* has 270 NaN"):
        minimize_similarity(model, iterations=1)


def test_descent_records_each_layer() -> None:
    metrics = descent.measure_descent(descent.DescentSettings(width=4, iterations=20))
    assert metrics["steps"] == [0, 10, 20]
    assert len(metrics["layers"]) == 4
    for layer in metrics["layers"].values():
        assert layer["norm"][-1] < layer["norm"][0]
        assert layer["similarity"][-1] < layer["similarity"][0]


def test_no_descent_goes_below_the_proven_bound() -> None:
    settings = replace(descent.FLOOR[0], widths=(2, 10, 12), starts=1, iterations=60)
    for row in descent.measure_floor(settings)["rows"]:
        assert row["bound"] <= row["lowest"] < row["start"]
    # Equality needs circular kernels; the bound itself must hold for any norms.
    torch.manual_seed(0)
    for _ in range(50):
        weight = torch.randn(12, 2, 3, 3).double() * torch.rand(12, 1, 1, 1)
        norms = weight.flatten(1).square().sum(1)
        bound = (norms.sum() ** 2 - 9 * norms.square().sum()) / 2
        assert convolutional_similarity(weight) >= bound


def test_the_books_records_say_what_the_chapter_says() -> None:
    records = {r.settings["scale_free"]: r.metrics["layers"] for r in read_records("descent")}
    for name, layer in records[False].items():
        assert layer["norm"][-1] < layer["norm"][0] / 4
        assert layer["normalized"][-1] == pytest.approx(layer["normalized"][0], abs=0.02)
        free = records[True][name]
        assert free["norm"][-1] == pytest.approx(free["norm"][0], rel=1e-4)
        assert free["normalized"][-1] < 0.26
        assert free["similarity"][-1] > free["similarity"][0]
    for record in read_records("floor"):
        for row in record.metrics["rows"]:
            assert row["bound"] <= row["lowest"]
            if row["kernels"] >= 64:
                assert row["lowest"] > 0.99 * row["white"]
