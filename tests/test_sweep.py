"""Table 5's sweep in miniature: on digits, with narrow networks and two epochs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from typer.testing import CliRunner

from convsim import convolutional_similarity
from convsim.__main__ import app
from convsim.data import Images, digits, spread
from convsim.experiments import (
    activations,
    choices,
    cifar10,
    images,
    networks,
    plan,
    runner,
    sweep,
)
from convsim.experiments.cifar10 import TrainingSettings, initialise, measure
from convsim.experiments.conditions import CONDITIONS
from convsim.experiments.record import RESULTS, Record, read_record, read_records, record_path
from convsim.experiments.runner import Machine, with_needs
from convsim.experiments.sweep import CHOICE, TRAINING
from convsim.models import ShallowCNN
from convsim.similarity import convolutional_layers
from convsim.training import LOOP, evaluate, fit, loop, minimize_similarity

LAYERS = [f"blocks.{i}.0" for i in range(4)]
WIDTH = 4
TRAIN, TEST = (
    part.subset(slice(0, count)) for part, count in zip(digits(), (450, 150), strict=True)
)
DIGITS = images.DATA_SETS["digits"]
TWO_SEEDS = ("baseline", "learning-rate", "random-bands-rate")
SMALL: dict[str, Any] = {"iterations": 40, "beta": 0.05, "learning_rate": 0.05, "batch_size": 128}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Sums in the same order in every process, and a part of the digits, to be quick."""

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("MKL_NUM_THREADS", "1")
        few = images.DataSet(lambda _: (TRAIN, TEST), lambda _: "digits", needs_folder=False)
        patch.setitem(images.DATA_SETS, "digits", few)
        images.load.cache_clear()
        yield
    images.load.cache_clear()
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


def run(some: Sequence[TrainingSettings], folder: Path, **options: Any) -> None:
    machine = Machine(None, "cpu", folder, progress=False, command="a test")
    sweep.run(some, machine, progress=False, **options)


def untimed(value: Any) -> Any:
    """Metrics without durations, which differ from run to run."""
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if "seconds" not in k}
    return value


def contents(folder: Path) -> dict[str, tuple[Any, Any]]:
    """What must not depend on where and when a run was computed, by file name."""
    return {
        path.name: (record.settings, untimed(record.metrics))
        for name in (TRAINING.name, CHOICE.name)
        for path, record in zip(
            sorted(folder.glob(f"{name}-*.json")), read_records(name, folder), strict=True
        )
    }


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / ".checkpoints").glob("*.safetensors"))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    """The folder of a sweep of every condition, and of a second seed of some of them."""
    folder = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "WIDTH", WIDTH)
        run([*rows(), *rows(*TWO_SEEDS, seeds=2)], folder)
    return folder


def by_condition(folder: Path, seed: int = 0) -> dict[str, Record]:
    records = read_records(TRAINING.name, folder)
    return {r.settings["condition"]: r for r in records if r.settings["seed"] == seed}


def test_every_condition_has_a_complete_record(swept: Path) -> None:
    records = by_condition(swept)
    assert list(records) and set(records) == set(CONDITIONS)
    assert set(by_condition(swept, seed=1)) == set(TWO_SEEDS)
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
    assert not checkpoints(swept)


def test_a_search_serves_all_seeds_and_conditions_that_want_its_number(swept: Path) -> None:
    searches = {
        choice.settings["run"]["condition"]: choice for choice in read_records(CHOICE.name, swept)
    }
    assert len(list(swept.glob(f"{CHOICE.name}-*.json"))) == len(searches) == 2
    assert {search.settings["run"]["seed"] for search in searches.values()} == {0}
    rate = {"lr": searches["learning-rate"].metrics["choice"]}
    expected = {
        "decay": {"weight_decay": searches["decay"].metrics["choice"]},
        **{"learning-rate": rate, "random-bands-rate": rate},
    }
    for seed in (0, 1):
        for condition, record in by_condition(swept, seed).items():
            assert record.metrics["chosen"] == expected.get(condition, {})
    # Before it is there, it is one task, ahead of all that wait for it.
    tasks = with_needs(TRAINING.tasks(rows("random-bands-rate", "learning-rate", seeds=2)))
    assert [task.experiment for task in tasks] == [CHOICE, *[TRAINING] * 4]


