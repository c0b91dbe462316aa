"""Pictures to correlate with."""

from __future__ import annotations

import numpy as np
import torch

from convsim.extras import extra

PHOTOGRAPHS = ("china", "flower")
SHORTER_SIDE = 427


def photograph(name: str = "china", size: int = 64, *, colour: bool = False) -> torch.Tensor:
    """Return one of scikit-learn's two photographs as a square picture, grey or in colour.

    The largest centred square whose side is a multiple of ``size`` is cut out, made grey with the
    ITU-R BT.601 weights (0.299, 0.587, 0.114), averaged over square blocks and rounded to the 256
    levels of an 8-bit picture, so that the values are the same everywhere.

    Args:
        name: ``"china"`` (a temple roof, by danielbuechele) or ``"flower"`` (a dahlia, by
            vultilion).
        size: side of the result in pixels, 1 to 427.
        colour: keep red, green and blue apart.

    Returns:
        A float64 tensor of shape (size, size), or (3, size, size), with values in [0, 1], each a
        multiple of 1/255.

    Raises:
        ValueError: for another name or size.

    Example:
        >>> x = photograph("china", 64)
        >>> x.shape, x.dtype
        (torch.Size([64, 64]), torch.float64)

    Source: both pictures come with scikit-learn (``sklearn.datasets.load_sample_image``) and are
    licensed CC BY 2.0, https://creativecommons.org/licenses/by/2.0/:
    https://www.flickr.com/photos/danielbuechele/6061409035/ and
    https://www.flickr.com/photos/vultilion/6056698931/.
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"no photograph is called {name!r}; choose 'china' or 'flower'")
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= SHORTER_SIDE:
        raise ValueError(
            f"size must be a whole number from 1 to {SHORTER_SIDE} (the photograph's shorter "
            f"side), got {size!r}; choose a smaller picture, such as 64"
        )
    with extra("data"):
        from sklearn.datasets import load_sample_image  # slow to import, only needed here

    whole = np.asarray(load_sample_image(f"{name}.jpg"), dtype=np.float64)
    block = SHORTER_SIDE // size
    top, left = ((extent - block * size) // 2 for extent in whole.shape[:2])
    square = whole[top : top + block * size, left : left + block * size]
    planes = np.moveaxis(square, 2, 0) if colour else square @ np.array([0.299, 0.587, 0.114])
    blocks = planes.reshape(*planes.shape[:-2], size, block, size, block)
    return torch.from_numpy(blocks.mean(axis=(-3, -1)).round() / 255)
