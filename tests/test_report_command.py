"""`convsim report`: three kinds of model, JSON, and no pickle opened."""

from __future__ import annotations

import json
import pickle
import random
import warnings
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from convsim.__main__ import app
from convsim.report import redundancy_report, weights_report
from convsim.report.files import report_of


class Net(nn.Module):
    """A grouped and a transposed layer, one with two names, and weights of other layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3)
        self.grouped = nn.Conv2d(4, 6, (3, 2), groups=2, dilation=2)
        self.inner = nn.Sequential(nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6))
        self.again = self.inner[0]
        self.turned = nn.ConvTranspose2d(6, 2, 2)
        self.norm = nn.LayerNorm((2, 2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(
            self.turned(self.again(self.inner(self.grouped(self.first(x)))))[..., :2, :3]
        )


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 2, 9, 8, generator=torch.Generator().manual_seed(1))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments])


def as_json(*arguments: str) -> dict[str, Any]:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    plain: dict[str, Any] = json.loads(result.stdout)
    return plain


@pytest.fixture(params=["script", "trace"])
def torchscript(request: pytest.FixtureRequest, net: Net, images: Tensor, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if request.param == "script":
            module = torch.jit.script(net)
        else:
            module = torch.jit.trace(net.eval(), images)
        torch.jit.save(module, str(path))
    return path


def test_command_reads_torchscript(net: Net, torchscript: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the deprecation of torch.jit is not the reader's affair
        plain = as_json(str(torchscript))
    expected = redundancy_report(net).to_dict()["layers"]
    if torchscript.stem == "trace":
        expected = [layer | {"groups": None} for layer in expected]
        assert plain["note"] == "A traced model does not keep the number of groups."
    assert plain["layers"] == expected
    assert plain["model"] == torchscript.name


def test_torchscript_takes_no_images(images: Tensor, torchscript: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        module = torch.jit.load(str(torchscript))
    with pytest.raises(ValueError, match="Net is TorchScript, whose layers take no hooks; expect"):
        redundancy_report(module, images)


def test_command_reads_safetensors(net: Net, tmp_path: Path) -> None:
    weights = {
        "layer10.weight": torch.rand(2, 3, 4),
        "layer2.weight": torch.rand(3, 1, 2, 2).half(),
    }
    skipped = {
        "linear.weight": torch.rand(3, 3),
        "embedding": torch.rand(1, 4, 5),
        "whole.weight": torch.ones(2, 2, 2, dtype=torch.int8),
    }
    path = tmp_path / "net.safetensors"
    save_file(weights | skipped, path)
    plain = as_json(str(path))
    assert [layer["name"] for layer in plain["layers"]] == ["layer2", "layer10"]
    assert [layer["groups"] for layer in plain["layers"]] == [None, None]
    for layer in weights_report(
        [(name.removesuffix(".weight"), weight) for name, weight in weights.items()], model=""
    ).layers:
        assert json.loads(json.dumps(asdict(layer))) in plain["layers"]
    text = call(str(path)).stdout
    assert "net.safetensors: 2 convolutional layers" in text
    assert "transposed convolutions cannot be told apart" in text


def test_command_takes_a_name_of_torchvision() -> None:
    torch.manual_seed(3)
    expected = redundancy_report(torchvision.models.get_model("squeezenet1_1", weights=None))
    plain = as_json("SqueezeNet1_1", "--seed", "3")
    assert plain["layers"] == expected.to_dict()["layers"]
    assert plain["model"] == "squeezenet1_1, random weights, seed 3"
    assert as_json("squeezenet1_1") == as_json("squeezenet1_1", "--seed", "0")


def test_a_detection_model_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("fetched weights")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    result = call("ssdlite320_mobilenet_v3_large")
    assert result.exit_code == 0, result.output


class Trap:
    """Unpickled by Python it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".bin", ""])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_unopened(suffix: str, zipped: bool, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / f"model{suffix}"
    if zipped:
        torch.save(Trap(marker), path)
    else:
        path.write_bytes(pickle.dumps(Trap(marker)))
    result = call(str(path))
    assert result.exit_code == 2
    assert "is neither a TorchScript archive nor named .safetensors, so it is not" in result.output
    assert "safetensors.torch.save_file(weights, 'model.safetensors')" in result.output
    assert not marker.exists()
    if zipped:
        torch.load(path, weights_only=False)
    else:
        pickle.loads(path.read_bytes())
    assert marker.exists(), "the trap works"


def test_a_pickle_in_a_torchscript_archive_is_not_run(torchscript: Path, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "trap.pt"
    with zipfile.ZipFile(torchscript) as good, zipfile.ZipFile(path, "w") as bad:
        for name in good.namelist():
            pickled = name.endswith(("/data.pkl", "/constants.pkl"))
            bad.writestr(name, pickle.dumps(Trap(marker)) if pickled else good.read(name))
    result = call(str(path))
    assert result.exit_code == 2
    assert "cannot be loaded as TorchScript" in result.output
    assert not marker.exists()


def test_the_advice_on_pickles_works(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(net.state_dict(), "net.pth")  # with one tensor under two names
    advice = [line for line in call("net.pth").output.splitlines() if line.startswith("  ")]
    exec("\n".join(line.strip() for line in advice))
    assert "first" in call("net.safetensors").stdout


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("resnet19", "expected a path or a name such as resnet18, "),
        ("zzz", "expected a path or a name such as resnet18, vgg11"),
        ("nowhere.pt", "'nowhere.pt' is not there; expected a .safetensors or a TorchScript file"),
        ("some/where", "'some/where' is not there; expected"),
    ],
)
def test_command_names_what_it_knows(model: str, message: str) -> None:
    result = call(model)
    assert result.exit_code == 2
    assert message in result.output


def test_damaged_files(tmp_path: Path, net: Net) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"\x10\0\0\0\0\0\0\0{")
    assert "expected a complete safetensors file: write it again" in call(str(damaged)).output
    empty = tmp_path / "linear.safetensors"
    save_file({"weight": torch.rand(2, 2)}, empty)
    assert "linear.safetensors holds no convolution weight; expected" in call(str(empty)).output
    frozen = tmp_path / "frozen.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.freeze(torch.jit.script(net.eval())), str(frozen))
    assert "saved without torch.jit.freeze, which hides the layers" in call(str(frozen)).output
    assert "is a folder; expected" in call(f"{tmp_path}/").output