def test_what_is_recorded_is_not_run_again(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("run again")

    monkeypatch.setattr(runner, "perform", never)
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


def test_an_interrupted_sweep_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = rows("learning-rate", "baseline", epochs=2)
    run(some, tmp_path / "whole")
    written: list[Path] = []
    save = loop.save_checkpoint

    def stop(path: Path, *rest: Any) -> None:
        save(path, *rest)
        written.append(path)
        if len(written) == 5:  # in the midst of a learning rate's two epochs
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        run(some, tmp_path / "stopped")
    assert checkpoints(tmp_path / "stopped") == sorted(set(written))
    assert len(contents(tmp_path / "stopped")) < 3
    run(some, tmp_path / "stopped")
    # Two epochs of five rates and of two runs, and none of them twice.
    assert len(written) == 2 * 7
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert not checkpoints(tmp_path / "stopped")


def test_an_older_training_loop_is_not_run(tmp_path: Path) -> None:
    (old,) = rows("baseline", loop=1)
    message = (
        "baseline, width 4, seed 0, 2 epochs asks for version 1 of the training loop; expected "
        f"{LOOP}: older versions can be read, not run"
    )
    for call in (lambda: measure(old, TRAIN, TEST), lambda: run([old], tmp_path)):
        with pytest.raises(ValueError, match=message):
            call()
    assert not contents(tmp_path) and not checkpoints(tmp_path)


def test_records_keep_their_names() -> None:
    def path_of(settings: TrainingSettings) -> Path:
        return record_path(TRAINING.name, settings)

    # A committed one, from when settings had no version of the loop.
    first = TrainingSettings("baseline", epochs=20, data="CIFAR-10 (JPEG copy)", loop=1)
    assert path_of(first).name == "table5-fd11a7e0db.json" != path_of(replace(first, loop=2)).name
    for path in RESULTS.glob(f"{TRAINING.name}-*.json"):
        settings = cifar10.settings_of(read_record(path))
        assert path_of(settings) == path
        assert (path_of(replace(settings, loop=LOOP)) == path) == (settings.loop == LOOP)


def layer_weights(model: nn.Module) -> list[Tensor]:
    return [layer.weight.detach() for _, layer in convolutional_layers(model)]


def kernel_norms(weight: Tensor) -> Tensor:
    return weight.flatten(1).norm(dim=1)


def default(seed: int = 3, width: int = 8) -> ShallowCNN:
    torch.manual_seed(seed)
    return ShallowCNN(width)


@cache
def initial(condition: str, seed: int = 3) -> ShallowCNN:
    settings = TrainingSettings(condition, width=8, seed=seed, iterations=100)
    torch.manual_seed(99)  # plays no part
    model, seconds = initialise(settings, "cpu")
    assert seconds >= 0
    # Whatever is not a convolution's weight is PyTorch's default.
    for name, value in default(seed).state_dict().items():
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


def test_scale_free_keeps_every_kernels_norm() -> None:
    for ours, start in zip(
        layer_weights(initial("scale-free")), layer_weights(default()), strict=True
    ):
        torch.testing.assert_close(kernel_norms(ours), kernel_norms(start), rtol=1e-4, atol=0)
        lowered = convolutional_similarity(ours, normalized=True)
        assert lowered < 0.95 * convolutional_similarity(start, normalized=True)


@pytest.mark.parametrize(
    ("condition", "unshrunk"),
    [("scale", "baseline"), ("both", "scale-free"), ("random-bands-scale", "random-bands")],
)
def test_layers_are_shrunk_as_algorithm_1_shrinks_the_defaults(
    condition: str, unshrunk: str
) -> None:
    networks = map(initial, (condition, unshrunk, "init", "baseline"))
    for ours, long, shrunk, start in zip(*map(layer_weights, networks), strict=True):
        factor = shrunk.norm() / start.norm()
        assert factor < 0.95
        torch.testing.assert_close(ours, long * factor)


def band(weight: Tensor) -> np.ndarray:
    """``cos ω`` of each kernel along both axes, ``(S, 2)``; fails if a kernel is no plane wave."""
    columns = []
    for kernels in (weight.double(), weight.double().transpose(2, 3)):
        ends, centre = kernels[:, :, 0] + kernels[:, :, 2], kernels[:, :, 1]
        cosine = (ends * centre).sum((1, 2)) / centre.square().sum((1, 2)) / 2
        torch.testing.assert_close(ends, 2 * cosine[:, None, None] * centre, rtol=0, atol=1e-5)
        columns.append(cosine.numpy())
    return np.stack(columns, axis=1)


def mean_spectrum(weight: Tensor) -> np.ndarray:
    transform = np.fft.fft2(weight.double().numpy(), s=(8, 8))
    return (np.abs(transform) ** 2).sum(1).mean(0)


BANDS = ["random-bands", "same-band", "balanced-bands", "random-bands-rate"]


@pytest.mark.parametrize("condition", BANDS)
def test_bands_have_the_defaults_norms_and_the_seeds_frequencies(condition: str) -> None:
    again = initial.__wrapped__(condition)
    networks = [initial(condition), again, initial(condition, seed=4), default()]
    for ours, again, other, start in zip(*map(layer_weights, networks), strict=True):
        torch.testing.assert_close(kernel_norms(ours), kernel_norms(start), rtol=1e-5, atol=0)
        assert torch.equal(ours, again)
        assert np.abs(band(ours) - band(other)).mean() > 0.1
        with pytest.raises(AssertionError):
            band(start)


def test_same_band_is_one_for_a_layer_and_random_bands_are_not() -> None:
    same, random = (
        [band(weight) for weight in layer_weights(initial(condition))] for condition in BANDS[1::-1]
    )
    for layer in same:
        np.testing.assert_allclose(layer, layer[:1].repeat(len(layer), 0), atol=1e-4)
    assert all(np.abs(same[i] - same[j]).max() > 0.01 for i in range(4) for j in range(i))
    assert all(layer.std(0).min() > 0.3 for layer in random)
    rate = layer_weights(initial("random-bands-rate"))
    assert all(map(torch.equal, rate, layer_weights(initial("random-bands"))))


def test_balanced_bands_come_closer_to_the_defaults_mean_spectrum() -> None:
    networks = [initial("balanced-bands"), initial("random-bands"), default()]
    for layer in zip(*map(layer_weights, networks), strict=True):
        balanced, random, wanted = map(mean_spectrum, layer)
        assert np.abs(balanced - wanted).max() < 0.5 * np.abs(random - wanted).max()


@pytest.mark.parametrize("condition", list(CONDITIONS))
def test_each_condition_trains_as_it_says(condition: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def stop(*_: Any, **options: Any) -> None:
        given.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(cifar10, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        measure(TrainingSettings(condition, width=4, iterations=1), TRAIN, TEST, choice=0.25)
    assert given["lr"] == (0.25 if condition in TWO_SEEDS[1:] else 0.01)
    assert given.get("weight_decay", 0.0) == (0.25 if condition == "decay" else 0.0)
    assert given["beta"] == (1e-3 if condition == "regularise" else 0.0)
    assert (given["epochs"], given["batch_size"], given["precision"]) == (100, 512, "bfloat16")


def test_the_weight_decay_ends_at_the_wanted_norm(tmp_path: Path) -> None:
    train, test = TRAIN, TEST
    options: dict[str, Any] = {"beta": 1.0, "learning_rate": 0.05, "batch_size": 64}
    (regularised,), (decayed,) = (rows(name, **options) for name in ("regularise", "decay"))
    target, _ = measure(regularised, train, test, progress=False)
    found = choices.choose_weight_decay(
        decayed, train, test, target=target, checkpoint=tmp_path / "x.safetensors", progress=False
    )
    wanted = math.hypot(*(layer[-1] for layer in target["epochs"]["norm"].values()))
    assert found["norm_wanted"] == pytest.approx(wanted)
    assert 1 < len(found["tried"]) <= choices.ATTEMPTS
    # By training anew, outside the search.
    model, _ = initialise(decayed, "cpu")
    assert math.hypot(*(w.norm().item() for w in layer_weights(model))) > 1.1 * wanted
    options = {"lr": 0.05, "batch_size": 64, "weight_decay": found["choice"], "progress": False}
    fit(model, train, test, epochs=2, **options)
    reached = math.hypot(*(w.norm().item() for w in layer_weights(model)))
    assert reached == pytest.approx(wanted, rel=0.02)


def test_the_next_decay_brackets_and_interpolates() -> None:
    weak, strong = {"decay": 1e-3, "norm": 10.0}, {"decay": 1e-1, "norm": 5.0}
    following = choices.next_decay
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
        for record in read_records(CHOICE.name, swept)
        if record.settings["run"]["condition"] == "learning-rate"
    )
    assert [row["lr"] for row in choice["tried"]] == [0.01, 0.03, 0.1, 0.3, 1.0]
    best = max(choice["tried"], key=lambda row: row["accuracy"])
    assert choice["choice"] == best["lr"]
    assert (choice["images_held_out"], choice["epochs"]) == (45, 2)

    seen: list[Images] = []
    epochs: list[int] = []

    def accuracy(settings: Any, rest: Images, held_out: Images, **options: Any) -> Any:
        seen.extend((rest, held_out))
        epochs.append(settings.epochs)
        return {"top_test_accuracy": -abs(options["choice"] - 0.1)}, None

    monkeypatch.setattr(choices, "measure", accuracy)
    (settings,) = rows("learning-rate", epochs=12)
    found = choices.choose_learning_rate(settings, TRAIN, checkpoint=tmp_path / "x.safetensors")
    assert found["choice"] == 0.1
    assert epochs == [10] * 5 and found["epochs"] == 10  # a long run's search stays short
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
    before = contents(tmp_path)
    run(rows("baseline", "regularise", "decay", "learning-rate", beta=1e30), tmp_path)
    assert contents(tmp_path) == before


def test_a_learning_rate_that_diverges_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "LEARNING_RATES", (1e30, 0.02))
    run(rows("learning-rate"), tmp_path / "one")
    (choice,) = read_records(CHOICE.name, tmp_path / "one")
    assert choice.metrics["choice"] == 0.02
    first, second = choice.metrics["tried"]
    assert first["accuracy"] is None and first["diverged"].startswith("epoch 1: NaN")
    assert second["accuracy"] > 0
    assert by_condition(tmp_path / "one")["learning-rate"].metrics["chosen"] == {"lr": 0.02}
    monkeypatch.setattr(choices, "LEARNING_RATES", (1e30,))
    run(rows("learning-rate", "baseline"), tmp_path / "none")
    (choice,) = read_records(CHOICE.name, tmp_path / "none")
    assert choice.metrics == {"diverged": "every learning rate of (1e+30,) diverged"}
    records = by_condition(tmp_path / "none")
    assert "every learning rate" in records["learning-rate"].metrics["diverged"]
    assert "top_test_accuracy" in records["baseline"].metrics


PARALLEL = rows("init", "decay", epochs=1)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    folder = tmp_path_factory.mktemp("one-process")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(images.DATA_SETS, "digits", DIGITS)  # all of them, as in other processes
        images.load.cache_clear()
        run(PARALLEL, folder)
    images.load.cache_clear()
    return folder


def test_a_dask_cluster_records_the_same(
    one_process: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client, LocalCluster

    # Its look at the stack every 10 ms makes a worker five times as slow on a busy machine.
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED", "False")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
    ) as cluster:
        run(PARALLEL, tmp_path / "records", cluster=cluster.scheduler_address)
        with Client(cluster) as client:  # workers that hold the data have worked
            loaded = client.run(images.load.cache_info)
    assert sum(info.currsize for info in loaded.values()) > 0
    assert contents(tmp_path / "records") == contents(one_process)


def test_four_networks_are_kept(swept: Path) -> None:
    kept = {path.stem for path in swept.glob("*.safetensors")}
    expected = {
        record_path(TRAINING.name, row, swept).stem
        for row in rows()
        if row.condition in networks.KEPT
    }
    assert len(kept) == 4 and kept == expected
    for condition in networks.KEPT:
        record = by_condition(swept)[condition]
        loaded = networks.load_network(record, swept)
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
        networks.load_network(by_condition(swept, seed=1)["baseline"], swept)
    with pytest.raises(
        ValueError, match="condition of baseline, init, scale, scale-free, width 64"
    ):
        networks.load_network(by_condition(swept)["decay"], swept)


def test_a_kept_network_of_width_64_is_small() -> None:
    assert len(networks.compressed(ShallowCNN(64), TrainingSettings("init"))) <= 300_000


def test_cosines_are_those_of_the_convolution_without_its_bias() -> None:
    torch.manual_seed(0)
    model = ShallowCNN(6)
    for _, layer in convolutional_layers(model):
        assert layer.bias is not None
        nn.init.uniform_(layer.bias, 2, 3)  # would make all maps alike
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measured = activations.cosines(model, TEST)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training and all(
        m.momentum == 0.1 for m in model.modules() if hasattr(m, "momentum")
    )
    # All 150 test images: fewer than the number compared.
    images = (TEST.pixels.float() - TEST.mean) / TEST.std
    maps = conv2d(images, layer_weights(model)[0], padding=2).flatten(2).double()
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
    layer_weights(shrunk)[LAYERS.index(layer)].mul_(0.1)
    before, after = activations.cosines(model, TEST), activations.cosines(shrunk, TEST)
    for name in LAYERS[: LAYERS.index(layer) + 1]:
        assert after[name] == pytest.approx(before[name], abs=2e-5)
    for name in LAYERS:  # later layers see it through the epsilon of batch normalisation
        assert after[name] == pytest.approx(before[name], abs=5e-3)


def test_images_are_spread_over_the_set() -> None:
    index = spread(10_000, 512, torch.device("cpu"))
    assert len(set(index.tolist())) == 512 and index[[0, -1]].tolist() == [0, 9999]
    assert spread(3, 512, torch.device("cpu")).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--conditions", "init,magic"], "'magic' is no condition; expected one of baseline, init"),
        (["--widths", "64,wide"], "widths are '64,wide'; expected whole numbers such as 64,128"),
        (["--widths", ""], "widths are ''; expected whole numbers"),
        (
            ["--data", "CIFAR-10", "--data-dir", "nowhere"],
            "no CIFAR-10 in nowhere; expected cifar-10-batches-py/",
        ),
        (["--data", "CIFAR-10"], "no folder of CIFAR-10 is given; expected one: add `--data-dir"),
        (["--data", "MNIST"], "'MNIST' is no data set; expected one of CIFAR-10, digits"),
        (["--model", "LeNet"], "'LeNet' is no model; expected one of ShallowCNN"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
        (["--precision", "half", "--widths", "4"], "precision is 'half'; expected one of float32"),
    ],
)
def test_command_errors_are_messages(tmp_path: Path, options: list[str], text: str) -> None:
    command = ["run", "table5", "--data", "digits", "--device", "cpu"]
    command += ["--results", str(tmp_path), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert text in " ".join(result.output.split())
