"""Feature maps of kept networks: what is measured, which records are shown, what the book says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from convsim.data import digits
from convsim.evidence.map_tables import centred_table, map_records
from convsim.evidence.overlap_tables import readings_table
from convsim.experiments import maps, runner
from convsim.experiments.activations import cosines, map_cosines
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.maps import MAPS, MapSettings
from convsim.experiments.record import read_record
from convsim.experiments.runner import Machine
from convsim.experiments.sweep import TRAINING
from convsim.models import ShallowCNN
from tests.made_up import COPY, LAYERS, save, save_network

RUN = TrainingSettings("baseline", data=COPY, epochs=20)


def save_maps(folder: Path, run: TrainingSettings, *, trained: bool, value: float = 0.5) -> None:
    layers = {
        name: {
            "per_image": value + number / 100,
            "expected": None,
            "correlation": value - 0.25,
            "dead": 0,
        }
        for number, name in enumerate(LAYERS, start=1)
    }
    save(folder, "maps", MapSettings(run, trained), {"layers": layers})


def test_maps_are_those_without_bias_whose_mean_is_then_taken() -> None:
    torch.manual_seed(0)
    model, test = ShallowCNN(4), digits()[1]
    found = map_cosines(model, test, 50)
    assert {name: reading.per_image for name, reading in found.items()} == cosines(model, test, 50)
    with torch.no_grad():
        model.blocks[0][0].bias += 100
    assert map_cosines(model, test, 50) == found
    # The first layer by hand: nothing is normalised before it.
    images = test.normalized(torch.linspace(0, len(test) - 1, 50).round().long())
    first = torch.nn.functional.conv2d(images, model.blocks[0][0].weight, padding=2)
    rows = first.detach().double().transpose(0, 1).flatten(1)
    above, beside = torch.triu_indices(4, 4, 1)
    expected = torch.corrcoef(rows).abs()[above, beside].mean().item()
    assert found["blocks.0.0"].correlation == pytest.approx(expected, rel=1e-4)


def test_a_kept_network_is_measured_before_and_after_its_training(tmp_path: Path) -> None:
    run = TrainingSettings("baseline", data="digits", epochs=1, batch_size=500)
    machine = Machine(folder=tmp_path, progress=False)
    assert maps.plan(tmp_path) == []
    runner.run(TRAINING.tasks([run]), machine, progress=False)
    rows = maps.plan(tmp_path)
    assert rows == [MapSettings(run, True), MapSettings(run, False)]
    assert maps.plan(tmp_path, data="CIFAR-10") == []
    small = [replace(row, images=20) for row in rows]
    runner.run(MAPS.tasks(small), machine, progress=False)
    after, before = (read_record(MAPS.path(row, tmp_path)).metrics["layers"] for row in small)
    assert list(after) == list(before) == list(LAYERS)
    assert after != before
    assert centred_table(tmp_path).source.endswith("digits on digits.")


def test_the_sweep_on_the_best_data_with_most_conditions_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no feature maps are recorded .* run `convsim run maps`"):
        map_records(tmp_path)
    save_maps(tmp_path, RUN, trained=True)
    with pytest.raises(ValueError, match="no feature maps"):  # nothing to compare it with
        map_records(tmp_path)
    for condition in ("scale", "baseline"):
        for trained in (False, True):
            save_maps(tmp_path, replace(RUN, condition=condition), trained=trained)
            save_maps(tmp_path, replace(RUN, condition=condition, data="digits"), trained=trained)
            other = replace(RUN, condition=condition, epochs=10)
            save_maps(tmp_path, other, trained=trained, value=0.9)
    save_maps(tmp_path, replace(RUN, condition="init", data="digits"), trained=True)
    save_maps(tmp_path, replace(RUN, condition="init", data="digits"), trained=False)
    found = map_records(tmp_path)
    assert list(found) == ["baseline", "scale"]
    runs = {record.settings["run"]["epochs"] for pair in found.values() for record in pair.values()}
    assert runs == {20}
    table = centred_table(tmp_path)
    assert table.rows[0] == ("baseline", "1", *("0.51", "undefined", "0.25") * 2)
    assert len(table.rows) == 8
    assert table.source == "500 test images, 20 epochs, seed 0, training loop 2; " + f"{COPY}."


def test_centred_cosines_stand_beside_the_other_readings(tmp_path: Path) -> None:
    save_network(tmp_path, RUN, (0.4, 0.3, 0.2, 0.1))
    plain = readings_table(folder=tmp_path)
    save_maps(tmp_path, RUN, trained=False, value=0.9)  # of the network before its training
    assert readings_table(folder=tmp_path) == plain
    save_maps(tmp_path, RUN, trained=True)
    table = readings_table(folder=tmp_path)
    assert table.columns[5] == ("maps, |cos|", "centred")
    assert [row[5] for row in table.rows] == ["0.25"] * 4
    assert [row[:5] + row[6:] for row in table.rows] == list(plain.rows)


def test_what_the_book_says_of_its_networks() -> None:
    """Raw, the third layer of what began small is far more alike than the baseline's; centred,
    about half of that is left."""
    found = map_records()
    layers = {
        (condition, trained): list(record.metrics["layers"].values())
        for condition, pair in found.items()
        for trained, record in pair.items()
    }
    third = {key: layer[2] for key, layer in layers.items()}
    for condition in ("init", "scale"):
        raw = third[condition, True]["expected"] - third["baseline", True]["expected"]
        centred = third[condition, True]["correlation"] - third["baseline", True]["correlation"]
        assert raw > 0.25 and 0 < centred < 0.6 * raw
    for (_, trained), values in layers.items():
        assert all(layer["correlation"] <= layer["expected"] + 0.01 for layer in values), trained
    alike = [third["scale-free", trained]["correlation"] for trained in (False, True)]
    assert alike[0] < 0.1 < alike[1], "training brings similarity back"
