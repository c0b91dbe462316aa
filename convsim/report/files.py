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
from safetensors.torch import load_file
from torch import Tensor, nn

from convsim.extras import extra
from convsim.report.images import Prepare, image_batches
from convsim.report.measuring import redundancy_report, weights_report
from convsim.report.readings import RedundancyReport
from convsim.report.wrappers import unwrapped
from convsim.state_dicts import FORMS, stored_forms


def report_of(
    model: str,
    seed: int = 0,
    *,
    weights: str | Path | None = None,
    images: str | Path | None = None,
    device: str = "cpu",
    batch_size: int = 16,
    limit: int | None = None,
    progress: bool = False,
) -> RedundancyReport:
    """Measure the convolutions of a file, or of a torchvision model, which can be given images.

    Args:
        model: path of a safetensors or TorchScript file, or a name that torchvision knows.
        seed: seed of the random weights.
        weights: a safetensors file with the state_dict of the named model, instead of random ones.
        images: a picture or a folder of them, which are prepared as for torchvision's own weights,
            or a ``.npy`` file of prepared ones, ``(B, C, H, W)``. None leaves feature maps out.
        device: where the named model runs.
        batch_size: images that it is given at once.
        limit: take the first so many images.
        progress: show a bar of the batches.

    Returns:
        What :func:`convsim.redundancy_report` says of the model.

    Raises:
        ValueError: for a file that is neither, or damaged; for an unknown name; for weights of
            another model; and for images that cannot be read, or given to the model.
    """
    path = Path(model)
    if path.is_file() and path.stat().st_size:
        if weights is not None or images is not None:
            raise ValueError(
                f"{model!r} is a file: one of weights has no program to run, and TorchScript's "
                "layers cannot be watched. Expected for images the name of a torchvision model, "
                "with --weights for a .safetensors file, or redundancy_report(model, images) in "
                "Python"
            )
        return _of_file(path)
    if path.exists() or path.suffix in _SUFFIXES or len(path.parts) > 1:
        found = "not there"
        if path.exists():
            found = "a folder" if path.is_dir() else "empty" if path.is_file() else "no file"
        raise ValueError(
            f"{model!r} is {found}; expected a .safetensors or a TorchScript file, or the name of "
            "a model of torchvision"
        )
    name = _known(model.lower())
    batches = None
    if images is not None:
        batches = image_batches(
            Path(images), _preparation(name), batch_size=batch_size, limit=limit, device=device
        )
    module, origin = _built(name, seed), f"random weights, seed {seed}"
    if weights is not None:
        _load(module, name, Path(weights))
        origin = f"weights of {Path(weights).name}"
    measured = redundancy_report(module.to(device), batches, progress=progress)
    return replace(measured, model=f"{name}, {origin}")


def _of_file(path: Path) -> RedundancyReport:
    if path.suffix == ".safetensors":
        note = (
            "The file names weights, not layers: every floating-point tensor of 3 to 5 axes named "
            "weight counts, groups are unknown, and transposed convolutions cannot be told apart."
        )
        try:
            weights, unknown = _safetensors(path)
        except SafetensorError as error:
            raise _damaged(path, error) from error
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
            f"{path} is neither a TorchScript archive nor named .safetensors, {_unopened(path)}"
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


def _known(name: str) -> str:
    with extra("data"):
        import torchvision  # only here: its import takes seconds

    names = torchvision.models.list_models()
    if name not in names:
        near = get_close_matches(name, names, n=5) or ["resnet18", "vgg11", "mobilenet_v3_small"]
        raise ValueError(
            f"{name!r} is neither a file nor a model of torchvision {torchvision.__version__}; "
            f"expected a path or a name such as {', '.join(near)}"
        )
    return name


def _preparation(name: str) -> Prepare | None:
    """How torchvision prepares pictures; None for models that it gives no pictures of one size."""
    from torchvision import models

    classify = models.list_models(module=models) + models.list_models(module=models.quantization)
    return models.get_model_weights(name).DEFAULT.transforms() if name in classify else None


def _built(name: str, seed: int) -> nn.Module:
    from torchvision import models

    # Detection and segmentation models would fetch a trained backbone even without weights.
    takes = inspect.signature(models.get_model_builder(name)).parameters
    backbone = {"weights_backbone": None} if "weights_backbone" in takes else {}
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        # It is about the weights that a later torchvision will begin with, and names them itself.
        warnings.filterwarnings("ignore", "The default weight initialization of", FutureWarning)
        return models.get_model(name, weights=None, **backbone)


def _state_dict(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no file" if path.exists() else "not there"
        raise ValueError(f"{path} is {found}; expected a .safetensors file with a state_dict")
    if path.suffix != ".safetensors":
        raise ValueError(f"{path} is not named .safetensors, {_unopened(path)}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _damaged(path, error) from error


def _load(module: nn.Module, name: str, path: Path) -> None:
    """Put the weights of a file into a model, or say how they do not fit."""
    # Counts of batches are of no use in evaluation, and not every file has them.
    count = "num_batches_tracked"
    given = {n: value for n, value in _state_dict(path).items() if not n.endswith(count)}
    state = module.state_dict()
    if not given.keys() & state.keys():
        given = dict(zip(unwrapped(given), given.values(), strict=True))
    missing = [n for n in state if n not in given and not n.endswith(count)]
    unexpected = [n for n in given if n not in state]
    sizes = {n: (tuple(given[n].shape), tuple(state[n].shape)) for n in state if n in given}
    wrong = {n: (came, needed) for n, (came, needed) in sizes.items() if came != needed}
    if not (missing or unexpected or wrong):
        state.update(given)  # and so keeps what torch notes in it, the modules' versions
        module.load_state_dict(state)
        return
    build = f"torchvision.models.get_model({name!r}"
    remedy = f"expected the state_dict of {build}), whole: build another model in Python"
    classifier = [n for n in state if n.endswith("weight")][-1]
    rows = {(came[:1], needed[:1]) for came, needed in wrong.values()}
    rest_fits = all(came[1:] == needed[1:] for came, needed in wrong.values())
    if not (missing or unexpected) and classifier in wrong and rest_fits and len(rows) == 1:
        came, needed = (shape[0] for shape in wrong[classifier])
        remedy = (
            f"expected {needed} classes, not {came}: in Python, load the file into {build}, "
            f"num_classes={came})"
        )
    faults = {
        "missing": missing,
        "unexpected": unexpected,
        "of another shape": [f"{n} {came} for {needed}" for n, (came, needed) in wrong.items()],
    }
    said = "; ".join(f"{fault}: {_first(names)}" for fault, names in faults.items() if names)
    raise ValueError(
        f"{path} does not fit {name} ({said}); {remedy}, and call convsim.redundancy_report"
    )


def _first(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _damaged(path: Path, error: SafetensorError) -> ValueError:
    return ValueError(
        f"{path} cannot be read ({error}); expected a complete safetensors file: write it again "
        "with safetensors.torch.save_file"
    )


def _unopened(path: Path) -> str:
    return (
        "so it is not opened: a pickle, which torch.save writes, can run any program. Expected a "
        "state_dict in safetensors; if you trust the file, convert it:\n"
        "  import torch, safetensors.torch\n"
        f"  weights = torch.load({path.name!r}, weights_only=True)  # a state_dict\n"
        "  weights = {name: weight.clone() for name, weight in weights.items()}\n"
        f"  safetensors.torch.save_file(weights, {path.with_suffix('.safetensors').name!r})"
    )


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
