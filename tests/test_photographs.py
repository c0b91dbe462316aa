"""The photographs against block means taken here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

from convsim.photographs import photograph


@pytest.mark.parametrize("name", ["china", "flower"])
@pytest.mark.parametrize("size", [1, 7, 64, 427])
def test_photograph_is_the_block_mean_of_the_central_square(name: str, size: int) -> None:
    colour = load_sample_image(f"{name}.jpg").astype(float)
    grey = 0.299 * colour[..., 0] + 0.587 * colour[..., 1] + 0.114 * colour[..., 2]
    block = 427 // size
    top, left = (427 - block * size) // 2, (640 - block * size) // 2
    x = photograph(name, size)
    assert x.shape == (size, size)
    assert x.dtype == torch.float64
    for i, j in {(0, 0), (size // 2, size // 3), (size - 1, size - 1)}:
        patch = grey[top + i * block : top + (i + 1) * block, left + j * block :][:, :block]
        assert abs(x[i, j].item() * 255 - patch.mean()) <= 0.5 + 1e-9
    planes = photograph(name, size, colour=True)
    assert planes.shape == (3, size, size)
    for channel in range(3):
        patch = colour[top : top + block, left : left + block, channel]
        assert abs(planes[channel, 0, 0].item() * 255 - patch.mean()) <= 0.5 + 1e-9


def test_photograph_has_the_levels_of_an_8_bit_picture() -> None:
    levels = photograph() * 255
    assert torch.equal(levels.round() / 255, photograph())
    assert levels.min() >= 0
    assert levels.max() <= 255
    assert len(np.unique(levels.round().numpy())) > 100
    assert not torch.equal(photograph("china"), photograph("flower"))


def test_photograph_errors_say_what_to_do() -> None:
    with pytest.raises(
        ValueError, match="no photograph is called 'cat'; choose 'china' or 'flower'"
    ):
        photograph("cat")
    for size in (0, 428, 64.0, True):
        with pytest.raises(ValueError, match=r"from 1 to 427 .*, got .*; choose a smaller picture"):
            photograph(size=size)  # type: ignore[arg-type]
