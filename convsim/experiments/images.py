"""The images that experiments know by name: a new data set is an entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from convsim.data import Images, cifar10, cifar10_source, digits


@dataclass(frozen=True)
class DataSet:
    """A data set; the words of its source begin with the name that it has in ``DATA_SETS``.

    Attributes:
        load: training and test images from a folder.
        source: the data in words, without loading them.
        needs_folder: whether they lie in a folder.
    """

    load: Callable[[Path], tuple[Images, Images]]
    source: Callable[[Path], str]
    needs_folder: bool = True


DATA_SETS = {
    "CIFAR-10": DataSet(cifar10, cifar10_source),
    "digits": DataSet(lambda _: digits(), lambda _: "digits", needs_folder=False),
}


def source_of(name: str, folder: Path | None) -> str:
    """A data set in words, such as ``"CIFAR-10 (JPEG copy)"``.

    Raises:
        ValueError: for an unknown name, or if the data set is not in the folder.
    """
    found, folder = _find(name, folder)
    return found.source(folder)


@lru_cache(maxsize=1)
def load(name: str, folder: Path | None, device: str) -> tuple[Images, Images]:
    """Training and test images on a device; kept, so that the runs of a process share them.

    Args:
        name: a key of ``DATA_SETS``, or words that begin with one.
        folder: where they lie.
        device: ``"cpu"``, ``"cuda"``, …

    Raises:
        ValueError: as :func:`source_of`, or if the words say more than is true of the data.
    """
    found, folder = _find(name, folder)
    train, test = found.load(folder)
    if not train.source.startswith(name):
        raise ValueError(f"{folder} holds {train.source}; expected {name}: name another folder")
    return train.to(device), test.to(device)


def data_set(name: str) -> DataSet:
    """A data set by a key of ``DATA_SETS``, or words that begin with one.

    Raises:
        ValueError: for an unknown name.
    """
    found = next((each for key, each in DATA_SETS.items() if name.startswith(key)), None)
    if found is None:
        raise ValueError(f"{name!r} is no data set; expected one of {', '.join(DATA_SETS)}")
    return found


def _find(name: str, folder: Path | None) -> tuple[DataSet, Path]:
    found = data_set(name)
    if found.needs_folder and folder is None:
        raise ValueError(
            f"no folder of {name} is given; expected one: add `--data-dir FOLDER`, or take "
            "`--data digits`, which come with scikit-learn"
        )
    return found, folder or Path()
