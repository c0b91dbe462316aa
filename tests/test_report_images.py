"""`convsim report` with pictures, prepared images and weights of one's own."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torchvision import models
from typer.testing import CliRunner

from convsim.__main__ import app
from convsim.report import redundancy_report
from convsim.report.files import report_of
from convsim.report.images import image_batches
from convsim.report.readings import RedundancyReport

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = "shufflenet_v2_x0_5"
ORDER = ("b.PNG", "c.jpg", "folder/a.webp", "folder/d.jpeg", "z.bmp")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures of several kinds, sizes and colours, and what is none of them."""
    root = tmp_path / "pictures"
    for inner in ("folder", ".hidden", "none.png"):
        (root / inner).mkdir(parents=True)
    numbers, modes = np.random.default_rng(0), ("RGB", "L", "RGBA", "L", "P")
    sizes = [(300, 260), (256, 400), (500, 256), (90, 120), (256, 256)]
    for name, size, mode in zip(ORDER, sizes, modes, strict=True):
        noise = Image.fromarray(numbers.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        noise.resize(size).convert(mode).save(root / name)
    for other in (".hidden/a.png", "._b.png", "labels.csv", "folder/weights.pt"):
        (root / other).write_bytes(b"no picture")
    np.save(root / "batch.npy", numbers.random((5, 3, 64, 64)))
    return root


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["report", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.split())


def by_hand(path: Path) -> Tensor:
    """The shorter side to 256 pixels, the middle 224, and ImageNet's mean and deviation."""
    picture = Image.open(path).convert("RGB")
    width, height = (256 * side // min(picture.size) for side in picture.size)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture.crop((left, top, left + 224, top + 224))) / 255
    scaled = (pixels - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    return torch.from_numpy(scaled.transpose(2, 0, 1)).float()


def assert_alike(one: RedundancyReport, other: RedundancyReport) -> None:
    assert one.images == other.images
    for a, b in zip(one.layers, other.layers, strict=True):
        assert (a.name, a.dead_feature_maps) == (b.name, b.dead_feature_maps)
        for reading in ("kernel_cosine", "feature_map_cosine", "expected_cosine", "correlation"):
            assert math.isclose(getattr(a, reading), getattr(b, reading), rel_tol=1e-4), reading


def test_pictures_and_weights_are_those_of_the_files(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = models.resnet18()
    save_file(model.state_dict(), path := tmp_path / "mine.safetensors")
    measured = report_of("resnet18", weights=path, images=folder, batch_size=2)
    assert measured.model == "resnet18, weights of mine.safetensors"
    images = torch.stack([by_hand(folder / name) for name in ORDER])
    assert_alike(measured, redundancy_report(model, images))


def test_batches_of_any_size_agree(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = torch.from_numpy(np.load(array := folder / "batch.npy")[:4]).float()
    torch.manual_seed(2)
    expected = redundancy_report(models.get_model(SMALL, weights=None), images)
    for size in (1, 3, 16):
        measured = report_of(SMALL, 2, images=array, batch_size=size, limit=4, progress=size == 3)
        assert measured.model == f"{SMALL}, random weights, seed 2"
        assert_alike(measured, expected)
    assert "2/2" in capsys.readouterr().err


def test_the_command_takes_the_options(folder: Path) -> None:
    options = f"--images {folder} --limit 3 --batch-size 2 --device cpu"
    result = CliRunner().invoke(app, f"report {SMALL} {options}")
    assert "56 convolutional layers, images of shape (3, 3, 224, 224)" in result.stdout
    assert result.stderr == ""  # no bar where nobody looks


def test_a_batch_is_read_as_it_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, really = [], Image.open

    def counted(file: Any, **options: Any) -> Image.Image:
        opened.append(Path(file.name).relative_to(folder).as_posix())
        return really(file, **options)

    monkeypatch.setattr(Image, "open", counted)
    batches = image_batches(folder, lambda _: torch.ones(1), batch_size=2, limit=4, device="meta")
    assert len(batches) == 2 and opened == []
    for number, batch in enumerate(batches, 1):
        assert batch.device.type == "meta" and opened == list(ORDER[: 2 * number])
    np.save(folder / "large.npy", np.ones((64, 3, 128, 128)))  # 25 MB
    tracemalloc.start()
    batches = image_batches(folder / "large.npy", None, batch_size=2, limit=63, device="cpu")
    assert [len(batch) for batch in batches] == [2] * 31 + [1]
    assert tracemalloc.get_traced_memory()[1] < 3e6
    tracemalloc.stop()


def test_the_model_is_put_on_the_device(folder: Path) -> None:
    with pytest.raises(ValueError, match="layer 'conv1.0': weight holds no numbers yet"):
        report_of(SMALL, images=folder / "batch.npy", device="meta")
    assert "device 'abacus' cannot be used" in refused(SMALL, "--device", "abacus")


def test_torchvision_prepares_pictures_of_one_size_for_models_that_classify() -> None:
    for name in models.list_models(module=models) + models.list_models(module=models.quantization):
        prepare = models.get_model_weights(name).DEFAULT.transforms()
        assert prepare.crop_size and len(prepare.mean) == len(prepare.std) == 3


def test_other_models_take_prepared_images(folder: Path) -> None:
    for model in ("fcn_resnet50", "ssd300_vgg16", "mc3_18", "raft_small"):
        text = refused(model, "--images", folder)
        assert "pictures, which are prepared only for torchvision's models that classify" in text
        assert "expected one of the former, such as resnet18, or a .npy file" in text
    np.save(folder / "video.npy", np.ones((1, 3, 2, 16, 16), np.float16))
    assert report_of("mc3_18", images=folder / "video.npy").images == (1, 3, 2, 16, 16)


def test_what_holds_no_images_is_named(folder: Path) -> None:
    said = {
        "nowhere": "is not there; expected a folder of pictures, a PNG, JPEG, WebP or BMP file, or",
        "empty": "holds no picture; expected PNG, JPEG, WebP or BMP files in it or below: name the",
        "folder/weights.pt": "is neither a picture nor a .npy file; expected a folder of pictures",
        "._b.png": "cannot be read (it holds no picture); expected a complete PNG, JPEG, WebP or B",
        "deep.png": "cannot be read (its mode is I;16, which has more than 8 bits); expected a com",
        "cut.jpg": "cannot be read (",
        "whole.npy": "holds int64; expected floating point, images prepared as in training: scale",
        "one.npy": "holds an array of shape (3, 4, 4); expected one image or more, (B, C, H, W), ",
        "none.npy": "holds an array of shape (0, 3, 4, 4); expected one image or more, (B, C, H, W",
        "objects.npy": "cannot be read (Array can't be memory-mapped: Python objects in dtype.); e",
        "cut.npy": "cannot be read (mmap length is greater than file size); expected a complete ar",
    }
    (folder / "empty").mkdir()
    Image.fromarray(np.full((4, 4), 999, np.uint16)).save(folder / "deep.png")
    shapes = {"whole": (2, 3, 4, 4), "one": (3, 4, 4), "none": (0, 3, 4, 4), "objects": 1}
    dtypes = {"whole": np.int64, "objects": object}
    for name, shape in shapes.items():
        np.save(folder / f"{name}.npy", np.ones(shape, dtypes.get(name, np.float32)))
    for cut, whole in (("cut.jpg", "c.jpg"), ("cut.npy", "whole.npy")):
        (folder / cut).write_bytes((folder / whole).read_bytes()[:400])
    for name, message in said.items():
        with pytest.raises(ValueError) as error:
            list(image_batches(folder / name, torch.ones, batch_size=2, limit=None, device="cpu"))
        assert str(error.value).startswith(f"{folder / name} {message}")
    # What cannot be read on the way is no fault of the model.
    text = f"Error: {folder}/cut.jpg cannot be read ("
    assert text in refused(SMALL, "--images", folder, "--batch-size", 1)


def test_weights_that_do_not_fit_are_named(folder: Path) -> None:
    def fit(weights: dict[str, Tensor]) -> str:
        save_file(weights, folder / "w.safetensors")
        return refused(SMALL, "--weights", folder / "w.safetensors")

    whole = models.get_model(SMALL, weights=None).state_dict()
    text = fit({name: weight for name, weight in whole.items() if "conv1.1." not in name})
    assert "(missing: conv1.1.weight, conv1.1.bias, conv1.1.running_mean and 1 more); exp" in text
    text = fit(whole | {"head": torch.ones(1), "conv5.0.weight": torch.ones(9, 2, 1, 1)})
    assert "(unexpected: head; of another shape: conv5.0.weight (9, 2, 1, 1) for (1024, " in text
    assert f"expected the state_dict of torchvision.models.get_model('{SMALL}'), whole" in text
    text = fit(whole | {"fc.weight": torch.ones(10, 1024), "fc.bias": torch.ones(10)})
    assert "(of another shape: fc.weight (10, 1024) for (1000, 1024), fc.bias (10,) for" in text
    assert "expected 1000 classes, not 10: in Python, load the file into torchvision.mod" in text


def test_names_that_all_begin_with_module_are_those_of_the_model(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = models.get_model(SMALL, weights=None)
    path = tmp_path / "w.safetensors"
    for prefix in ("module.", "module._orig_mod."):
        save_file({prefix + name: value for name, value in model.state_dict().items()}, path)
        assert report_of(SMALL, weights=path).layers == redundancy_report(model).layers
    save_file({"module.conv1.0.weight": torch.ones(24, 3, 3, 3)}, path)
    assert "(missing: conv1.1.weight, conv1.1.bias, " in refused(SMALL, "--weights", path)
    save_file({"module.a": torch.ones(1), "b": torch.ones(1)}, path)
    assert "unexpected: b, module.a)" in refused(SMALL, "--weights", path)


def test_files_that_hold_no_weights_for_a_model(folder: Path) -> None:
    (cut := folder / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    for path, message in {
        "nowhere": "is not there; expected a .safetensors file with a state_dict",
        "folder": "is a folder; expected a .safetensors file",
        "cut.safetensors": "expected a complete safetensors file: write it again",
        "folder/weights.pt": "is not named .safetensors, so it is not opened: a pickle, which",
    }.items():
        assert message in refused(SMALL, "--weights", folder / path)
    for option in ("--images", "--weights"):
        assert "is a file: one of weights has no program to run" in refused(cut, option, folder)
