"""Models, Algorithm 1, and the experiments on whole layers."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate
from torch import nn

from convsim import convolutional_similarity, model_similarity, models
from convsim.experiments import descent
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.record import matching_records, read_records
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


def tied() -> nn.Sequential:
    """Two layers that share their weight, behind one that does not."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    model[2].weight = model[1].weight
    return model


def test_a_shared_weight_makes_one_step() -> None:
    model = tied()
    minimize_similarity(model, iterations=1, lr=0.01)
    # Adam's first step is as long as its learning rate.
    moved = (model[1].weight - tied()[1].weight).abs()
    torch.testing.assert_close(moved.median().item(), 0.01, rtol=1e-3, atol=0)
    scale_free = minimize_similarity(tied(), iterations=2, scale_free=True)
    assert scale_free[1].weight is scale_free[2].weight


@pytest.mark.parametrize("switch", [torch.no_grad, torch.inference_mode])
def test_a_descent_switches_gradients_on_for_itself(switch: Any) -> None:
    model, expected = small(), minimize_similarity(small(), iterations=3)
    with switch():
        minimize_similarity(model, iterations=3)
        assert not torch.is_grad_enabled()
    for found, weight in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(found, weight)


@pytest.mark.parametrize("fails", [False, True])
def test_a_descent_leaves_gradients_as_they_were(fails: bool) -> None:
    model = small()
    given = model[0].weight.grad = torch.ones_like(model[0].weight)

    def stop(step: int) -> None:
        if fails and step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) if fails else contextlib.nullcontext():
        minimize_similarity(model, iterations=2, on_step=stop)
    assert model[0].weight.grad is given and bool((given == 1).all())
    assert all(value.grad is None for value in model.parameters() if value is not model[0].weight)


def test_a_lazy_layer_is_named() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LazyConv2d(4, 3))
    with pytest.raises(ValueError, match="^the weight of layer '1' holds no numbers yet; expected"):
        minimize_similarity(model, iterations=1)


def test_descent_records_each_layer() -> None:
    metrics = descent.measure_descent(descent.DescentSettings(width=4, iterations=20))
    assert metrics["steps"] == [0, 10, 20]
    assert len(metrics["layers"]) == 4
    for layer in metrics["layers"].values():
        assert layer["norm"][-1] < layer["norm"][0]
        assert layer["similarity"][-1] < layer["similarity"][0]


def test_descent_records_the_two_parts_of_the_ratio() -> None:
    """Against NumPy and SciPy, kernel by kernel, at the start and at the end."""
    settings = descent.DescentSettings(width=4, iterations=10, scale_free=True)
    torch.manual_seed(settings.seed)
    model = models.build(settings.model, settings.width)
    starts = [rows_of(block[0].weight) for block in model.blocks]
    minimize_similarity(model, iterations=10, scale_free=True)
    ends = [rows_of(block[0].weight) for block in model.blocks]
    metrics = descent.measure_descent(settings)
    for step, layers in ((0, starts), (-1, ends)):
        for number, (layer, rows) in enumerate(
            zip(metrics["layers"].values(), layers, strict=True)
        ):
            own = [np.linalg.norm(row) for row in rows]
            products = [a @ b for a, b in combinations(rows, 2)]
            assert layer["product"][step] == pytest.approx(np.mean(products), rel=1e-5)
            assert layer["peak"][step] == pytest.approx(np.mean(np.square(own)), rel=1e-5)
            # The first layer has three channels, and so no other of its shape.
            others = [layers[i] for i in (1, 2, 3) if i != number] if number else []
            strangers = [
                a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                for other in others
                for a in rows
                for b in other
            ]
            assert layer["strangers"][step:][:1] == pytest.approx(
                [np.mean(strangers)] if others else [], rel=1e-5
            )


def rows_of(weight: torch.Tensor) -> list[np.ndarray]:
    """A_i of each kernel at norm 1, flat, SciPy correlating channel by channel."""
    kernels = weight.detach().double().numpy()
    return [
        sum(correlate(channel, channel) for channel in kernel).ravel() / (kernel**2).sum()
        for kernel in kernels
    ]


def test_the_control_of_a_descent_is_the_condition_of_that_name() -> None:
    settings = descent.DescentSettings(width=8, iterations=0)
    bands = descent.measure_descent(settings)["bands"]
    model, _ = initialise(TrainingSettings("random-bands", width=8), "cpu")
    for (name, of_layer), block in zip(bands.items(), model.blocks, strict=True):
        rows = rows_of(block[0].weight)
        assert {len(values) for values in of_layer.values()} == {descent.BAND_DRAWS}, name
        assert of_layer["peak"][0] == pytest.approx(np.mean([row @ row for row in rows]), rel=1e-5)
        assert len(set(of_layer["peak"])) == descent.BAND_DRAWS


def test_no_kernel_that_climbs_is_sharper_than_the_proven_peak() -> None:
    settings = replace(descent.FLOOR[1], widths=(2,), starts=1, iterations=1)
    metrics = descent.measure_floor(settings)
    assert metrics["peak"] == pytest.approx(225 / 49)
    assert len(metrics["peaks_found"]) == descent.ASCENTS
    assert max(metrics["peaks_found"]) == pytest.approx(metrics["peak"], rel=1e-9)
    assert min(metrics["peaks_found"]) > 2  # nobody stays where he started


def test_no_descent_goes_below_the_proven_bound() -> None:
    settings = replace(descent.FLOOR[0], widths=(2, 10, 12), starts=1, iterations=60)
    rows = descent.measure_floor(settings)["rows"]
    for row in rows:
        assert row["bound"] <= row["lowest"] < row["start"]
    assert [row["bound"] for row in rows] == pytest.approx(
        [0, 5 * (10 - 225 / 49), 6 * (12 - 225 / 49)]
    )


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
        assert max(record.metrics["peaks_found"]) == pytest.approx(225 / 49, rel=1e-5)


def test_the_books_scale_free_descent_is_narrow_rather_than_coordinated() -> None:
    (record,) = matching_records("descent", scale_free=True)
    for name, layer in record.metrics["layers"].items():
        bands = record.metrics["bands"][name]
        start, end, by_chance = layer["normalized"][0], layer["normalized"][-1], bands["normalized"]
        assert 0.95 < layer["product"][-1] < 1.05  # "the numerator stays"
        assert layer["peak"][-1] > 4 > 3 > max(bands["peak"])  # "narrower than chance"
        assert all(abs(product - 1) < 0.05 for product in bands["product"])
        if layer["strangers"]:
            assert all(0.8 < (start - chance) / (start - end) < 0.9 for chance in by_chance)
            assert (layer["strangers"][-1] - end) / (start - end) < 0.02  # "hundredths"
            assert layer["strangers"][-1] < 0.27
