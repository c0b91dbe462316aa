"""Labelled images to train on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convsim.checks import check_whole
from convsim.extras import extra

CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
PER_CLASS = {"train": 5000, "test": 1000}
"""Images of each class of CIFAR-10 in its two parts."""
_BATCHES = "cifar-10-batches-py"


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images, all of them on one device, one byte a number.

    Attributes:
        pixels: uint8, ``(N, 3, H, W)``.
        labels: int64, ``(N,)``, each an index into ``classes``.
        mean: float32, ``(1, 3, 1, 1)``: of the training images, in units of ``pixels``.
        std: float32, ``(1, 3, 1, 1)``.
        classes: names of the classes.
        source: the data, in words.
    """

    pixels: Tensor
    labels: Tensor
    mean: Tensor
    std: Tensor
    classes: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device | str) -> Images:
        """The same images on a device."""
        return replace(
            self,
            pixels=self.pixels.to(device),
            labels=self.labels.to(device),
            mean=self.mean.to(device),
            std=self.std.to(device),
        )

    def normalized(self, index: Tensor | slice) -> Tensor:
        """Some images with mean 0 and standard deviation 1 per channel: float32, channels last."""
        pixels = self.pixels[index].to(torch.float32, memory_format=torch.channels_last)
        return pixels.sub_(self.mean).div_(self.std)

    def batches(self, size: int, order: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised images and labels, ``size`` at a time; the last batch may be smaller.

        Args:
            size: images in a batch.
            order: which images, in which order, as indices on the images' device; by default
                all of them as they lie.

        Raises:
            ValueError: if ``size`` is no whole number above 0.
        """
        check_whole(size, "size", least=1, what="images")
        starts = range(0, len(self) if order is None else len(order), size)
        parts = (slice(start, start + size) for start in starts)
        indices = parts if order is None else (order[part] for part in parts)
        return ((self.normalized(index), self.labels[index]) for index in indices)

    def subset(self, index: Tensor | slice) -> Images:
        """Some of the images, normalised as before."""
        return replace(self, pixels=self.pixels[index], labels=self.labels[index])


def digits() -> tuple[Images, Images]:
    """The 1,797 handwritten digits of scikit-learn as colour images of 32 × 32 pixels.

    They need no download: each of the 8 × 8 grey values becomes 4 × 4 pixels, three times. A
    fixed shuffle sets 297 images aside as the test set.

    Returns:
        Training and test images.

    Example:
        >>> train, test = digits()
        >>> train.pixels.shape, len(test)
        (torch.Size([1500, 3, 32, 32]), 297)

    Source: the test part of Alpaydin and Kaynak's *Optical Recognition of Handwritten Digits*
    (1998), UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, CC BY 4.0.
    """
    with extra("data"):
        from sklearn.datasets import load_digits  # slow to import, only needed here

    bunch = load_digits()
    grey = torch.from_numpy(bunch.images * (255 / 16)).round().to(torch.uint8)
    pixels = grey.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None].expand(-1, 3, -1, -1)
    labels = torch.from_numpy(bunch.target).long()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    pixels, labels = pixels[order], labels[order]
    train, test = (pixels[:1500], labels[:1500]), (pixels[1500:], labels[1500:])
    return _normalised(train, test, classes=tuple(map(str, range(10))), source="digits")


def cifar10(folder: Path | str, *, download: bool = False) -> tuple[Images, Images]:
    """CIFAR-10 (Krizhevsky, 2009) from a folder: 50,000 training and 10,000 test images.

    Two layouts are read. ``cifar-10-batches-py/``, the original, goes through torchvision, which
    checks every file's MD5 sum before it is opened. Otherwise ``train/<class>/`` and
    ``test/<class>/`` hold one PNG or JPEG file an image; such a set is named a copy, because JPEG
    files are not the original's pixels.

    Args:
        folder: the folder that holds either layout, or a folder of that layout itself.
        download: fetch the original into ``folder`` if it is not there (170 MB).

    Returns:
        Training and test images, in an order that does not depend on the machine.

    Raises:
        ValueError: if the data are missing, incomplete or damaged; the message says what to do.
    """
    folder = _path(folder)
    place = _parent_of_original(folder)
    if download or (place / _BATCHES).is_dir():
        original = [_original(place, part, download) for part in PER_CLASS]
        return _normalised(*original, classes=CIFAR10_CLASSES, source="CIFAR-10")
    root = _root_of_copy(folder)
    copies = [_class_folders(root, part) for part in PER_CLASS]
    return _normalised(*copies, classes=CIFAR10_CLASSES, source=cifar10_source(folder))


def cifar10_source(folder: Path | str) -> str:
    """What :func:`cifar10` calls the data in a folder; no image is opened.

    Raises:
        ValueError: if neither layout is there.

    Returns:
        ``"CIFAR-10"``, or that it is a copy, and of which kinds of file.
    """
    folder = _path(folder)
    if (_parent_of_original(folder) / _BATCHES).is_dir():
        return "CIFAR-10"
    root = _root_of_copy(folder)
    kinds = {
        _KINDS[path.suffix.lower()]
        for part in PER_CLASS
        for name in CIFAR10_CLASSES
        for path in (root / part / name).glob("*")
        if path.suffix.lower() in _KINDS
    }
    return f"CIFAR-10 ({' and '.join(sorted(kinds))} copy)"


def _path(folder: Path | str) -> Path:
    if not isinstance(folder, str | Path):
        raise ValueError(
            f"folder is a {type(folder).__name__}; expected the path of a folder, as a Path or str"
        )
    return Path(folder)


def _parent_of_original(folder: Path) -> Path:
    return folder.parent if folder.name == _BATCHES else folder


def _root_of_copy(folder: Path) -> Path:
    root = next((p for p in (folder, *_subfolders(folder)) if (p / "train").is_dir()), None)
    if root is None:
        raise ValueError(
            f"no CIFAR-10 in {folder}; expected {_BATCHES}/, or class folders train/airplane/ … "
            "test/truck/, there: name the folder that holds them, or fetch the original with "
            "convsim.data.cifar10(folder, download=True)"
        )
    return root


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _original(folder: Path, part: str, download: bool) -> tuple[Tensor, Tensor]:
    with extra("data"):
        from torchvision.datasets import CIFAR10  # only here: its import takes seconds

    try:
        data = CIFAR10(str(folder), train=part == "train", download=download)
    except RuntimeError as error:  # torchvision found a file missing or its checksum wrong
        raise ValueError(
            f"{folder / _BATCHES} is incomplete or damaged: a file is missing or its MD5 sum is "
            "wrong; expected the eight files of the original, unchanged: delete the folder and "
            "fetch it again with convsim.data.cifar10(folder, download=True)"
        ) from error
    pixels = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor(data.targets)


def _class_folders(root: Path, part: str) -> tuple[Tensor, Tensor]:
    """Pixels and labels of ``root/part/<class>/*``."""
    with extra("data"):
        from PIL import Image

    pixels = []
    for name in CIFAR10_CLASSES:
        place = root / part / name
        paths = [p for p in sorted(place.glob("*")) if p.suffix.lower() in _KINDS]
        if len(paths) != PER_CLASS[part]:
            raise ValueError(
                f"{place} holds {len(paths)} PNG or JPEG files; expected {PER_CLASS[part]}: the "
                "copy is incomplete, unpack or copy it again"
            )
        for path in paths:
            try:
                with Image.open(path) as image:
                    picture = np.asarray(image.convert("RGB"))
            except (OSError, SyntaxError, ValueError) as error:  # Pillow's, for broken files
                raise ValueError(
                    f"{path} cannot be read ({error}); expected a complete PNG or JPEG file: the "
                    "copy is damaged, unpack or copy it again"
                ) from error
            if picture.shape != (32, 32, 3):
                raise ValueError(
                    f"{path} is {picture.shape[1]} × {picture.shape[0]} pixels; expected 32 × 32: "
                    "this is not CIFAR-10, name another folder"
                )
            pixels.append(picture)
    labels = torch.arange(len(CIFAR10_CLASSES)).repeat_interleave(PER_CLASS[part])
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return stacked, labels


_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def _normalised(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    classes: tuple[str, ...],
    source: str,
) -> tuple[Images, Images]:
    """Both parts, to be normalised with the mean and deviation of the training images."""
    sums, squares = torch.zeros(3).double(), torch.zeros(3).double()
    for some in train[0].split(1000):  # 50,000 images in float64 would take gigabytes
        sums += some.double().sum((0, 2, 3))
        squares += some.double().square().sum((0, 2, 3))
    mean = sums / (train[0].numel() // 3)
    std = (squares / (train[0].numel() // 3) - mean.square()).sqrt()
    return (
        Images(*train, *_per_channel(mean, std), classes, source),
        Images(*test, *_per_channel(mean, std), classes, source),
    )


def _per_channel(mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    return mean.float().view(1, 3, 1, 1), std.float().view(1, 3, 1, 1)


def spread(count: int, wanted: int, device: torch.device) -> Tensor:
    """Indices of ``wanted`` of ``count`` images, evenly spread: a set may lie class by class."""
    return torch.linspace(0, count - 1, min(count, wanted), device=device).round().long()
