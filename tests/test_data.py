"""Photographs against a loop over blocks; digits and CIFAR-10 against what lies on disk."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10

from convsim.data import CIFAR10_CLASSES, Images, cifar10, cifar10_source, digits


def test_data_imports_without_scikit_learn() -> None:
    code = "import sys, convsim.data; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_digits_are_scikit_learns() -> None:
    train, test = digits()
    assert train.pixels.shape == (1500, 3, 32, 32) and train.pixels.dtype == torch.uint8
    assert test.pixels.shape == (297, 3, 32, 32) and test.labels.shape == (297,)
    assert train.source == test.source == "digits"
    assert train.classes == tuple("0123456789")
    bunch = load_digits()
    # A digit may occur twice, so the multisets are compared: the two parts are disjoint and whole.
    theirs = Counter(
        (label, np.floor(grey * 255 / 16 + 0.5).astype(np.uint8).tobytes())
        for grey, label in zip(bunch.images, bunch.target, strict=True)
    )
    ours: Counter[tuple[int, bytes]] = Counter()
    for part in (train, test):
        grey = part.pixels[:, 0, ::4, ::4]
        ours += Counter(
            (int(label), image.numpy().tobytes())
            for image, label in zip(grey, part.labels, strict=True)
        )
        every_pixel = np.kron(grey.numpy(), np.ones((1, 4, 4), dtype=np.uint8))
        for channel in range(3):
            assert np.array_equal(part.pixels[:, channel].numpy(), every_pixel)
    assert ours == theirs
    assert torch.equal(train.pixels, digits()[0].pixels)


def test_images_are_normalised_by_the_training_part() -> None:
    train, test = digits()
    mean = train.pixels.numpy().astype(float).mean((0, 2, 3), keepdims=True)
    std = train.pixels.numpy().astype(float).std((0, 2, 3), keepdims=True)
    for part in (train, test):
        some = part.normalized(slice(5, 40))
        assert some.dtype == torch.float32
        assert some.is_contiguous(memory_format=torch.channels_last)
        np.testing.assert_allclose(
            some.numpy(), (part.pixels[5:40].numpy() - mean) / std, atol=1e-5
        )
    whole = train.normalized(slice(None)).double()
    torch.testing.assert_close(whole.mean((0, 2, 3)), torch.zeros(3).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        whole.std((0, 2, 3), correction=0), torch.ones(3).double(), atol=1e-5, rtol=0
    )


def test_batches_keep_the_order_and_the_last_is_smaller() -> None:
    _, test = digits()
    sizes = [len(labels) for _, labels in test.batches(100)]
    assert sizes == [100, 100, 97]
    assert torch.equal(torch.cat([labels for _, labels in test.batches(100)]), test.labels)
    order = torch.tensor([7, 3, 3, 200, 0])
    (first, labels), (second, last) = test.batches(4, order)
    assert torch.equal(first, test.normalized(order[:4]))
    assert torch.equal(labels, test.labels[order[:4]])
    assert torch.equal(second, test.normalized(slice(0, 1))) and last == test.labels[0]


@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_batches_hold_an_image_or_more(size: Any) -> None:
    with pytest.raises(ValueError, match=f"size is {size}; expected a whole number of images, 1 o"):
        digits()[1].batches(size)


def test_a_subset_is_normalised_as_before() -> None:
    train, _ = digits()
    index = torch.tensor([9, 1])
    subset = train.subset(index)
    assert len(subset) == 2 and torch.equal(subset.labels, train.labels[index])
    assert torch.equal(subset.normalized(slice(None)), train.normalized(index))
    assert subset.source == train.source


@dataclass(frozen=True)
class Miniature:
    """A CIFAR-10 of a few images, as it lies on disk and as it should be read."""

    folder: Path
    pixels: dict[str, np.ndarray]  # (N, 3, 32, 32)
    labels: dict[str, list[int]]


def _batch(pixels: np.ndarray, labels: list[int], name: str) -> bytes:
    """The dictionary of one of the original's batch files, pickled as it was by Python 2."""
    return pickle.dumps(
        {
            b"batch_label": name.encode(),
            "labels": labels,
            "data": pixels.reshape(len(pixels), 3072),
            "filenames": [f"image_{i:06d}.png" for i in range(len(pixels))],
        },
        protocol=2,
    )


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Miniature:
    """Five training batches of four images, a test batch of six, and their MD5 sums."""
    generator = np.random.default_rng(0)
    place = tmp_path / "cifar-10-batches-py"
    place.mkdir()
    pixels: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    labels: dict[str, list[int]] = {"train": [], "test": []}
    sums: dict[str, list[list[str]]] = {"train": [], "test": []}
    parts = [*(("train", f"data_batch_{i}", 4) for i in range(1, 6)), ("test", "test_batch", 6)]
    for part, name, count in parts:
        images = generator.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
        classes = generator.integers(0, 10, count).tolist()
        content = _batch(images, classes, name)
        (place / name).write_bytes(content)
        pixels[part].append(images)
        labels[part] += classes
        sums[part].append([name, hashlib.md5(content).hexdigest()])
    meta = pickle.dumps(
        {"num_cases_per_batch": 4, "label_names": list(CIFAR10_CLASSES), "num_vis": 3072}, 2
    )
    (place / "batches.meta").write_bytes(meta)
    md5 = hashlib.md5(meta).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", sums["train"])
    monkeypatch.setattr(CIFAR10, "test_list", sums["test"])
    monkeypatch.setattr(
        CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5}
    )
    return Miniature(tmp_path, {k: np.concatenate(v) for k, v in pixels.items()}, labels)


