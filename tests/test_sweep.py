"""Table 5's sweep in miniature: on digits, with narrow networks and two epochs."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from typer.testing import CliRunner

from convsim import convolutional_similarity, training
from convsim.__main__ import app
from convsim.data import Images, digits
from convsim.experiments import choices, cifar10, sweep
from convsim.experiments.cifar10 import CONDITIONS, TrainingSettings, initialise, measure
from convsim.experiments.record import Record, make_record, read_records, record_path, save_record
from convsim.models import ShallowCNN
from convsim.similarity import convolutional_layers
from convsim.training import evaluate, fit, minimize_similarity

LAYERS = [f"blocks.{i}.0" for i in range(4)]
WIDTH = 4
TRAIN, TEST = (
    part.subset(slice(0, count)) for part, count in zip(digits(), (450, 150), strict=True)
)
LOAD = sweep.load
SMALL: dict[str, Any] = {"iterations": 40, "beta": 0.05, "learning_rate": 0.05, "batch_size": 128}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Sums in the same order in every process, and a part of the digits, to be quick."""

    def few(data_dir: Path | None, device: str) -> tuple[Images, Images]:
        return (TRAIN, TEST) if data_dir is None else LOAD(data_dir, device)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("MKL_NUM_THREADS", "1")
        patch.setattr(sweep, "load", few)
        yield
    torch.set_num_threads(threads)


def rows(*conditions: str, seeds: int = 1, epochs: int = 2, **changed: Any) -> list[Any]:
    planned = plan.selected(
        conditions=conditions or tuple(CONDITIONS),
        widths=(WIDTH,),
        seeds=seeds,
        epochs=epochs,
        data="digits",
        precision="float32",
    )
    return [replace(row, **SMALL | changed) for row in planned]


def machine(folder: Path) -> sweep.Machine:
    return sweep.Machine(None, "cpu", folder, progress=False, command="a test")


def run(some: Sequence[TrainingSettings], folder: Path, **options: Any) -> None:
    sweep.run(some, machine(folder), progress=False, **options)


def untimed(value: Any) -> Any:
    """Metrics without durations, which differ from run to run."""
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if "seconds" not in k}
    return value


def contents(folder: Path) -> dict[str, tuple[Any, Any]]:
    """What must not depend on where and when a run was computed, by file name."""
    return {
        path.name: (record.settings, untimed(record.metrics))
        for name in (sweep.RECORDS, sweep.CHOICES)
        for path, record in zip(
            sorted(folder.glob(f"{name}-*.json")), read_records(name, folder), strict=True
        )
    }


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    """The folder of a sweep of every condition, and of a second seed of two of them."""
    folder = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "KEPT_WIDTH", WIDTH)
        run([*rows(), *rows("baseline", "learning-rate", seeds=2)], folder)
    return folder


def by_condition(folder: Path, seed: int = 0) -> dict[str, Record]:
    records = read_records(sweep.RECORDS, folder)
    return {r.settings["condition"]: r for r in records if r.settings["seed"] == seed}


def test_plan_is_that_of_the_book() -> None:
    planned = plan.selected()
    assert len(planned) == len(set(planned)) == 8 * 2 * 5 + 1
    assert Counter(row.width for row in planned) == {64: 40, 128: 40, 512: 1}
    assert Counter(row.condition for row in planned if row.width == 64) == dict.fromkeys(
        CONDITIONS, 5
    )
    widest = [row for row in planned if row.width == 512]
    assert [(row.condition, row.seed) for row in widest] == [("baseline", 0)]
    assert {(row.epochs, row.data, row.batch_size) for row in planned} == {(100, "CIFAR-10", 512)}


