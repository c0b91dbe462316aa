"""Small networks as text that a page can load: 8-bit weights, one scale a kernel, in base 85."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convsim.models import ShallowCNN

Packed = dict[str, Any]
"""``input`` (C, H, W), ``mean``, ``std`` of the channels, ``classes``, ``steps``, ``data``."""

LEVELS = 127  # of a weight's size
LIGHT = 300_000  # weights: what a page can carry and compute

_SKIPPED = (nn.Dropout, nn.Dropout2d, nn.Identity)
_EXPECTED = (
    "Conv2d (stride 1, no groups), BatchNorm2d, ReLU, LeakyReLU, MaxPool2d, Flatten, Linear, "
    "Dropout and Identity, in nn.Sequential"
)


def pack(
    model: nn.Module,
    *,
    classes: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    side: int = 32,
) -> Packed:
    """Pack a sequential network, in evaluation mode, for pictures of ``side`` pixels in [0, 1].

    Each kernel, and each row of a linear layer, becomes whole numbers from -127 to 127 and a
    float32 scale; biases stay float32. A batch normalisation becomes its slope and offset, and
    takes the bias of the convolution before it in.

    Args:
        model: a :class:`~convsim.models.ShallowCNN`, or a ``torch.nn.Sequential``.
        classes: names of the outputs.
        mean, std: of the pictures' channels, by which they are normalised.
        side: of a picture.

    Raises:
        ValueError: for a module that cannot be packed, named with its place, for a network that is
            too large, or if the number of classes or of channels is not the network's.
    """
    steps: list[dict[str, Any]] = []
    parts: list[bytes] = []
    if sum(weight.numel() for weight in model.parameters()) > LIGHT:
        raise ValueError(
            f"the network has more than {LIGHT:,} weights; expected one that a page can carry: "
            "choose a narrower one"
        )
    for name, module in _modules(model):
        step, data = _step(name, module)
        if step["kind"] == "norm" and steps and steps[-1]["kind"] == "conv":
            _move_bias(steps[-1], parts, data)
        if step["kind"] != "nothing":
            steps.append(step)
            parts.append(_bytes(step, data))
    packed = {
        "input": [len(mean), side, side],
        "mean": list(map(float, mean)),
        "std": list(map(float, std)),
        "classes": list(classes),
        "steps": steps,
        "data": base64.b85encode(b"".join(parts)).decode("ascii"),
    }
    _check(packed, len(std))
    return packed


def unpack(packed: Packed) -> list[dict[str, Any]]:
    """Return the steps with their numbers as float64 tensors, exactly as a page computes them.

    A convolution and a linear layer have ``weight`` and ``bias`` (None for none), a batch
    normalisation ``slope`` and ``offset``.
    """
    raw, at = base64.b85decode(packed["data"]), 0
    steps = []

    def numbers(count: int, kind: str) -> Tensor:
        nonlocal at
        found = np.frombuffer(raw, kind, count, at)
        at += found.nbytes
        return torch.from_numpy(found.astype(np.float64))

    for step in packed["steps"]:
        found = dict(step)
        if step["kind"] in ("conv", "linear"):
            shape = step["shape"]
            levels = numbers(int(np.prod(shape)), "<i1").view(shape)
            scales = numbers(shape[0], "<f4").view(-1, *[1] * (len(shape) - 1))
            # a product in float32, as the page has it
            found["weight"] = (levels.float() * scales.float()).double()
            found["bias"] = numbers(shape[0], "<f4") if step["bias"] else None
        elif step["kind"] == "norm":
            found["slope"], found["offset"] = (numbers(step["maps"], "<f4") for _ in range(2))
        steps.append(found)
    return steps


def _modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(model, ShallowCNN):
        yield from _modules(model.blocks)
        yield "flatten", nn.Flatten()
        yield "classifier", model.classifier
    elif isinstance(model, nn.Sequential):
        for name, child in model.named_children():
            if isinstance(child, nn.Sequential):
                yield from ((f"{name}.{inner}", module) for inner, module in _modules(child))
            else:
                yield name, child
    else:
        raise ValueError(f"the network is a {type(model).__name__}; expected {_EXPECTED}")


def _step(name: str, module: nn.Module) -> tuple[dict[str, Any], list[Tensor]]:
    """What a module does, and its numbers."""
    if isinstance(module, nn.Conv2d):
        fault = _fault(module)
        if fault:
            raise ValueError(f"{name} has {fault}; expected a plain convolution of stride 1")
        shape, padding = list(module.weight.shape), module.padding[0]
        step = {"kind": "conv", "shape": shape, "padding": padding}
        return step, [module.weight, *([] if module.bias is None else [module.bias])]
    if isinstance(module, nn.Linear):
        step = {"kind": "linear", "shape": list(module.weight.shape)}
        return step, [module.weight, *([] if module.bias is None else [module.bias])]
    if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
        assert module.running_var is not None
        slope = (module.running_var.double() + module.eps).rsqrt()
        slope = slope * (1 if module.weight is None else module.weight.double())
        offset = (0 if module.bias is None else module.bias.double()) - slope * module.running_mean
        return {"kind": "norm", "maps": module.num_features}, [slope, offset]
    if isinstance(module, nn.MaxPool2d) and _halves(module):
        return {"kind": "pool"}, []
    if isinstance(module, nn.ReLU | nn.LeakyReLU):
        return {"kind": "relu", "slope": getattr(module, "negative_slope", 0.0)}, []
    if isinstance(module, nn.Flatten) and module.start_dim == 1:
        return {"kind": "nothing"}, []  # a linear layer flattens what it gets
    if isinstance(module, _SKIPPED):
        return {"kind": "nothing"}, []
    raise ValueError(f"{name} is {module}; expected {_EXPECTED}; pooling over 2 × 2 only")


def _halves(pool: nn.MaxPool2d) -> bool:
    usual = (pool.padding, pool.dilation, pool.ceil_mode) == (0, 1, False)
    return usual and pool.kernel_size == pool.stride == 2


def _fault(module: nn.Conv2d) -> str:
    same = isinstance(module.padding, str) or len(set(module.padding)) > 1
    kernel = tuple(module.weight.shape[2:])
    found = {
        f"stride {module.stride}": set(module.stride) != {1},
        f"dilation {module.dilation}": set(module.dilation) != {1},
        f"{module.groups} groups": module.groups != 1,
        f"padding {module.padding!r}, {module.padding_mode}": same
        or module.padding_mode != "zeros",
        f"a kernel of {kernel}": len(set(kernel)) > 1,
    }
    return ", ".join(words for words, wrong in found.items() if wrong)


def _move_bias(step: dict[str, Any], parts: list[bytes], norm: list[Tensor]) -> None:
    """Take a convolution's bias over into the normalisation that follows."""
    if step["bias"]:
        stored = 4 * step["shape"][0]
        bias = torch.from_numpy(np.frombuffer(parts[-1][-stored:], "<f4").astype(np.float64))
        norm[1] = norm[1] + norm[0] * bias
        parts[-1], step["bias"] = parts[-1][:-stored], False


