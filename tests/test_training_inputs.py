"""What a training and an evaluation refuse of images and models, before anything has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from convsim.training import evaluate, fit
from tests.tiny_networks import FEW, TEST, assert_same_bits, tiny, train_tiny, weights

pytestmark = pytest.mark.usefixtures("one_thread")

PIXELS, LABELS = FEW.pixels, FEW.labels
NAN = float("nan")
IMAGES: dict[str, tuple[dict[str, Any], str]] = {
    "channels last": (
        {"pixels": PIXELS.permute(0, 2, 3, 1)},
        r"the mean of {} is torch.float32 of shape \(1, 3, 1, 1\); expected shape \(1, 32, 1, 1\)"
        r" for pixels of shape \(96, 32, 32, 3\): put the channels second with permute\(0, 3, 1",
    ),
    "grey": ({"pixels": PIXELS[:, :1]}, r"expected shape \(1, 1, 1, 1\) for .* expand\(-1, 3, -1"),
    "three axes": (
        {"pixels": PIXELS[:, 0]},
        r"the pixels of {} are torch.uint8 of shape \(96, 32, 32\); expected torch.uint8 of shape "
        r"\(N, C, H, W\): round",
    ),
    "shares of 1": (
        {"pixels": PIXELS / 255},
        "the pixels of {} are torch.float32 of shape .*; expected torch.uint8 of",
    ),
    "an array": (
        {"pixels": PIXELS.numpy()},
        "the pixels of {} are a ndarray; expected torch.uint8",
    ),
    "a mean of NaN": ({"mean": FEW.mean * NAN}, r"the mean of {} is \[nan, nan, nan\]; expected"),
    "one number": ({"std": 73.9}, r"the std of {} is a float; expected shape \(1, 3, 1, 1\)"),
    "no deviation": ({"std": FEW.std * 0}, r"the std of {} is \[0.0, 0.0, 0.0\]; expected finite"),
    "int32 labels": (
        {"labels": LABELS.int()},
        r"the labels of {} are torch.int32 of shape \(96,\); expected torch.int64 of shape \(96,\)"
        r", one for each image: call long\(\)",
    ),
    "float labels": ({"labels": LABELS.float()}, "the labels of {} are torch.float32 of shape"),
    "a column": ({"labels": LABELS[:, None]}, r"the labels of {} are torch.int64 of .*\(96, 1\);"),
    "fewer labels": ({"labels": LABELS[:95]}, r"of shape \(95,\); expected .* of shape \(96,\)"),
    "more labels": ({"labels": TEST.labels}, r"of shape \(297,\); expected .* of shape \(96,\)"),
    "labels + 20": (
        {"labels": LABELS + 20},
        "the labels of {} go from 20 to 29; expected 0 to 9, indices into its 10 classes: leave",
    ),
    "a label of -1": ({"labels": LABELS - 1}, "the labels of {} go from -1 to 8; expected 0 to 9"),
    "an ignored label": (
        {"labels": torch.where(LABELS == 0, -100, LABELS)},
        "the labels of {} go from -100 to 9; expected 0 to 9",
    ),
}


@pytest.mark.parametrize(("changed", "message"), IMAGES.values(), ids=IMAGES)
def test_images_that_cannot_be_learned_are_refused(changed: dict[str, Any], message: str) -> None:
    wrong = replace(FEW, **changed)
    model = tiny()
    calls: dict[str, Callable[[], object]] = {
        "train": lambda: fit(model, wrong, TEST, epochs=1),
        "test": lambda: fit(model, FEW, wrong, epochs=1),
        "held_out": lambda: fit(model, FEW, TEST, held_out=wrong, epochs=1),
        "images": lambda: evaluate(model, wrong),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=message.format(name)) as raised:
            call()
        assert f"of {name} " in str(raised.value)
    assert_same_bits(model, tiny())


class Given(nn.Module):
    """A network whose scores are given on in another form."""

    def __init__(self, form: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.network, self.form = tiny(), form

    def forward(self, images: Tensor) -> object:
        return self.form(self.network(images))


MODELS: dict[str, tuple[nn.Module, str]] = {
    "few classes": (
        Given(lambda scores: scores[:, :7]),
        r"model gives torch.float32 of shape \({count}, 7\) for {count} images of {name}; expected "
        r"scores, a tensor of floats of shape \({count}, 10\): end the network in a linear layer",
    ),
    "a tuple": (Given(lambda scores: (scores,)), "model gives tuple for {count} images of {name};"),
    "maps": (
        Given(lambda scores: scores[:, :, None, None].expand(-1, -1, 2, 2)),
        r"model gives torch.float32 of shape \({count}, 10, 2, 2\) for",
    ),
    "whole numbers": (Given(Tensor.long), r"model gives torch.int64 of shape \({count}, 10\) for"),
    "one row": (Given(lambda scores: scores[:1]), r"model gives .* \(1, 10\) for {count} images"),
    "double": (
        tiny().double(),
        r"model, a Sequential, refused {name} of shape \({count}, 3, 32, 32\), torch.float32 on cpu"
        r" \(RuntimeError: .*parameters are torch.float64 on cpu: call model.float\(\)",
    ),
    "half": (tiny().half(), "refused {name} .* its parameters are torch.float16 on cpu: call"),
    "lazy": (
        nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(10)),
        "parameter '0.weight' of model holds no numbers yet; expected an initialised tensor: run a",
    ),
    "lazy classifier": (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(10)),
        "parameter '2.weight' of model holds no numbers yet; expected an initialised tensor: run a",
    ),
}


@pytest.mark.parametrize(("model", "message"), MODELS.values(), ids=MODELS)
def test_models_that_give_no_scores_are_refused(model: nn.Module, message: str) -> None:
    steps: list[int] = []
    with pytest.raises(ValueError, match=message.format(count=2, name="train")):
        fit(model, FEW, TEST, progress=False, on_step=steps.append)
    assert not steps
    with pytest.raises(ValueError, match=message.format(count=297, name="images")):
        evaluate(model, TEST)


@pytest.mark.parametrize("name", ["test", "held_out"])
def test_images_of_another_size_are_refused_before_an_epoch(name: str) -> None:
    small: dict[str, Any] = {"test": TEST, name: replace(FEW, pixels=PIXELS[..., :16, :16])}
    with pytest.raises(ValueError, match=rf"refused {name} of shape \(2, 3, 16, 16\)"):
        train_with(small, tiny())


def train_with(sets: dict[str, Any], model: nn.Module, **options: Any) -> None:
    options = {"epochs": 1, "progress": False} | options
    fit(model, FEW, sets.pop("test", TEST), **sets, **options)


def test_a_model_that_gives_more_in_training_is_refused_before_a_step() -> None:
    model = Given(lambda scores: scores)
    model.form = lambda scores: SimpleNamespace(scores=scores) if model.training else scores
    with pytest.raises(ValueError, match="model gives SimpleNamespace for 96 images of train; exp"):
        train_with({}, model)
    for found, expected in zip(model.parameters(), tiny().parameters(), strict=True):
        assert torch.equal(found, expected)


def test_a_training_needs_gradients() -> None:
    with pytest.raises(ValueError, match="all parameters of model are frozen; expected one at l"):
        train_with({}, tiny().requires_grad_(False))
    for switch in (torch.no_grad, torch.inference_mode):
        with switch(), pytest.raises(ValueError, match="gradients are off; expected them on for"):
            train_with({}, tiny())
    partly = tiny()
    partly[0].requires_grad_(False)
    train_with({}, partly)
    assert torch.equal(partly[0].weight, tiny()[0].weight)


def test_the_loss_of_a_guess_needs_two_classes() -> None:
    one = replace(FEW, labels=LABELS * 0, classes=("digit",))
    model = Given(lambda scores: scores[:, :1])
    options: dict[str, Any] = {"epochs": 1, "progress": False, "beta_follows_loss": True}
    with pytest.raises(ValueError, match="beta_follows_loss is True with a single score; expected"):
        fit(model, one, one, beta=0.1, **options)
    fit(model, one, one, beta=0.0, **options)  # beta alone would follow


LARGEST = (2**64 - 2) // 1_000_003


def test_a_seed_may_be_as_large_as_its_epochs_allow() -> None:
    train_tiny(FEW, epochs=1, seed=LARGEST)
    for seed in (LARGEST + 1, 2**50):
        said = f"^seed is {seed}; expected a whole number, {LARGEST} or less"
        with pytest.raises(ValueError, match=said):
            train_tiny(FEW, epochs=1, seed=seed)


def test_trying_out_leaves_statistics_modes_and_random_numbers_as_they_were() -> None:
    model = Given(lambda scores: dropout(scores, training=True))  # it draws in evaluation as well
    model.network[1].eval()
    modes = [module.training for module in model.modules()]
    before, state = weights(model), torch.get_rng_state()
    fit(model, FEW, TEST, epochs=0, progress=False)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())
    assert torch.equal(torch.get_rng_state(), state)


def test_evaluation_puts_every_mode_back_also_after_an_error() -> None:
    model = tiny()
    model[1].eval()
    modes = [module.training for module in model.modules()]
    assert len({*modes}) == 2
    evaluate(model, TEST)
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(ValueError, match="model, a Sequential, refused images of shape"):
        evaluate(model, replace(FEW, pixels=PIXELS[..., :16, :16]))
    assert [module.training for module in model.modules()] == modes


def test_a_training_leaves_every_submodule_in_training_mode() -> None:
    model = tiny().eval()
    fit(model, FEW, TEST, epochs=0, progress=False)
    assert not any(module.training for module in model.modules())
    fit(model, FEW, TEST, epochs=1, progress=False)
    assert all(module.training for module in model.modules())


def test_more_scores_than_classes_are_allowed() -> None:
    some = FEW.subset(FEW.labels < 5)
    assert 0 <= evaluate(tiny(), replace(some, classes=FEW.classes[:5])) <= 100
