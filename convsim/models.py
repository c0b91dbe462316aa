"""The convolutional networks of Belmekki et al. (2024), Table 4."""

from __future__ import annotations

from torch import Tensor, nn


class ShallowCNN(nn.Module):
    """Four blocks of convolution, batch normalisation, leaky ReLU and pooling, then one layer.

    Each block is ``Conv2d(3 × 3, padding 2) → BatchNorm2d → LeakyReLU(0.2) → MaxPool2d(2)``, and
    with ``dropout`` each ends in ``Dropout``, which the paper's networks do not have.

    Args:
        width: number of kernels of every convolution; 64 gives CNN1, 128 gives CNN2.
        classes: number of outputs.
        dropout: probability with which a number is set to zero after each block in training.

    Input ``(B, 3, 32, 32)``, output ``(B, classes)``.

    Raises:
        ValueError: if ``width`` or ``classes`` is not positive, or ``dropout`` not in [0, 1).

    Example:
        >>> sum(p.numel() for p in ShallowCNN(64).parameters())
        118858
    """

    def __init__(self, width: int, classes: int = 10, *, dropout: float = 0.0) -> None:
        if width < 1 or classes < 1:
            raise ValueError(
                f"width is {width} and classes {classes}; expected positive whole numbers"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}; expected a probability, 0 or more, below 1")
        super().__init__()
        channels = [3, width, width, width, width]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, kernel_size=3, padding=2),
                    nn.BatchNorm2d(after),
                    nn.LeakyReLU(0.2, inplace=True),
                    nn.MaxPool2d(2),
                    *([nn.Dropout(dropout)] if dropout else []),
                )
                for before, after in zip(channels[:-1], channels[1:], strict=True)
            )
        )
        # 32 → 17 → 9 → 5 → 3: padding 2 adds two pixels before each halving.
        self.classifier = nn.Linear(width * 3 * 3, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.blocks(images).flatten(1))


def cnn1() -> ShallowCNN:
    """The paper's CNN1: width 64, 118,858 parameters."""
    return ShallowCNN(64)


def cnn2() -> ShallowCNN:
    """The paper's CNN2: width 128, 458,890 parameters."""
    return ShallowCNN(128)