def test_every_condition_has_a_complete_record(swept: Path) -> None:
    records = by_condition(swept)
    assert list(records) and set(records) == set(CONDITIONS)
    assert set(by_condition(swept, seed=1)) == {"baseline", "learning-rate"}
    choices = read_records(sweep.CHOICES, swept)
    # A second seed takes the choice of the first over.
    assert Counter(choice.settings["run"]["condition"] for choice in choices) == {
        "decay": 1,
        "learning-rate": 1,
    }
    for condition, record in records.items():
        assert record.data == record.settings["data"] == "digits"
        assert record.command == "a test"
        assert TrainingSettings(**record.settings).condition == condition
        metrics = record.metrics
        assert set(metrics) == {
            *("top_test_accuracy", "last_test_accuracy", "initialisation_seconds"),
            *("cosine_before", "cosine_after", "chosen", "epochs"),
        }
        epochs = metrics["epochs"]
        assert epochs["epoch"] == [1, 2]
        for key in ("loss", "train_accuracy", "test_accuracy", "seconds"):
            assert len(epochs[key]) == 2 and all(type(v) is float for v in epochs[key])
        for key in ("similarity", "normalized", "norm"):
            assert list(epochs[key]) == LAYERS
            assert all(len(v) == 2 and min(v) > 0 for v in epochs[key].values())
        for key in ("cosine_before", "cosine_after"):
            assert list(metrics[key]) == LAYERS
            assert all(0 < v < 1 for v in metrics[key].values())
        assert metrics["top_test_accuracy"] == max(epochs["test_accuracy"])
        assert metrics["last_test_accuracy"] == epochs["test_accuracy"][-1]
        named = {"decay": ["weight_decay"], "learning-rate": ["lr"]}
        assert list(metrics["chosen"]) == named.get(condition, [])
    for choice in choices:
        chosen = records[choice.settings["run"]["condition"]].metrics["chosen"]
        assert list(chosen.values()) == [choice.metrics["choice"]]
    assert not list((swept / ".checkpoints").iterdir())


