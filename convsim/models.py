"""The convolutional networks of Belmekki et al. (2024), Table 4."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from convsim.checks import check_number, check_whole
from convsim.extras import extra

SLOPE = 0.2  # of the leaky ReLU


class ShallowCNN(nn.Module):
    """Four blocks of convolution, batch normalisation, leaky ReLU and pooling, then one layer.

    Each block computes ``Conv2d(3 × 3, padding 2) → BatchNorm2d → LeakyReLU(0.2) → MaxPool2d(2)``,
    and with ``dropout`` each ends in ``Dropout``, which the paper's networks do not have. Three
    things save more than half of a training step on a CPU and change nothing else: pooling stands
    before the leaky ReLU; the convolutions' biases, which batch normalisation subtracts again, ask
    for no gradient; and half of the padding is added ahead of the convolution.

    Args:
        width: number of kernels of every convolution; 64 gives CNN1, 128 gives CNN2.
        classes: number of outputs.
        batch_norm: whether there are batch normalisations; without them each map has a bias that
            is trained, behind the pooling, where it does the same at a quarter of the cost.
        dropout: probability with which a number is set to zero after each block in training.
        kernel_size: taps on each axis of a kernel, an odd number from 3 on; the padding grows with
            it, so that the maps have the same size.

    Input ``(B, 3, 32, 32)``, output ``(B, classes)``.

    Raises:
        ValueError: if ``width`` or ``classes`` is not positive, ``dropout`` not in [0, 1), or
            ``kernel_size`` not odd or below 3.

    Example:
        >>> sum(p.numel() for p in ShallowCNN(64).parameters())
        118858
    """

    def __init__(
        self,
        width: int,
        classes: int = 10,
        *,
        batch_norm: bool = True,
        dropout: float = 0.0,
        kernel_size: int = 3,
    ) -> None:
        check_whole(width, "width", least=1, what="kernels")
        check_whole(classes, "classes", least=1)
        check_number(dropout, "dropout")
        if dropout >= 1:
            raise ValueError(f"dropout is {dropout}; expected a probability, 0 or more, below 1")
        check_whole(kernel_size, "kernel_size", least=3, what="taps")
        if not kernel_size % 2:
            raise ValueError(f"kernel_size is {kernel_size}; expected an odd number of taps")
        super().__init__()
        channels = [3, width, width, width, width]
        self.blocks = nn.Sequential(
            *(
                _block(before, after, kernel_size, batch_norm, dropout)
                for before, after in zip(channels[:-1], channels[1:], strict=True)
            )
        )
        # 32 → 17 → 9 → 5 → 3: padding 2 adds two pixels before each halving.
        self.classifier = nn.Linear(width * 3 * 3, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.blocks(images).flatten(1))


class _Conv2d(nn.Conv2d):
    """``Conv2d(3 × 3, padding 2)``, with a fast gradient of its weight on a CPU."""

    def __init__(self, before: int, after: int, kernel_size: int, *, bias: bool) -> None:
        padding = (kernel_size + 1) // 2
        super().__init__(before, after, kernel_size=kernel_size, padding=padding, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        # oneDNN's fast kernels for that gradient know paddings of 0 and 1 only: six times as fast.
        ahead = (self.kernel_size[0] - 1) // 2
        return functional.conv2d(functional.pad(x, [ahead] * 4), self.weight, self.bias, padding=1)


class _Bias(nn.Module):
    """Adds a trained number to every map, which starts as PyTorch's convolutions start theirs."""

    def __init__(self, maps: int, fan_in: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(maps, 1, 1).uniform_(-1, 1) / fan_in**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


def _block(
    before: int, after: int, kernel_size: int, batch_norm: bool, dropout: float
) -> nn.Sequential:
    convolution = _Conv2d(before, after, kernel_size, bias=batch_norm)
    if convolution.bias is not None:
        # Its gradient is zero but for rounding, and costs more than that of the weight.
        convolution.bias.requires_grad_(False)
    return nn.Sequential(
        convolution,
        *([nn.BatchNorm2d(after)] if batch_norm else []),
        # An increasing function and a maximum may change places: a quarter is left to compute.
        nn.MaxPool2d(2),
        *([] if batch_norm else [_Bias(after, fan_in=before * kernel_size**2)]),
        nn.LeakyReLU(SLOPE, inplace=True),
        *([nn.Dropout(dropout)] if dropout else []),
    )


def cnn1() -> ShallowCNN:
    """The paper's CNN1: width 64, 118,858 parameters."""
    return ShallowCNN(64)


def cnn2() -> ShallowCNN:
    """The paper's CNN2: width 128, 458,890 parameters."""
    return ShallowCNN(128)


def wide_kernel_cnn(width: int, classes: int = 10) -> ShallowCNN:
    """With kernels of 5 × 5 taps."""
    return ShallowCNN(width, classes, kernel_size=5)


def plain_cnn(width: int, classes: int = 10) -> ShallowCNN:
    """Without batch normalisation."""
    return ShallowCNN(width, classes, batch_norm=False)


def kaiming_cnn(width: int, classes: int = 10) -> ShallowCNN:
    """The same, with weights that keep the variance from layer to layer, and biases of 0.

    Source: K. He et al., *Delving Deep into Rectifiers*, arXiv 1502.01852.
    """
    model = plain_cnn(width, classes)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=SLOPE, nonlinearity="leaky_relu")
        if isinstance(module, nn.Linear | _Bias):
            nn.init.zeros_(module.bias)
    return model


def resnet18(width: int = 64, classes: int = 10) -> nn.Module:
    """torchvision's ResNet-18; its first layer and its pooling leave 8 × 8 of 32 × 32 pixels.

    Raises:
        ValueError: for another width than 64.
    """
    if width != 64:
        raise ValueError(f"width is {width}; expected 64, as ResNet-18 has it")
    with extra("data"):
        from torchvision import models  # only here: its import takes seconds

    return models.resnet18(num_classes=classes)


def resnet18_cifar(width: int = 64, classes: int = 10) -> nn.Module:
    """The same with the usual start for small images: 3 × 3 taps, stride 1, no pooling.

    Raises:
        ValueError: for another width than 64.
    """
    model = resnet18(width, classes)
    model.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()
    return model


MODELS: dict[str, Callable[..., nn.Module]] = {
    "ShallowCNN": ShallowCNN,
    "ShallowCNN-5x5": wide_kernel_cnn,
    "PlainCNN": plain_cnn,
    "KaimingCNN": kaiming_cnn,
    "ResNet18": resnet18,
    "ResNet18-CIFAR": resnet18_cifar,
}
"""By name, what experiments can train; each is called with a width and a number of classes."""


def build(name: str, width: int, classes: int = 10, **options: float) -> nn.Module:
    """A network with PyTorch's default initialisation, by its name in ``MODELS``.

    Raises:
        ValueError: for an unknown name, and as the network itself.
    """
    if name not in MODELS:
        raise ValueError(f"{name!r} is no model; expected one of {', '.join(MODELS)}")
    return MODELS[name](width, classes, **options)
