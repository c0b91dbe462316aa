"""Batches of images from a folder, a picture or a .npy file, read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convsim.checks import check_whole
from convsim.extras import extra

Prepare = Callable[[Any], Tensor]  # of a picture that Pillow opened


@dataclass(frozen=True)
class ImageBatches:
    """Batches that are read as they are asked for, each time anew.

    Attributes:
        count: images in all of them.
        batch_size: images in a batch; the last one may have fewer.
        device: where they are put.
        read: some of the images.
    """

    count: int
    batch_size: int
    device: str
    read: Callable[[slice], Tensor]

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, self.count, self.batch_size):
            yield self.read(slice(start, start + self.batch_size)).to(self.device)


def image_batches(
    path: Path, prepare: Prepare | None, *, batch_size: int, limit: int | None, device: str
) -> ImageBatches:
    """The images of a path, batch by batch.

    Args:
        path: a folder with pictures in it or below, hidden ones left out; a picture; or a ``.npy``
            file, whose images are prepared already.
        prepare: makes tensors of one shape of the pictures; None refuses them.
        batch_size: images in a batch.
        limit: take the first so many, in the order of their paths.
        device: where the batches are put.

    Raises:
        ValueError: for a path that holds no images; on reading, for a picture that is none.
    """
    check_whole(batch_size, "batch_size", least=1, what="images")
    if limit is not None:
        check_whole(limit, "limit", least=1, what="images")
    if path.suffix.lower() == ".npy" and path.is_file():
        array = _array(path)[:limit]

        def read_array(some: slice) -> Tensor:
            return torch.from_numpy(np.array(array[some], np.float32))

        return ImageBatches(len(array), batch_size, device, read_array)
    paths = _pictures(path)[:limit]
    if prepare is None:
        raise ValueError(
            f"{path} holds pictures, which are prepared only for torchvision's models that "
            "classify pictures, not for detection, segmentation, video or optical flow; expected "
            "one of the former, such as resnet18, or a .npy file of images prepared as in training"
        )

    def read_pictures(some: slice) -> Tensor:
        return torch.stack([prepare(_opened(each)) for each in paths[some]])

    return ImageBatches(len(paths), batch_size, device, read_pictures)


_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


def _pictures(path: Path) -> list[Path]:
    if path.is_dir():
        found = []
        for each in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in each.relative_to(path).parts)
            if each.suffix.lower() in _SUFFIXES and each.is_file() and not hidden:
                found.append(each)
        if not found:
            raise ValueError(
                f"{path} holds no picture; expected PNG, JPEG, WebP or BMP files in it or below: "
                "name the folder that has them"
            )
        return found
    if path.is_file() and path.suffix.lower() in _SUFFIXES:
        return [path]
    what = "neither a picture nor a .npy file" if path.exists() else "not there"
    raise ValueError(
        f"{path} is {what}; expected a folder of pictures, a PNG, JPEG, WebP or BMP file, "
        "or images prepared as in training that np.save wrote: .pt files and other pickles are "
        "not opened, since they can run any program"
    )


def _opened(path: Path) -> Any:
    with extra("data"):
        from PIL import Image, UnidentifiedImageError

    with path.open("rb") as file:  # what the system refuses is no damage
        try:
            with Image.open(file, formats=("PNG", "JPEG", "WEBP", "BMP")) as picture:
                if picture.mode.startswith(("I", "F")):  # convert would cut them off at 255
                    raise ValueError(f"its mode is {picture.mode}, which has more than 8 bits")
                return picture.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            unknown = isinstance(error, UnidentifiedImageError)
            raise ValueError(
                f"{path} cannot be read ({'it holds no picture' if unknown else error}); expected "
                "a complete PNG, JPEG, WebP or BMP file: replace it, or move it out of the folder"
            ) from error


def _array(path: Path) -> np.ndarray[Any, np.dtype[Any]]:
    """What a .npy file holds, left on the disk until it is asked for."""
    try:
        # np.load would try archives and pickles, too; this reads arrays of numbers alone.
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, SyntaxError, TokenError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); expected a complete array of numbers: write it "
            "again with np.save"
        ) from error
    if array.dtype.kind != "f":
        raise ValueError(
            f"{path} holds {array.dtype}; expected floating point, images prepared as in training: "
            "scale and normalise them, and save them with np.save(path, images.astype('float32'))"
        )
    if array.ndim not in (4, 5) or not array.size:
        raise ValueError(
            f"{path} holds an array of shape {array.shape}; expected one image or more, "
            "(B, C, H, W), for video (B, C, T, H, W): save a single one as images[None]"
        )
    return array