def _check(images: tuple[Images, Images], expected: Miniature, source: str) -> None:
    mean = expected.pixels["train"].astype(float).mean((0, 2, 3))
    std = expected.pixels["train"].astype(float).std((0, 2, 3))
    for part, read in zip(("train", "test"), images, strict=True):
        assert read.pixels.dtype == torch.uint8 and read.labels.dtype == torch.int64
        assert np.array_equal(read.pixels.numpy(), expected.pixels[part])
        assert read.labels.tolist() == expected.labels[part]
        assert read.source == source and read.classes == CIFAR10_CLASSES
        np.testing.assert_allclose(read.mean.flatten(), mean, rtol=1e-6)
        np.testing.assert_allclose(read.std.flatten(), std, rtol=1e-6)


def test_the_original_is_read_as_it_lies(original: Miniature) -> None:
    _check(cifar10(original.folder), original, "CIFAR-10")
    for folder in (original.folder, original.folder / "cifar-10-batches-py"):
        assert cifar10_source(folder) == "CIFAR-10"
    _check(cifar10(original.folder / "cifar-10-batches-py"), original, "CIFAR-10")
    # Class folders beside it are the second choice.
    (original.folder / "train").mkdir()
    _check(cifar10(str(original.folder)), original, "CIFAR-10")


class _Bomb:
    """An object whose unpickling writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_changed_file_is_refused_before_it_is_unpickled(original: Miniature, name: str) -> None:
    exploded = original.folder / "exploded"
    bomb = pickle.dumps(_Bomb(exploded))
    pickle.loads(bomb)
    assert exploded.exists()  # the bomb works
    exploded.unlink()
    (original.folder / "cifar-10-batches-py" / name).write_bytes(bomb)
    with pytest.raises(ValueError, match="incomplete or damaged: .* MD5 sum is wrong; expected"):
        cifar10(original.folder)
    assert not exploded.exists()


def test_a_changed_or_missing_byte_is_refused(original: Miniature) -> None:
    path = original.folder / "cifar-10-batches-py" / "data_batch_2"
    whole = path.read_bytes()
    path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    with pytest.raises(ValueError, match="delete the folder and fetch it again with convsim.data"):
        cifar10(original.folder)
    path.write_bytes(whole)
    cifar10(original.folder)
    path.unlink()
    with pytest.raises(ValueError, match="a file is missing or its MD5 sum is wrong"):
        cifar10(original.folder)


def _class_folders(folder: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> Miniature:
    """Three training images and two test images of each class, one file each."""
    counts = {"train": 3, "test": 2}
    monkeypatch.setattr("convsim.data.PER_CLASS", counts)
    generator = np.random.default_rng(1)
    pixels: dict[str, np.ndarray] = {}
    labels: dict[str, list[int]] = {}
    for part, count in counts.items():
        images = []
        for name in CIFAR10_CLASSES:
            place = folder / part / name
            place.mkdir(parents=True)
            # Written backwards: the order is that of the names.
            several = generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
            if suffix != ".png":  # a flat colour is what JPEG keeps
                several = np.broadcast_to(several[:, :1, :1], several.shape)
            for i in reversed(range(count)):
                Image.fromarray(several[i]).save(place / f"{i:04d}{suffix}", quality=95)
            images.append(several.transpose(0, 3, 1, 2))
        pixels[part] = np.concatenate(images)
        labels[part] = [label for label in range(10) for _ in range(count)]
    return Miniature(folder, pixels, labels)


def test_class_folders_of_png_are_read_as_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _class_folders(tmp_path / "copy", ".png", monkeypatch)
    (tmp_path / "copy/train/cat/notes.txt").write_text("no image")
    _check(cifar10(tmp_path / "copy"), expected, "CIFAR-10 (PNG copy)")
    _check(cifar10(tmp_path), expected, "CIFAR-10 (PNG copy)")  # the folder around it


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_class_folders_of_jpeg_say_that_they_are_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    expected = _class_folders(tmp_path, suffix, monkeypatch)
    for part, read in zip(("train", "test"), cifar10(tmp_path), strict=True):
        np.testing.assert_allclose(read.pixels.numpy().astype(float), expected.pixels[part], atol=4)
        assert read.labels.tolist() == expected.labels[part]
        assert read.source == "CIFAR-10 (JPEG copy)"
    Image.new("RGB", (32, 32)).save(tmp_path / "test/ship/0000.png")
    (tmp_path / f"test/ship/0000{suffix}").unlink()
    assert cifar10(tmp_path)[1].source == "CIFAR-10 (JPEG and PNG copy)"
    assert cifar10_source(tmp_path) == "CIFAR-10 (JPEG and PNG copy)"


def test_faults_of_class_folders_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _class_folders(tmp_path, ".png", monkeypatch)
    path = tmp_path / "train/dog/0001.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"dog/0001.png cannot be read \(.*; expected a complete"):
        cifar10(tmp_path)
    # Pillow has other errors for a broken header.
    path.write_bytes(whole[:11] + b"\x01" + whole[12:])
    with pytest.raises(ValueError, match="the copy is damaged, unpack or copy it again"):
        cifar10(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="dog/0001.png cannot be read"):
        cifar10(tmp_path)
    Image.new("RGB", (32, 28)).save(path)
    with pytest.raises(ValueError, match="is 32 × 28 pixels; expected 32 × 32: this is not CIFAR"):
        cifar10(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="train/dog holds 2 PNG or JPEG files; expected 3: the c"):
        cifar10(tmp_path)


def test_a_missing_folder_says_what_was_expected(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"no CIFAR-10 in .*; expected cifar-10-batches-py/, "):
            cifar10(folder)
        with pytest.raises(ValueError, match="no CIFAR-10 in"):
            cifar10_source(folder)
    with pytest.raises(ValueError, match=r"fetch the original with convsim.data.cifar10\(folder, "):
        cifar10(tmp_path)
