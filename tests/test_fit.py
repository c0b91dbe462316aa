"""Algorithm 2 against a plain loop, and everything that can happen to a training run."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, cross_entropy

from convsim import convolutional_similarity
from convsim.training import evaluate, fit
from convsim.training.history import Epoch
from tests.tiny_networks import (
    FEW,
    TEST,
    TRAIN,
    assert_same_bits,
    network,
    tiny,
    train_tiny,
    untimed,
    weights,
    with_dropout,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def pairwise(weight: Tensor) -> Tensor:
    """Equation 10 by torch's own convolution, pair by pair."""
    total = torch.zeros(())
    for i in range(len(weight)):
        for j in range(i):
            maps = conv2d(weight[i][:, None], weight[j][:, None], padding=weight.shape[2] - 1)
            total = total + maps.square().sum()
    return total


def by_hand(epochs: int, *, lr: float, beta: float, decay: float, size: int) -> nn.Sequential:
    """Train the tiny model as the paper writes it, on the same shuffles."""
    model = tiny()
    mean = TRAIN.pixels.float().mean((0, 2, 3), keepdim=True)
    std = TRAIN.pixels.float().std((0, 2, 3), keepdim=True, correction=0)
    images = (FEW.pixels.float() - mean) / std
    optimizer = torch.optim.SGD(model.parameters(), lr)
    for number in range(1, epochs + 1):
        torch.manual_seed(number)  # seed 0
        order = torch.randperm(len(images))
        for start in range(0, len(images), size):
            index = order[start : start + size]
            loss = cross_entropy(model(images[index]), FEW.labels[index])
            for layer in (model[0], model[3]):
                loss = loss + beta * pairwise(layer.weight)
                loss = loss + decay / 2 * layer.weight.square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


@pytest.mark.parametrize(("beta", "decay"), [(0.0, 0.0), (0.05, 0.0), (0.0, 0.2), (0.05, 0.2)])
def test_algorithm_2_is_sgd_on_the_sum(beta: float, decay: float) -> None:
    ours, history = train_tiny(FEW, epochs=2, lr=0.05, batch_size=40, beta=beta, weight_decay=decay)
    theirs = by_hand(2, lr=0.05, beta=beta, decay=decay, size=40)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(
            value, theirs.state_dict()[name], rtol=1e-4, atol=1e-5, check_stride=False
        )
    if beta or decay:  # and the comparison sees them
        plain = by_hand(2, lr=0.05, beta=0.0, decay=0.0, size=40)
        assert (plain[3].weight - theirs[3].weight).abs().max() > 1e-3
    assert [epoch.epoch for epoch in history] == [1, 2]
    for name, layer in (("0", ours[0]), ("3", ours[3])):
        last = history[-1]
        assert last.similarity[name] == pytest.approx(pairwise(layer.weight).item(), rel=1e-4)
        unit = layer.weight / layer.weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        normalised = convolutional_similarity(unit.detach(), normalized=True)
        assert last.normalized[name] == pytest.approx(normalised.item(), rel=1e-4)
        assert last.norm[name] == pytest.approx(layer.weight.norm().item(), rel=1e-4)


def test_weight_decay_touches_convolutions_only() -> None:
    model, _ = train_tiny(FEW, epochs=1, lr=0.05, batch_size=96, weight_decay=2.0)
    plain, _ = train_tiny(FEW, epochs=1, lr=0.05, batch_size=96)
    start = tiny()
    # One step: the decay adds -lr · decay · w, and where it does not apply nothing changes.
    for name, value in plain.state_dict().items():
        decayed = name in ("0.weight", "3.weight")
        pull = 0.05 * 2.0 * start.state_dict()[name] if decayed else torch.zeros_like(value)
        torch.testing.assert_close(
            model.state_dict()[name], value - pull, rtol=1e-5, atol=1e-6, check_stride=False
        )


def test_history_says_what_was_seen() -> None:
    # One batch: the loss and the accuracy of the network before its only step.
    model = network()
    before = deepcopy(model).train()
    (epoch,) = fit(model, FEW, TEST, epochs=1, lr=0.1, batch_size=96, progress=False)
    scores = before(FEW.normalized(slice(None)))
    assert epoch.loss == pytest.approx(cross_entropy(scores, FEW.labels).item(), rel=1e-4)
    right = (scores.argmax(1) == FEW.labels).float().mean().item()
    assert epoch.train_accuracy == pytest.approx(100 * right, rel=1e-4)
    assert epoch.test_accuracy == pytest.approx(evaluate(model, TEST), rel=1e-4)
    assert epoch.seconds > 0
    assert list(epoch.norm) == [f"blocks.{i}.0" for i in range(4)]


@pytest.mark.parametrize("make", [network, with_dropout])
def test_a_seed_gives_the_same_bits_and_another_does_not(make: Any) -> None:
    def trained(seed: int, noise: int) -> tuple[nn.Module, list[Epoch]]:
        model = make()
        torch.manual_seed(noise)  # the state of the global generator plays no part
        return model, fit(model, FEW, TEST, epochs=2, batch_size=32, seed=seed, progress=False)

    first, history = trained(3, noise=1)
    again, repeated = trained(3, noise=2)
    other, _ = trained(4, noise=1)
    assert_same_bits(first, again)
    assert untimed(history) == untimed(repeated)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_dropout_differs_from_epoch_to_epoch_and_seed_to_seed() -> None:
    masks: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        if output.shape[0] == 96:  # not in the evaluation
            masks.append(output == 0)

    for seed in (0, 1):
        model = with_dropout()
        model[2].register_forward_hook(keep)
        fit(model, FEW, TEST, epochs=2, batch_size=96, lr=0.0, seed=seed, progress=False)
    assert len(masks) == 4
    assert all(not torch.equal(masks[i], masks[j]) for i in range(4) for j in range(i))


