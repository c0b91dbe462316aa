"""What public functions refuse: one table of inputs and of what is said of them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsim import (
    autocorrelate,
    convolutional_similarity,
    cross_correlate,
    feature_map_similarity,
    kernel_similarity,
    model_similarity,
    models,
    power_spectrum,
    redundancy_report,
    similarity_matrix,
)
from convsim.data import Images, cifar10, digits
from convsim.patches import (
    autocorrelation_for,
    expected_gram,
    orthogonal_maps,
    patch_autocorrelation,
)
from convsim.training import evaluate, fit, minimize_similarity
from convsim.training.deconvolution import Deconvolution, deconvolve, folded
from convsim.training.decorrelation import mean_squared_correlation
from convsim.whitening import input_autocorrelations, orthogonalize_maps

ONES = torch.ones(2, 1, 4)
Row = tuple[str, Callable[[], object], str]


def no_tensors() -> Iterator[tuple[str, Any, str]]:
    """What is no dense, finite tensor of floats: in words, itself, and what is said of it."""
    yield "None", None, "is a NoneType; expected a torch.Tensor: pass numbers"
    yield "a list", [[[1.0]]], r"is a list; expected a torch.Tensor: use torch.as_tensor\("
    yield "an array", np.ones((2, 1, 4)), r"is a ndarray; expected .*: use torch.as_tensor\("
    yield "words", "weight", "is a str; expected a torch.Tensor"
    yield "a state_dict", {"weight": ONES}, "is a dict; expected .*: pass one of its values"
    yield "a layer", nn.Conv1d(1, 1, 1), "is a Conv1d; expected .*: pass numbers, such as a lay"
    yield "whole numbers", ONES.long(), r"has dtype torch.int64; expected a floating.*\.float\(\)"
    yield "truth values", ONES.bool(), "has dtype torch.bool; expected a floating-point dtype"
    yield "complex numbers", ONES + 0j, r"has dtype torch.complex64; .*: pass .*\.real or"
    yield (
        "float8",
        ONES.to(torch.float8_e4m3fn),
        r"has dtype torch.float8_e4m3fn; expected at least 16.*\.float",
    )
    yield "sparse", ONES.to_sparse(), r"has the layout torch.sparse_coo; .*\.to_dense\(\)"
    yield "sparse rows", torch.eye(4).to_sparse_csr(), "has the layout torch.sparse_csr; expected"
    yield "meta", ONES.to("meta"), "holds no numbers yet; expected an initialised tensor"
    yield "lazy", nn.LazyConv1d(2, 3).weight, "holds no numbers yet; expected an initialised"
    ragged = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    yield "nested", ragged, "is a nested tensor; expected one of one shape: pad its parts"
    yield "empty", torch.ones(2, 0, 4), r"has shape \(2, 0, 4\) and no elements; expected"
    yield "NaN", ONES * torch.nan, r"has 8 NaN or infinite values; expected finite numbers"
    yield "infinite", ONES / 0, r"has 8 NaN or infinite values; expected finite numbers"


def of_tensors() -> Iterator[Row]:
    functions: dict[str, Callable[[Any], object]] = {
        "f1": lambda x: feature_map_similarity(x, ONES),
        "f2": lambda x: feature_map_similarity(ONES, x),
        "k1": lambda x: kernel_similarity(x, ONES),
        "k2": lambda x: kernel_similarity(ONES, x),
        "x": lambda x: cross_correlate(x, ONES),
        "kernel": lambda x: cross_correlate(ONES, x),
        "x of autocorrelate": autocorrelate,
        "weight": convolutional_similarity,
        "weight of similarity_matrix": similarity_matrix,
        "weight of power_spectrum": power_spectrum,
        "images": lambda x: redundancy_report(nn.Conv1d(1, 2, 1), 0 if x is None else x),
        "maps": lambda x: patch_autocorrelation(x, 2),
        "maps of mean_squared_correlation": mean_squared_correlation,
        "its input": lambda x: autocorrelation_for(nn.Conv1d(1, 2, 1), x),
        "weight of expected_gram": lambda x: expected_gram(x, torch.eye(4)),
        "weight of orthogonal_maps": lambda x: orthogonal_maps(x, torch.eye(4)),
        "autocorrelation": lambda x: expected_gram(ONES, x),
        "autocorrelation of orthogonal_maps": lambda x: orthogonal_maps(ONES, x),
        "images of orthogonalize_maps": lambda x: orthogonalize_maps(nn.Conv1d(1, 2, 1), x),
        "images of autocorrelations": lambda x: input_autocorrelations(nn.Conv1d(1, 2, 1), x),
    }
    for name, function in functions.items():
        for words, value, message in no_tensors():
            if (name, words) == ("images", "None"):  # means: without images
                continue
            if words in ("NaN", "infinite") and "squared" in name:  # a training looks at its loss
                continue
            said = f"^{name.split(' of ')[0]} (of shape .* )?{message}"
            yield f"{name}: {words}", lambda f=function, v=value: f(v), said


def of_numbers() -> Iterator[Row]:
    for dims in (1.0, True, 0, 4, None, "1", [1]):
        said = f"^dims is {re.escape(repr(dims))}; expected 1, 2 or 3 spatial axes"
        yield f"dims={dims!r}", lambda d=dims: feature_map_similarity(ONES, ONES, dims=d), said
        yield f"dims={dims!r} of x", lambda d=dims: autocorrelate(ONES, dims=d), said
    for lag in (1.0, True, "2", -1, [1]):
        said = f"^max_lag is {re.escape(repr(lag))}; expected a whole number of lags, 0 or more"
        yield f"max_lag={lag!r}", lambda m=lag: autocorrelate(ONES, max_lag=m), said
    for size in (5.5, True, "9", 0, (9,)):
        said = f"^size is {re.escape(repr(size))}; expected a whole number of points, 1 or more"
        yield f"size={size!r}", lambda s=size: power_spectrum(ONES, size=s), said
    for mode in (None, "FULL", 1, ["full"]):
        said = f"^mode is {re.escape(repr(mode))}; expected one of 'full', 'same', 'valid'"
        yield f"mode={mode!r}", lambda m=mode: cross_correlate(ONES, ONES, mode=m), said
    for width in (0, 1.5, True, "4", None):
        said = f"^width is {width!r}; expected a whole number of kernels, 1 or more"
        yield f"width={width!r}", lambda w=width: models.build("ShallowCNN", w), said
    for steps in (1.5, True, "3", -1, None):
        said = f"^iterations is {steps!r}; expected a whole number of steps, 0 or more"
        yield f"iterations={steps!r}", lambda n=steps: minimize(iterations=n), said


def of_patches() -> Iterator[Row]:
    numbers = {"kernel_size": 1, "stride": 1, "dilation": 1, "padding": 0}
    for name, least in numbers.items():
        for value in (least - 1, 1.5, True, None, (1, 2), (1.5,)):
            said = (
                f"^{name} is {re.escape(repr(value[0] if value == (1.5,) else value))}; expected "
            )
            said += "one number, or one for each of 1 axes" if value == (1, 2) else "a whole number"
            yield f"{name}={value!r}", lambda n=name, v=value: patches_of(ONES, **{n: v}), said
    for padding, stride in (("full", 1), ("same", 2), ("zeros", 2)):
        said = f"^padding is '{padding}' with stride \\({stride},\\); expected 'valid', 'same' with"
        options = {"padding": padding, "stride": stride}
        yield f"padding={padding!r}", lambda o=options: patches_of(ONES, **o), said
    for options in ({"kernel_size": 5}, {"kernel_size": 3, "dilation": 2}):
        said = (
            r"^the padded maps have \(4,\) positions, a kernel reaches over \(5,\); expected maps"
        )
        yield f"large {options}", lambda o=options: patches_of(ONES, **o), said
    for shape, said in (
        ((2, 4), r"^maps has shape \(2, 4\), 2 axes; expected at least 3: add the missing axes"),
        ((1,) * 6, r"^maps has shape .*, 4 spatial axes; expected \(B, C, \*spatial\) with one to"),
    ):
        yield f"maps {shape}", lambda s=shape: patches_of(torch.ones(s)), said
    for shape in ((3, 3), (4, 5), (6, 6), (2, 4)):
        said = (
            rf"^autocorrelation has shape {re.escape(str(shape))}; expected \(4, 4\) for a weight "
        )
        said += r"of shape \(2, 1, 4\), or a multiple of it for groups: compute it with patch_auto"
        for function in (expected_gram, orthogonal_maps):
            yield (
                f"{function.__name__}: R {shape}",
                lambda f=function, s=shape: f(ONES, torch.ones(s)),
                said,
            )
    three = r"^autocorrelation has shape \(12, 12\); expected \(4, 4\)"  # two kernels, three groups
    yield "R of three groups", lambda: expected_gram(ONES, torch.eye(12)), three
    long = r"^weight has shape .*, 6 axes; expected 3 to 5, \(S, C, \*kernel_size\)"
    yield "weight of 6 axes", lambda: expected_gram(torch.ones((1,) * 6), torch.eye(1)), long
    for eps in (-1, float("nan"), float("inf"), "a", None, True):
        said = f"^eps is {eps!r}; expected a finite number, 0 or more"
        yield f"eps={eps!r}", lambda e=eps: orthogonal_maps(ONES, torch.eye(4), eps=e), said
    for shape in ((1, 2, 4), (4,), (2, 1, 4, 4), (2, 4)):
        said = rf"^its input has shape {re.escape(str(shape))}.*; expected (1 channels|at least 2)"
        layer = nn.Conv1d(1, 2, 1)
        yield (
            f"input {shape}",
            lambda s=shape, x=layer: autocorrelation_for(x, torch.ones(s)),
            said,
        )


def of_models() -> Iterator[Row]:
    given = {"None": None, "a state_dict": {"0.weight": ONES}, "a list": [nn.Conv1d(1, 1, 1)]}
    functions: dict[str, Callable[[Any], object]] = {
        "model_similarity": model_similarity,
        "redundancy_report": redundancy_report,
        "minimize_similarity": minimize_similarity,
        "orthogonalize_maps": lambda model: orthogonalize_maps(model, ONES),
        "input_autocorrelations": lambda model: input_autocorrelations(model, ONES),
        "deconvolve": lambda model: deconvolve(model, ONES),
        "folded": folded,
        "fit": lambda model: train(model=model),
        "evaluate": lambda model: evaluate(model, some_digits()),
    }
    for name, function in functions.items():
        for words, model in given.items():
            said = (
                f"^model is a {type(model).__name__}; expected a torch.nn.Module: build the model"
            )
            yield f"{name}: {words}", lambda f=function, m=model: f(m), said
        if name not in ("folded", "fit", "evaluate"):
            yield (
                f"{name}: no layer",
                lambda f=function: f(nn.ReLU()),
                "^ReLU has no Conv1d, Conv2d",
            )
    bare = "model is a ReLU without parameters; expected a network to train"
    yield "fit: no parameters", lambda: train(model=nn.ReLU()), bare
    computed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 2, 3)))
    said = "^layer '0' computes its weight from other tensors; expected a plain weight to train"
    yield "minimize: weight norm", lambda: minimize_similarity(computed, iterations=1), said
    yield "fit: weight norm", lambda: train(model=computed), said
    colors = torch.ones(2, 3, 4, 4)
    yield "orthogonalize: weight norm", lambda: orthogonalize_maps(computed, colors), said
    yield "deconvolve: weight norm", lambda: deconvolve(computed, colors), said
    said = "^the convolution has 3 groups; expected 1: whiten the input of each group by itself"
    yield "groups", lambda: Deconvolution(nn.Conv1d(3, 3, 1, groups=3)), said
    frozen = nn.Conv1d(1, 2, 3).requires_grad_(False)
    said = "^the weight of layer '' is frozen; expected one that requires a gradient: call"
    yield "minimize: frozen", lambda: minimize_similarity(frozen, iterations=1), said


def of_trainings() -> Iterator[Row]:
    numbers = {
        "lr": ("a finite number, 0 or more", [-1, float("nan"), float("inf"), "a", None, True]),
        "beta": ("a finite number, 0 or more", [-1, None, "a"]),
        "weight_decay": ("a finite number, 0 or more", [-1, None]),
        "strength": ("a finite number, 0 or more", [-1, None, "a", float("inf")]),
        "penalty": ("None or one of soft orthogonality, mutual coherence", ["ocnn", "", 1]),
        "decorrelation": ("a finite number, 0 or more", [-1, None, "a", True, float("nan")]),
        "epochs": ("a whole number, 0 or more", [1.5, True, "1", -1, None]),
        "batch_size": ("a whole number of images, 1 or more", [0, 1.5, True, None, "8"]),
        "seed": ("a whole number, 0 or more", [1.5, None, "a", -1]),
        "checkpoint": ("a pathlib.Path, or None", ["folder", 1]),
        "precision": ("one of float32, tf32, bfloat16", [None, "x", 32]),
    }
    for name, (expected, values) in numbers.items():
        for value in values:
            said = f"^{name} is {value!r}; expected {expected}"
            yield f"{name}={value!r}", lambda n=name, v=value: train(**{n: v}), said
    said = "^strength is 0.1 without a penalty; expected 0, or a penalty: one of soft orthog"
    yield "strength of nothing", lambda: train(strength=0.1), said
    for lr in (-1, float("nan"), "a", None, True):
        said = f"^lr is {lr!r}; expected a finite number, 0 or more"
        yield f"minimize: lr={lr!r}", lambda rate=lr: minimize(lr=rate), said
    for value in (None, ONES, (1, 2)):
        said = f"is a {type(value).__name__}; expected convsim.data.Images, as convsim.data.digits"
        yield f"train {type(value)}", lambda v=value: train(train=v), f"^train {said}"
        yield f"test {type(value)}", lambda v=value: train(test=v), f"^test {said}"
        network = models.ShallowCNN(2)
        yield f"images {type(value)}", lambda v=value, n=network: evaluate(n, v), f"^images {said}"
    yield "no images", lambda: train(train=some_digits(0)), "^train holds no images; expected at"
    for folder in (None, 1):
        said = f"^folder is a {type(folder).__name__}; expected the path of a folder"
        yield f"folder={folder}", lambda f=folder: cifar10(f), said


@cache
def some_digits(count: int = 8) -> Images:
    return digits()[0].subset(slice(count))


def train(**changed: Any) -> object:
    given = {"model": models.ShallowCNN(2), "train": some_digits(), "test": some_digits()}
    given |= {"epochs": 0, "progress": False} | changed
    return fit(given.pop("model"), given.pop("train"), given.pop("test"), **given)


def patches_of(maps: Tensor, **options: Any) -> Tensor:
    return patch_autocorrelation(maps, **({"kernel_size": 2} | options))


def minimize(**options: Any) -> Tensor:
    return minimize_similarity(nn.Conv1d(1, 2, 3), **({"iterations": 1} | options))


with warnings.catch_warnings():  # PyTorch's, of layouts that are there to be refused
    warnings.simplefilter("ignore", UserWarning)
    ROWS = [*of_tensors(), *of_numbers(), *of_patches(), *of_models(), *of_trainings()]


@pytest.mark.parametrize(("call", "message"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_a_sentence_says_what_came_and_what_was_expected(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message) as raised:
        call()
    assert "; expected" in str(raised.value)