def _bytes(step: dict[str, Any], data: list[Tensor]) -> bytes:
    arrays = [tensor.detach().cpu().double().numpy() for tensor in data]
    if step["kind"] not in ("conv", "linear"):
        return b"".join(array.astype("<f4").tobytes() for array in arrays)
    weight, *bias = arrays
    step["bias"] = bool(bias)
    rows = weight.reshape(len(weight), -1)
    scales = (np.abs(rows).max(1) / LEVELS).astype("<f4")
    levels = np.rint(rows / np.where(scales > 0, scales, 1)[:, None]).astype("<i1")
    return b"".join(
        [levels.tobytes(), scales.tobytes(), *(b.astype("<f4").tobytes() for b in bias)]
    )


def _check(packed: Packed, stds: int) -> None:
    """Walk through the network: whether sizes and channels fit."""
    channels, side, _ = packed["input"]
    if stds != channels:
        raise ValueError(f"mean has {channels} channels and std {stds}; expected as many")
    for number, step in enumerate(packed["steps"]):
        if step["kind"] == "conv":
            outputs, inputs, size, _ = step["shape"]
            if inputs != channels:
                raise ValueError(
                    f"step {number + 1}, a convolution of {inputs} channels, gets {channels}; "
                    "expected as many: check the order of the modules, and mean and std"
                )
            channels, side = outputs, side + 2 * step["padding"] - size + 1
        elif step["kind"] == "pool":
            side //= 2
        elif step["kind"] == "linear":
            outputs, inputs = step["shape"]
            if inputs != channels * side**2:
                raise ValueError(
                    f"step {number + 1}, a linear layer of {inputs} inputs, gets "
                    f"{channels * side**2}; expected as many: check `side`"
                )
            channels, side = outputs, 1
        if side < 1:
            raise ValueError(f"after step {number + 1} no pixel is left; expected a larger `side`")
    if not packed["steps"] or packed["steps"][-1]["kind"] != "linear":
        raise ValueError("the network does not end in a linear layer; expected one, of the classes")
    if channels != len(packed["classes"]):
        raise ValueError(
            f"the network has {channels} outputs and {len(packed['classes'])} classes are named; "
            "expected as many"
        )