def test_the_global_generator_is_left_as_it_was() -> None:
    model = network()
    torch.manual_seed(11)
    state = torch.get_rng_state()
    fit(model, FEW, TEST, epochs=1, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(FloatingPointError):
        fit(model, FEW, TEST, epochs=1, lr=1e30, batch_size=32, progress=False)
    assert torch.equal(torch.get_rng_state(), state)


def test_divergence_names_epoch_layer_and_last_loss() -> None:
    model = network()
    losses: list[float] = []
    model.register_forward_hook(
        lambda model, _, scores: (
            losses.append(cross_entropy(scores, labels.pop(0)).item()) if model.training else None
        )
    )
    torch.manual_seed(1)  # seed 0, epoch 1
    order = torch.randperm(len(FEW))
    labels = [FEW.labels[order[i : i + 32]] for i in (0, 32, 64)]
    with pytest.raises(FloatingPointError) as raised:
        fit(model, FEW, TEST, epochs=2, lr=1e30, batch_size=32, progress=False)
    text = str(raised.value)
    finite = [loss for loss in losses if loss < float("inf")]
    assert text.startswith("epoch 1: NaN or infinity in the weights or L_CS of layer 'blocks.0.0'")
    assert f"at step {len(finite) + 1} of the epoch" in text
    assert f"last finite loss: {finite[-1]:.6g}. Expected finite numbers: lower the" in text


def test_a_poisoned_first_batch_stops_the_run() -> None:
    model = network()
    model.register_forward_hook(lambda _model, _images, scores: scores * float("nan"))
    with pytest.raises(FloatingPointError, match="last finite loss: none in this epoch"):
        fit(model, FEW, TEST, epochs=1, progress=False)


def test_weights_too_large_for_l_cs_stop_the_run() -> None:
    model = network()
    with torch.no_grad():  # batch normalisation hides the scale from the loss
        model.blocks[2][0].weight.mul_(1e12)
    with pytest.raises(FloatingPointError, match="L_CS of layer 'blocks.2.0' at step 2 of"):
        fit(model, FEW, TEST, epochs=1, progress=False)


def test_a_weight_that_breaks_in_the_last_step_stops_the_run() -> None:
    model = network()
    model.classifier.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(FloatingPointError, match="epoch 1: .* of layer 'classifier' at step 2"):
        fit(model, FEW, TEST, epochs=1, progress=False)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"precision": "half"}, "precision is 'half'; expected one of float32, tf32, bfloat16"),
        ({"precision": "tf32"}, "precision is 'tf32' on cpu; expected an NVIDIA GPU for it: choos"),
        ({"epochs": -1}, "epochs is -1; expected a whole number, 0 or more"),
        ({"batch_size": 0}, "batch_size is 0; expected a whole number of images, 1 or more"),
        ({"lr": -0.1}, "lr is -0.1; expected a finite number, 0 or more"),
        ({"beta": float("nan")}, "beta is nan; expected a finite number, 0 or more"),
        ({"weight_decay": float("inf")}, "weight_decay is inf; expected a finite number, 0 or mor"),
    ],
)
def test_settings_out_of_range(options: dict[str, Any], text: str) -> None:
    model = network()
    before = weights(model)
    with pytest.raises(ValueError, match=text):
        fit(model, FEW, TEST, progress=False, **options)
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())


def test_no_epochs_change_nothing() -> None:
    model = network()
    before = weights(model)
    assert fit(model, FEW, TEST, epochs=0, progress=False) == []
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())


def test_bfloat16_trains_close_to_float32() -> None:
    exact, short = network(8), network(8)
    options: dict[str, Any] = {"epochs": 2, "lr": 0.01, "batch_size": 128, "progress": False}
    full = fit(exact, TRAIN, TEST, **options)
    half = fit(short, TRAIN, TEST, precision="bfloat16", **options)
    assert half[-1].loss == pytest.approx(full[-1].loss, rel=0.01)
    start = network(8).state_dict()
    for name, weight in exact.named_parameters():
        assert short.state_dict()[name].dtype == torch.float32
        if name.endswith("0.weight"):
            # Both moved the same way: their difference is small against the way.
            moved = (weight - start[name]).norm()
            apart = (weight - short.state_dict()[name]).norm()
            assert 0 < apart < 0.1 * moved


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_is_the_share_of_right_answers(
    training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network()
    model(FEW.normalized(slice(None)))  # running statistics of batch normalisation
    model.train(training)
    monkeypatch.setattr("convsim.training.evaluation.EVALUATED_AT_ONCE", 100)
    before = weights(model)
    accuracy = evaluate(model, TEST)
    assert model.training is training
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())
    model.eval()
    right = 0
    for i in range(len(TEST)):
        with torch.no_grad():
            scores = model(TEST.normalized(slice(i, i + 1)))[0].tolist()
        right += scores.index(max(scores)) == TEST.labels[i].item()
    assert 0 < right < len(TEST)
    assert accuracy == pytest.approx(100 * right / len(TEST))