def test_what_is_no_model_at_all(tmp_path: Path, torchscript: Path) -> None:
    whole = torchscript.read_bytes()
    (empty := tmp_path / "empty.pt").touch()
    (cut := tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    said = {
        str(tmp_path): "is a folder; expected a .safetensors or a TorchScript file",
        ".": "is a folder; expected",
        str(empty): "is empty; expected a .safetensors or",
        "/dev/zero": "is no file; expected",
        str(cut): "begins as a zip archive and is cut short or damaged; expected a complete",
    }
    for given, message in said.items():
        result = call(given)
        assert result.exit_code == 2
        assert message in " ".join(result.output.split()), result.output


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_a_file_with_one_wrong_bit_is_read_or_refused(kind: str, net: Net, tmp_path: Path) -> None:
    path = tmp_path / f"net.{kind}"
    if kind == "safetensors":
        save_file(nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 2, 1)).state_dict(), path)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            torch.jit.save(torch.jit.script(net), str(path))
    whole, choose, refused = path.read_bytes(), random.Random(0), 0
    for number in range(100):
        wrong = bytearray(whole)
        # Half of them among the names at the beginning or the end.
        place = choose.randrange(len(wrong)) if number % 2 else choose.randrange(-500, 500)
        wrong[place] ^= 1 << choose.randrange(8)
        path.write_bytes(wrong)
        try:
            report_of(str(path))
        except ValueError as error:
            assert "xpected " in str(error), error
            refused += 1
    assert 20 < refused < 100


@pytest.mark.parametrize("model", ["googlenet", "resnet18"])
def test_the_command_says_nothing_but_the_report(model: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = call(model)
    assert result.exit_code == 0, result.exception
    assert result.stderr == ""
