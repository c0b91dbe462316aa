"""CNN1 as the paper prints it, and as it is computed here: the same function and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.training import as_printed
from convsim.models import ShallowCNN, cnn1, cnn2


def parameters(model: nn.Module) -> list[Tensor]:
    return list(model.parameters())


def pair(width: int) -> tuple[nn.Module, nn.Module]:
    """Ours and the network of Table 4, line by line, with the same random numbers, in float64."""
    torch.manual_seed(0)
    ours, theirs = ShallowCNN(width).double(), as_printed(width).double()
    with torch.no_grad():
        for own, other in zip(parameters(ours), parameters(theirs), strict=True):
            # Scales of batch normalisation of both signs: only the order of its outputs matters.
            other.copy_(own if own.ndim > 1 else torch.randn_like(own))
            own.copy_(other)
    return ours, theirs


BATCH = torch.randn(12, 3, 32, 32, generator=torch.Generator().manual_seed(1)).double()
LABELS = torch.arange(12) % 10


@pytest.mark.parametrize("training", [True, False])
def test_it_computes_the_printed_network(training: bool) -> None:
    ours, theirs = (model.train(training) for model in pair(6))
    torch.testing.assert_close(ours(BATCH), theirs(BATCH), rtol=1e-12, atol=1e-12)


def test_its_gradients_are_those_of_the_printed_network() -> None:
    ours, theirs = pair(6)
    for model in (ours, theirs):
        cross_entropy(model(BATCH), LABELS).backward()
    held = 0
    for (name, own), other in zip(ours.named_parameters(), parameters(theirs), strict=True):
        assert other.grad is not None
        if own.grad is None:
            held += 1
            # The bias before a batch normalisation is subtracted again.
            assert name.endswith(".0.bias")
            assert other.grad.abs().max() < 1e-12
        else:
            assert other.grad.abs().max() > 1e-4
            torch.testing.assert_close(own.grad, other.grad, rtol=1e-10, atol=1e-12)
    assert held == 4


def test_training_it_is_training_the_printed_network() -> None:
    ours, theirs = pair(4)
    losses: list[list[float]] = []
    for model in (ours, theirs):
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        losses.append([])
        for _ in range(6):
            loss = cross_entropy(model(BATCH), LABELS)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    assert losses[0][-1] < 0.8 * losses[0][0]


def test_dropout_ends_each_block() -> None:
    blocks = ShallowCNN(4, dropout=0.5).blocks
    for block, plain in zip(blocks, ShallowCNN(4).blocks, strict=True):
        *layers, last = block
        assert isinstance(last, nn.Dropout) and last.p == 0.5
        assert [type(layer) for layer in layers] == [type(layer) for layer in plain]


@pytest.mark.parametrize(("make", "count"), [(cnn1, 118_858), (cnn2, 458_890)])
def test_parameters_are_counted_as_in_the_paper(make: type[ShallowCNN], count: int) -> None:
    model = make()
    assert sum(p.numel() for p in model.parameters()) == count
    width = model.classifier.in_features // 9
    assert sum(p.numel() for p in as_printed(width).parameters()) == count
    assert "padding=(2, 2)" in str(model) and "LeakyReLU(negative_slope=0.2" in str(model)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"width": 0}, "width is 0; expected a whole number of kernels, 1 or more"),
        ({"width": 4, "dropout": 1.0}, "dropout is 1.0; expected a probability, 0 or more, below"),
    ],
)
def test_settings_out_of_range(options: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ShallowCNN(**options)  # type: ignore[arg-type]


def test_larger_kernels_leave_the_maps_as_large() -> None:
    torch.manual_seed(0)
    model = ShallowCNN(4, kernel_size=5).double()
    padded = [
        nn.Sequential(
            nn.Conv2d(block[0].in_channels, 4, 5, padding=3),
            *list(block)[1:],  # type: ignore
        ).double()
        for block in model.blocks
    ]
    for ours, theirs in zip(model.blocks, padded, strict=True):
        theirs[0].load_state_dict(ours[0].state_dict())  # type: ignore[index]
    plain = nn.Sequential(*padded, nn.Flatten(), model.classifier)
    torch.testing.assert_close(model(BATCH), plain(BATCH), rtol=1e-12, atol=1e-12)
    sizes = [parameter.shape for parameter in ShallowCNN(4).classifier.parameters()]
    assert [parameter.shape for parameter in model.classifier.parameters()] == sizes


@pytest.mark.parametrize(
    ("taps", "message"),
    [
        (1, "kernel_size is 1; expected a whole number of taps, 3 or more"),
        (4, "kernel_size is 4; expected an odd number of taps"),
    ],
)
def test_kernels_that_it_cannot_have(taps: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShallowCNN(4, kernel_size=taps)
