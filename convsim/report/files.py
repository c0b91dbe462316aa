"""Reports on models in files, and on torchvision's; no pickle is opened."""

from __future__ import annotations

import inspect
import warnings
import zipfile
import zlib
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from convsim.extras import extra
from convsim.report.measuring import redundancy_report, weights_report
from convsim.report.readings import RedundancyReport
from convsim.state_dicts import FORMS, stored_forms


def report_of(model: str, seed: int = 0) -> RedundancyReport:
    """Measure the convolutions of a file, or of a torchvision model with random weights.

    Args:
        model: path of a safetensors or TorchScript file, or a name that torchvision knows.
        seed: seed of the random weights.

    Returns:
        What :func:`convsim.redundancy_report` says of the model.

    Raises:
        ValueError: for a file that is neither, or damaged, and for an unknown name.
    """
    path = Path(model)
    if path.is_file() and path.stat().st_size:
        return _of_file(path)
    if path.exists() or path.suffix in _SUFFIXES or len(path.parts) > 1:
        found = "not there"
        if path.exists():
            found = "a folder" if path.is_dir() else "empty" if path.is_file() else "no file"
        raise ValueError(
            f"{model!r} is {found}; expected a .safetensors or a TorchScript file, or the name of "
            "a model of torchvision"
        )
    return _of_torchvision(model.lower(), seed)


def _of_file(path: Path) -> RedundancyReport:
    if path.suffix == ".safetensors":
        note = (
            "The file names weights, not layers: every floating-point tensor of 3 to 5 axes named "
            "weight counts, groups are unknown, and transposed convolutions cannot be told apart."
        )
        try:
            weights, unknown = _safetensors(path)
        except SafetensorError as error:
            raise ValueError(
                f"{path} cannot be read ({error}); expected a complete safetensors file: write it "
                "again with safetensors.torch.save_file"
            ) from error
        if unknown:
            note += f" Not measured, since computed in an unknown way: {', '.join(unknown)}."
        return weights_report(weights, model=path.name, note=note)
    is_torchscript = _is_torchscript(path)
    if is_torchscript is None:
        raise ValueError(
            f"{path} begins as a zip archive and is cut short or damaged; expected a complete "
            "file: copy it again, or save the model's state_dict as .safetensors"
        )
    if not is_torchscript:
        raise ValueError(
            f"{path} is neither a TorchScript archive nor named .safetensors, so it is not opened: "
            "a pickle, which torch.save writes, can run any program. Expected a state_dict in "
            "safetensors; if you trust the file, convert it:\n"
            "  import torch, safetensors.torch\n"
            f"  weights = torch.load({path.name!r}, weights_only=True)  # a state_dict\n"
            "  weights = {name: weight.clone() for name, weight in weights.items()}\n"
            f"  safetensors.torch.save_file(weights, {path.with_suffix('.safetensors').name!r})"
        )
    try:
        with warnings.catch_warnings():
            # The file is there to be read, whatever new files should be written as. Which kind
            # of warning this is depends on the version of torch.
            warnings.filterwarnings("ignore", ".*torch.jit.load. is deprecated")
            # Its tensors are read by TorchScript's own reader, which builds no Python objects.
            module = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, IndexError, UnicodeDecodeError) as error:  # as its reader's C++ has it
        raise ValueError(
            f"{path} cannot be loaded as TorchScript ({str(error).strip().splitlines()[0]}); "
            "expected a complete archive without operators of other packages: save the model's "
            "state_dict as .safetensors"
        ) from error
    return replace(redundancy_report(module), model=path.name)


def _of_torchvision(name: str, seed: int) -> RedundancyReport:
    with extra("data"):
        import torchvision  # only here: its import takes seconds

    names = torchvision.models.list_models()
    if name not in names:
        near = get_close_matches(name, names, n=5) or ["resnet18", "vgg11", "mobilenet_v3_small"]
        raise ValueError(
            f"{name!r} is neither a file nor a model of torchvision {torchvision.__version__}; "
            f"expected a path or a name such as {', '.join(near)}"
        )
    # Detection and segmentation models would fetch a trained backbone even without weights.
    takes = inspect.signature(torchvision.models.get_model_builder(name)).parameters
    backbone = {"weights_backbone": None} if "weights_backbone" in takes else {}
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        # It is about the weights that a later torchvision will begin with, and names them itself.
        warnings.filterwarnings("ignore", "The default weight initialization of", FutureWarning)
        module = torchvision.models.get_model(name, weights=None, **backbone)
    return replace(redundancy_report(module), model=f"{name}, random weights, seed {seed}")


_SUFFIXES = {".safetensors", ".pt", ".pth", ".pkl", ".bin", ".ckpt", ".ts", ".jit"}


def _safetensors(path: Path) -> tuple[list[tuple[str, Tensor]], list[str]]:
    """Layer and weight of everything that can be a convolution's; and layers not understood."""
    found, unknown = [], []
    with safe_open(path, framework="pt") as file:
        for layer, form in stored_forms(file.keys()).items():
            if form is None:
                unknown.append(layer)
                continue
            names = [f"{layer}.{part}" if layer else part for part in form]
            if 3 <= len(file.get_slice(names[0]).get_shape()) <= 5:
                tensors = [file.get_tensor(name) for name in names]
                if tensors[0].is_floating_point():
                    found.append((layer, _computed(layer, form, tensors)))
    return found, unknown


def _computed(layer: str, form: tuple[str, ...], tensors: list[Tensor]) -> Tensor:
    if len(form) == 1:
        return tensors[0]
    try:
        return FORMS[form](*(tensor.double() for tensor in tensors))
    except RuntimeError as error:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise ValueError(
            f"layer {layer!r}: {', '.join(form)} have the shapes {shapes}, which do not fit; "
            "expected those that torch.nn.utils writes: save the model's state_dict again"
        ) from error


def _is_torchscript(path: Path) -> bool | None:
    """Whether a file is a zip of TorchScript code and constants; None for a damaged zip.

    What ``torch.save`` writes is a zip, too, and has neither.
    """
    with path.open("rb") as file:
        begins_as_one = file.read(4) == b"PK\x03\x04"
        try:
            with zipfile.ZipFile(file) as archive:
                if archive.testzip() is not None:  # a part whose checksum is wrong
                    return None
                inner = {name.split("/")[1] for name in archive.namelist() if "/" in name}
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError):
            return None if begins_as_one else False
    return {"code", "constants.pkl"} <= inner