def test_what_is_recorded_is_not_run_again(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("run again")

    monkeypatch.setattr(sweep, "perform", never)
    before = {path: path.stat().st_mtime_ns for path in swept.iterdir()}
    run(rows(), swept)
    assert {path: path.stat().st_mtime_ns for path in swept.iterdir()} == before
    with pytest.raises(AssertionError, match="run again"):
        run(rows("init", seeds=2), swept)


def test_regularised_weights_are_less_similar(swept: Path) -> None:
    records = by_condition(swept)

    def last(condition: str, key: str) -> list[float]:
        return [layer[-1] for layer in records[condition].metrics["epochs"][key].values()]

    assert sum(last("regularise", "similarity")) < 0.9 * sum(last("baseline", "similarity"))
    wanted = math.hypot(*last("regularise", "norm"))
    assert math.hypot(*last("decay", "norm")) == pytest.approx(wanted, rel=0.02)


def test_standing_tells_done_from_missing(swept: Path) -> None:
    lines = list(standing(rows("baseline", "init", seeds=2), swept))
    done = r"done     2 epochs of digits, "
    assert lines[0].startswith("baseline, width 4, seed 0, 2 epochs ") and done in lines[0]
    assert done in lines[1] and done in lines[2]
    assert lines[3].startswith("init, width 4, seed 1, 2 epochs ") and lines[3].endswith("missing")
    # A shorter run is shown, and counts as missing.
    (line,) = standing(rows("baseline", epochs=3), swept)
    assert "  missing  2 epochs of digits, " in line


def saved(folder: Path, metrics: dict[str, Any], condition: str, epochs: int) -> None:
    data = "CIFAR-10 (JPEG copy)"
    settings = TrainingSettings(condition, 64, 0, epochs, data)
    started = datetime.now(timezone.utc)
    record = make_record(sweep.RECORDS, settings, metrics, data=data, started=started)
    save_record(record, settings, folder)


def test_status_lists_copies_and_diverged_runs(tmp_path: Path) -> None:
    saved(tmp_path, {}, "baseline", 3)
    saved(tmp_path, {}, "baseline", 2)
    saved(tmp_path, {"diverged": "epoch 1"}, "init", 5)
    options = ["--results", str(tmp_path), "--widths", "64", "--seeds", "1"]
    result = CliRunner().invoke(app, ["status", "table5", "--epochs", "3", *options])
    assert result.exit_code == 0, result.output
    lines = {line.split(",")[0]: line for line in result.stdout.splitlines()}
    assert list(lines) == list(CONDITIONS)
    assert "done     3 epochs of CIFAR-10 (JPEG copy), " in lines["baseline"]
    assert lines["init"].endswith(", diverged")
    assert result.stdout.count("missing") == 6
    result = CliRunner().invoke(app, ["status", "table5", "--epochs", "4", *options])
    assert "missing  3 epochs of CIFAR-10 (JPEG copy)" in result.stdout


def test_an_interrupted_sweep_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = rows("learning-rate", "baseline", epochs=2)
    run(some, tmp_path / "whole")
    written: list[Path] = []
    save = training.save_checkpoint

    def stop(path: Path, *rest: Any) -> None:
        save(path, *rest)
        written.append(path)
        if len(written) == 5:  # in the midst of a learning rate's two epochs
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        run(some, tmp_path / "stopped")
    left = sorted((tmp_path / "stopped" / ".checkpoints").iterdir())
    assert left == sorted(set(written))
    before = len(contents(tmp_path / "stopped"))
    assert before < 3
    run(some, tmp_path / "stopped")
    # Two epochs of four rates and of two runs, and none of them twice.
    assert len(written) == 2 * 6
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert not list((tmp_path / "stopped" / ".checkpoints").iterdir())


def layer_weights(model: nn.Module) -> list[Tensor]:
    return [layer.weight.detach() for _, layer in convolutional_layers(model)]


def default(seed: int = 3, width: int = 8) -> ShallowCNN:
    torch.manual_seed(seed)
    return ShallowCNN(width)


def initial(condition: str) -> ShallowCNN:
    settings = TrainingSettings(condition, width=8, seed=3, iterations=100)
    torch.manual_seed(99)  # plays no part
    model, seconds = initialise(settings, "cpu")
    assert seconds >= 0
    # Whatever is not a convolution's weight is PyTorch's default.
    for name, value in default().state_dict().items():
        if not (name.endswith(".0.weight") and "blocks" in name):
            assert torch.equal(value, model.state_dict()[name])
    return model


@pytest.mark.parametrize("condition", ["baseline", "regularise", "decay", "learning-rate"])
def test_conditions_that_start_from_the_default(condition: str) -> None:
    pairs = zip(layer_weights(initial(condition)), layer_weights(default()), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_init_is_algorithm_1() -> None:
    expected = minimize_similarity(default(), iterations=100)
    for ours, theirs in zip(layer_weights(initial("init")), layer_weights(expected), strict=True):
        assert torch.equal(ours, theirs)


def test_scale_has_the_defaults_directions_and_inits_norms() -> None:
    layers = zip(*map(layer_weights, (initial("scale"), default(), initial("init"))), strict=True)
    for ours, start, shrunk in layers:
        factor = shrunk.norm() / start.norm()
        assert factor < 0.95
        torch.testing.assert_close(ours, start * factor)


def test_scale_free_keeps_every_kernels_norm() -> None:
    for ours, start in zip(
        layer_weights(initial("scale-free")), layer_weights(default()), strict=True
    ):
        torch.testing.assert_close(
            ours.flatten(1).norm(dim=1), start.flatten(1).norm(dim=1), rtol=1e-4, atol=0
        )
        lowered = convolutional_similarity(ours, normalized=True)
        assert lowered < 0.95 * convolutional_similarity(start, normalized=True)


def test_both_is_scale_free_and_then_shrunk() -> None:
    conditions = ("both", "scale-free", "init", "baseline")
    layers = zip(*(layer_weights(initial(condition)) for condition in conditions), strict=True)
    for ours, free, shrunk, start in layers:
        torch.testing.assert_close(ours, free * (shrunk.norm() / start.norm()))


@pytest.mark.parametrize("condition", list(CONDITIONS))
def test_each_condition_trains_as_it_says(condition: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def stop(*_: Any, **options: Any) -> None:
        given.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(cifar10, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        measure(TrainingSettings(condition, width=4, iterations=1), TRAIN, TEST, choice=0.25)
    assert given["lr"] == (0.25 if condition == "learning-rate" else 0.01)
    assert given.get("weight_decay", 0.0) == (0.25 if condition == "decay" else 0.0)
    assert given["beta"] == (1e-3 if condition == "regularise" else 0.0)
    assert (given["epochs"], given["batch_size"], given["precision"]) == (100, 512, "bfloat16")


def test_the_weight_decay_ends_at_the_wanted_norm(tmp_path: Path) -> None:
    train, test = TRAIN, TEST
    options: dict[str, Any] = {"beta": 1.0, "learning_rate": 0.05, "batch_size": 64}
    (regularised,), (decayed,) = (rows(name, **options) for name in ("regularise", "decay"))
    target, _ = measure(regularised, train, test, progress=False)
    found = choices.choose_weight_decay(
        decayed,
        train,
        test,
        target=target,
        checkpoint=tmp_path / "x.safetensors",
        progress=False,
    )
    wanted = math.hypot(*(layer[-1] for layer in target["epochs"]["norm"].values()))
    assert found["norm_wanted"] == pytest.approx(wanted)
    assert 1 < len(found["tried"]) <= choices.ATTEMPTS
    # By training anew, outside the search.
    model, _ = initialise(decayed, "cpu")
    assert math.hypot(*(w.norm().item() for w in layer_weights(model))) > 1.1 * wanted
    fit(
        model,
        *(train, test),
        epochs=2,
        lr=0.05,
        batch_size=64,
        weight_decay=found["choice"],
        progress=False,
    )
    reached = math.hypot(*(w.norm().item() for w in layer_weights(model)))
    assert reached == pytest.approx(wanted, rel=0.02)


def test_the_next_decay_brackets_and_interpolates() -> None:
    weak, strong = {"decay": 1e-3, "norm": 10.0}, {"decay": 1e-1, "norm": 5.0}
    following = choices._next_decay
    assert following([weak, {"decay": 2e-3, "norm": 9.0}], 7.0) == pytest.approx(8e-3)
    assert following([strong, {"decay": 4e-2, "norm": 6.0}], 7.0) == pytest.approx(1e-2)
    # Half way between the logarithms of the norms is half way between those of the decays.
    assert following([weak, strong], math.sqrt(50)) == pytest.approx(1e-2)
    # Never closer to an end than a tenth of the way.
    assert following([weak, strong], 9.99) == pytest.approx(1e-3 * 100**0.1)
    assert following([weak, strong], 5.0) == pytest.approx(1e-3 * 100**0.9)
    # Only the closest attempts on either side count.
    far = [{"decay": 1e-5, "norm": 11.0}, {"decay": 1.0, "norm": 1.0}]
    assert following([*far, weak, strong], math.sqrt(50)) == pytest.approx(1e-2)


def test_the_learning_rate_is_the_best_on_images_held_out(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (choice,) = (
        record.metrics
        for record in read_records(sweep.CHOICES, swept)
        if record.settings["run"]["condition"] == "learning-rate"
    )
    assert [row["lr"] for row in choice["tried"]] == [0.01, 0.03, 0.1, 0.3]
    best = max(choice["tried"], key=lambda row: row["accuracy"])
    assert choice["choice"] == best["lr"]
    assert choice["images_held_out"] == 45

    seen: list[Images] = []

    def accuracy(_settings: Any, rest: Images, held_out: Images, **options: Any) -> Any:
        seen.extend((rest, held_out))
        return {"top_test_accuracy": -abs(options["choice"] - 0.1)}, None

    monkeypatch.setattr(choices, "measure", accuracy)
    (settings,) = rows("learning-rate")
    found = choices.choose_learning_rate(settings, TRAIN, checkpoint=tmp_path / "x.safetensors")
    assert found["choice"] == 0.1
    rest, held_out = seen[:2]
    assert (len(rest), len(held_out)) == (405, 45)

    def count(images: Images) -> Counter[tuple[bytes, int]]:
        pictures = (picture.numpy().tobytes() for picture in images.pixels)
        return Counter(zip(pictures, images.labels.tolist(), strict=True))

    # Together they are the training images, each once.
    assert count(rest) + count(held_out) == count(TRAIN)


def test_a_diverged_run_is_recorded_and_stops_no_other(tmp_path: Path) -> None:
    # L_CS alone breaks: what needs Algorithm 2's run has nothing to aim at.
    run(rows("baseline", "regularise", "decay", "learning-rate", beta=1e30), tmp_path)
    records = by_condition(tmp_path)
    assert set(records) == {"baseline", "regularise", "decay", "learning-rate"}
    diverged = records["regularise"].metrics
    assert list(diverged) == ["diverged"] and "epoch 1: NaN or infinity" in diverged["diverged"]
    chain = records["decay"].metrics["diverged"]
    assert chain.startswith("choice for decay, width 4, seed 0, 2 epochs diverged: regularise, wi")
    assert chain.endswith(diverged["diverged"])
    for condition in ("baseline", "learning-rate"):
        assert "top_test_accuracy" in records[condition].metrics
    lines = list(standing(rows("baseline", "decay"), tmp_path))
    assert [line.endswith(", diverged") for line in lines] == [False, True]
    before = contents(tmp_path)
    run(rows("baseline", "regularise", "decay", "learning-rate", beta=1e30), tmp_path)
    assert contents(tmp_path) == before


def test_a_learning_rate_that_diverges_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "LEARNING_RATES", (1e30, 0.02))
    run(rows("learning-rate"), tmp_path / "one")
    (choice,) = read_records(sweep.CHOICES, tmp_path / "one")
    assert choice.metrics["choice"] == 0.02
    first, second = choice.metrics["tried"]
    assert first["accuracy"] is None and first["diverged"].startswith("epoch 1: NaN")
    assert second["accuracy"] > 0
    assert by_condition(tmp_path / "one")["learning-rate"].metrics["chosen"] == {"lr": 0.02}
    monkeypatch.setattr(choices, "LEARNING_RATES", (1e30,))
    run(rows("learning-rate", "baseline"), tmp_path / "none")
    (choice,) = read_records(sweep.CHOICES, tmp_path / "none")
    assert choice.metrics == {"diverged": "every learning rate of (1e+30,) diverged"}
    records = by_condition(tmp_path / "none")
    assert "every learning rate" in records["learning-rate"].metrics["diverged"]
    assert "top_test_accuracy" in records["baseline"].metrics


PARALLEL = rows("init", "decay", epochs=1)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    folder = tmp_path_factory.mktemp("one-process")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "load", LOAD)  # all the digits, as in other processes
        run(PARALLEL, folder)
    return folder


def test_two_processes_record_the_same(one_process: Path, tmp_path: Path) -> None:
    run(PARALLEL, tmp_path, jobs=2)
    assert len(contents(tmp_path)) == 4
    assert contents(tmp_path) == contents(one_process)
    assert not list((tmp_path / ".checkpoints").iterdir())


def test_a_dask_cluster_records_the_same(
    one_process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client, LocalCluster

    monkeypatch.setattr(sweep, "load", LOAD)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
    ) as cluster:
        run(PARALLEL, tmp_path / "records", cluster=cluster.scheduler_address)
        with Client(cluster) as client:  # workers that hold the data have worked
            loaded = client.run(LOAD.cache_info)
    assert sum(info.currsize for info in loaded.values()) > 0
    assert contents(tmp_path / "records") == contents(one_process)


def test_four_networks_are_kept(swept: Path) -> None:
    kept = {path.stem for path in swept.glob("*.safetensors")}
    expected = {
        record_path(sweep.RECORDS, row, swept).stem for row in rows() if row.condition in sweep.KEPT
    }
    assert len(kept) == 4 and kept == expected
    for condition in sweep.KEPT:
        record = by_condition(swept)[condition]
        loaded = sweep.load_network(record, swept)
        assert not loaded.training
        accuracy = evaluate(loaded, TEST)
        assert accuracy == pytest.approx(record.metrics["last_test_accuracy"], abs=0.7)
    settings = TrainingSettings(**record.settings)
    _, trained = measure(settings, TRAIN, TEST, progress=False)
    images = TEST.normalized(slice(0, 50))
    with torch.no_grad():
        expected_scores, scores = trained.eval()(images), loaded(images)
    torch.testing.assert_close(scores, expected_scores, atol=0.02, rtol=0.01)
    assert not torch.equal(scores, expected_scores)  # float16 on disk


def test_a_network_that_is_not_kept_says_which_are(swept: Path) -> None:
    with pytest.raises(ValueError, match="no network is kept for baseline, width 4, seed 1, 2 epo"):
        sweep.load_network(by_condition(swept, seed=1)["baseline"], swept)
    with pytest.raises(
        ValueError, match="condition of baseline, init, scale, scale-free, width 64"
    ):
        sweep.load_network(by_condition(swept)["decay"], swept)


def test_a_kept_network_of_width_64_is_small() -> None:
    assert len(sweep._compressed(ShallowCNN(64), TrainingSettings("init"))) <= 300_000


def test_cosines_are_those_of_the_convolution_without_its_bias() -> None:
    torch.manual_seed(0)
    model = ShallowCNN(6)
    for layer in LAYERS:
        nn.init.uniform_(model.get_submodule(layer).bias, 2, 3)  # would make all maps alike
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measured = cifar10.cosines(model, TEST)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training and all(
        m.momentum == 0.1 for m in model.modules() if hasattr(m, "momentum")
    )
    # All 150 test images: fewer than the number compared.
    images = (TEST.pixels.float() - TEST.mean) / TEST.std
    maps = conv2d(images, model.blocks[0][0].weight.detach(), padding=2).flatten(2).double()
    total = 0.0
    for i in range(6):
        for j in range(i):
            dot = (maps[:, i] * maps[:, j]).sum(1)
            total += (dot / maps[:, i].norm(dim=1) / maps[:, j].norm(dim=1)).abs().mean().item()
    assert measured["blocks.0.0"] == pytest.approx(total / 15, abs=2e-5)


@pytest.mark.parametrize("layer", LAYERS)
def test_cosines_do_not_see_the_scale_of_a_layer(layer: str) -> None:
    torch.manual_seed(0)
    model = ShallowCNN(6)
    shrunk = deepcopy(model)
    with torch.no_grad():
        shrunk.get_submodule(layer).weight.mul_(0.1)
    before, after = cifar10.cosines(model, TEST), cifar10.cosines(shrunk, TEST)
    for name in LAYERS[: LAYERS.index(layer) + 1]:
        assert after[name] == pytest.approx(before[name], abs=2e-5)
    for name in LAYERS:  # later layers see it through the epsilon of batch normalisation
        assert after[name] == pytest.approx(before[name], abs=5e-3)


def test_images_are_spread_over_the_set() -> None:
    index = cifar10.spread(10_000, 512, torch.device("cpu"))
    assert len(set(index.tolist())) == 512 and (index[0], index[-1]) == (0, 9999)
    assert cifar10.spread(3, 512, torch.device("cpu")).tolist() == [0, 1, 2]


def test_command_trains_and_lists(tmp_path: Path) -> None:
    command = ["run", "table5", "--conditions", "baseline", "--widths", "4", "--seeds", "1"]
    command += ["--epochs", "1", "--precision", "float32", "--device", "cpu"]
    result = CliRunner().invoke(app, [*command, "--results", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "baseline, width 4, seed 0, 1 epochs" in result.stdout
    assert "done     1 epochs of digits" in result.stdout
    (record,) = read_records(sweep.RECORDS, tmp_path)
    assert record.settings == asdict(
        TrainingSettings("baseline", 4, 0, 1, data="digits", precision="float32")
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--conditions", "init,magic"], "'magic' is no condition; expected one of baseline, init"),
        (["--widths", "64,wide"], "widths are '64,wide'; expected whole numbers such as 64,128"),
        (["--widths", ""], "widths are ''; expected whole numbers"),
        (["--data-dir", "nowhere"], "no CIFAR-10 in nowhere; expected cifar-10-batches-py/"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
        (["--precision", "half", "--widths", "4"], "precision is 'half'; expected one of float32"),
    ],
)
def test_command_errors_are_messages(tmp_path: Path, options: list[str], text: str) -> None:
    command = ["run", "table5", "--device", "cpu", "--results", str(tmp_path), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert text in " ".join(result.output.split())


def test_command_without_dask_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    command = ["run", "table5", "--device", "cpu", "--results", str(tmp_path), "--cluster", "x:1"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "pip install 'convsim[cluster]'" in " ".join(result.output.split())
