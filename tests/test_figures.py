"""Tables and figures: they show the records' numbers, and say so when a record is missing."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from PIL import Image

from benchmarks import training as training_benchmark
from book import pictures
from convsim import figures
from convsim.evidence import costs, layer_figures, pair_figures, pair_tables
from convsim.experiments.pairs import TABLES
from convsim.experiments.record import RESULTS, read_record, read_records, record_path
from convsim.table import Table


def test_pairs_table_shows_the_records() -> None:
    table = pair_tables.pairs_table("table1")
    metrics = read_record(record_path("pairs", TABLES["table1"][3], RESULTS)).metrics
    row = table.rows[3]
    assert row[:3] == ("9", "SGD", "0.25 ± 0.87")
    assert row[3] == f"{metrics['correlation']['mean']:.2f} ± {metrics['correlation']['std']:.2f}"
    assert row[5] == f"{metrics['reduced_percent']:.1f}"
    assert "n = 1000 episodes a row, seed 0, synthetic data" in table.source


def test_tables_2_and_3_are_one_experiment() -> None:
    assert pair_tables.pairs_table("table2") == pair_tables.pairs_table("table3")


def test_table_escapes_html() -> None:
    table = Table((("g", "a"), ("g", "b")), (("<b>", "1"),), "x & y", "<i>")
    shown = table._repr_html_()
    assert "&lt;b&gt;" in shown and "x &amp; y" in shown and "&lt;i&gt;" in shown
    assert repr(table).splitlines() == ["x & y", "g a  g b", "<b>  1", "<i>"]
    assert shown.count("<th ") == 3 and 'colspan="2"' in shown


def test_largest_difference_is_the_worst_row() -> None:
    rows = [
        (float(r[2].split()[0]), float(r[3].split()[0]))
        for r in pair_tables.pairs_table("table6").rows
    ]
    worst = max(abs(ours - paper) for paper, ours in rows)
    assert pair_tables.largest_difference("table6")["correlation"] == pytest.approx(
        worst, abs=0.011
    )


def test_a_missing_record_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="6 of 6 rows of table1 .* run `convsim run table1`"):
        pair_tables.pair_records("table1", tmp_path)
    with pytest.raises(ValueError, match="table is 'table9'; expected one of table1, table2"):
        pair_tables.pair_records("table9")


@pytest.mark.parametrize("table", ["table1", "table2"])
def test_descent_figure_shows_each_row(table: str) -> None:
    figure = pair_figures.descent_figure(table)
    assert len(figure.data) == 18
    cosine = pair_tables.pair_records(table)[0].metrics["curve"]["cosine"]
    assert list(figure.data[2].y) == [max(value, 1e-16) for value in cosine]
    assert f"{cosine[0]:.2f} to {cosine[-1]:.2f}" in figure.layout.meta["alt"]


def test_cosine_figure_ends_at_the_recorded_means() -> None:
    figure = pair_figures.cosine_figure()
    shown = {trace.y[0]: trace.x for trace in figure.data}
    metrics = pair_tables.pair_records("table2")[0].metrics
    assert shown["L_CS, N = 3, Adam"] == pytest.approx(
        [metrics["cosine_before"]["mean"], metrics["cosine_after"]["mean"]], rel=1e-4
    )
    assert figure.layout.meta["alt"]


def test_lines_round_and_name() -> None:
    figure = figures.lines(
        {"a": ([1, 10], torch.tensor([1 / 3, 2.0], dtype=torch.float64))},
        x_title="x",
        y_title="y",
        alt="two points",
        log="x",
    )
    assert list(figure.data[0].y) == [0.33333, 2.0]
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "linear")
    assert figure.layout.meta["alt"] == "two points"


def test_pictures_are_drawn() -> None:
    stems = figures.stems({"a": torch.ones(3), "b": torch.zeros(4)}, columns=2)
    assert [axis.get_title(loc="left") for axis in stems.axes] == ["a", "b"]
    image = figures.images({"f": torch.tensor([[-2.0, 1.0]])}, signed=True).axes[0].images[0]
    assert image.get_clim() == (-2.0, 2.0)
    cover = figures.orthogonal_yet_similar()
    assert cover.axes[0].get_title(loc="left") == "⟨K₁, K₂⟩ = 0"
    assert cover.axes[2].get_title(loc="left") == "cos(F₁, F₂) = 0.96"
    plt.close("all")


def svg_parts(path: Path) -> tuple[list[str], list[str], list[float]]:
    """The words of a picture, its elements, and the coordinates of what is drawn in its axes."""
    elements = list(ElementTree.parse(path).iter())
    curves = [e.get("d", "") for e in elements if "clip-path" in e.attrib]
    numbers = [float(number) for d in curves for number in re.findall(r"-?\d+\.?\d*", d)]
    texts = re.findall(r"<!-- (.*?) -->", path.read_text())
    return texts, [element.tag for element in elements], numbers


def test_the_pictures_are_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = pictures.IMAGES
    monkeypatch.setattr(pictures, "IMAGES", tmp_path)
    pictures.main()
    texts, tags, places = zip(
        *(svg_parts(folder / "orthogonal-yet-similar.svg") for folder in (tmp_path, stored)),
        strict=True,
    )
    assert texts[0] == texts[1]
    assert "cos(F₁, F₂) = 0.96" in texts[0]
    assert tags[0] == tags[1]
    # Versions of Matplotlib leave more or less room for words.
    assert places[0] == pytest.approx(places[1], abs=4)
    covers = [Image.open(f / "cover.png").convert("RGB") for f in (tmp_path, stored)]
    assert covers[0].size == (1200, 630)  # as link previews want it
    curves, title = (0, 165, 1200, 630), (0, 0, 1200, 165)
    assert difference(covers, curves).mean() < 1
    # Letters are a little wider or narrower in other versions of Matplotlib.
    assert difference([cover.reduce(30) for cover in covers], (0, 0, 40, 5)).max() < 60
    assert np.ptp(np.asarray(covers[0].crop(title))) > 200


def difference(pair: list[Image.Image], box: tuple[int, int, int, int]) -> np.ndarray:
    one, other = (np.asarray(picture.crop(box), dtype=int) for picture in pair)
    return np.abs(one - other)


def test_the_cover_shows_one_feature_map_twenty_times() -> None:
    curves = [np.asarray(line.get_ydata(), float) for line in figures.cover().axes[0].lines[::-1]]
    assert len(curves) == 20
    for n in (1, 7, 19):  # kernel n sees what kernel 0 sees, three values later
        assert np.ptp(curves[n][: -3 * n] - curves[0][3 * n :]) < 1e-9
    plt.close("all")


def test_benchmark_table_and_summary_read_the_record() -> None:
    (record,) = [r for r in read_records("benchmark") if r.settings["device"] == "cpu"]
    times = {(t["form"], tuple(t["shape"])): t["median_ms"] for t in record.metrics["times"]}
    ratio = times["convolutional_similarity", (512, 512, 3)] / times["weight decay", (512, 512, 3)]
    summary = costs.loss_summary()
    assert summary["times weight decay, S = C = 512"] == round(ratio, 2)
    table = costs.loss_table()
    row = next(row for row in table.rows if row[0] == "512 × 512 × 3 × 3")
    assert row[2] == f"{ratio:,.3g}"
    # What must hold wherever it was measured: linear time is worth it, and costs little.
    assert summary["times faster than pairwise conv2d, S = C = 64"] > 1000
    assert ratio < 2


def test_benchmark_figure_has_a_line_for_each_form() -> None:
    figure = costs.loss_figure()
    names = [trace.name for trace in figure.data]
    assert names[:2] == ["weight decay", "convolutional_similarity"] and len(set(names)) == 7
    assert list(figure.data[0].x) == [4, 8, 16, 32, 64, 128, 256, 512]


def test_layers_figure_draws_both_descents() -> None:
    figure = layer_figures.layers_figure()
    assert len(figure.data) == 2 * 4 * 3
    assert "layer 2, scale-free" in figure.layout.meta["alt"]


def test_floor_figure_stays_below_the_limit() -> None:
    *measured, limit = layer_figures.floor_figure().data
    assert [trace.name for trace in measured] == [f"measured, C = {c}" for c in (1, 4, 64)]
    for trace in measured:
        assert all(fall <= most + 1e-9 for fall, most in zip(trace.y, limit.y, strict=True))


def test_collapse_counts_what_the_formula_counts() -> None:
    left, right = figures.collapse(kernels=4, channels=3).axes
    assert left.get_title() == f"{4 * 3 // 2 * 3**2} correlations Kᵢ[c₁] ⋆ Kⱼ[c₂]"
    assert right.get_title().startswith("12 of the form")
    plt.close("all")


def test_spectra_are_drawn_on_one_scale_with_zero_frequency_in_the_middle() -> None:
    generator = torch.Generator().manual_seed(0)
    layers = {"flat": torch.zeros(4, 2, 3, 3), "low": torch.ones(4, 2, 3, 3)}
    layers["flat"][:, :, 1, 1] = torch.randn(4, 2, generator=generator)
    drawn = figures.spectra(layers, count=2).axes
    pictures = [np.asarray(axis.images[0].get_array()) for axis in drawn]
    assert [axis.get_title() for axis in drawn[:3]] == ["K1", "K2", "mean"]
    assert [drawn[0].get_ylabel(), drawn[3].get_ylabel()] == ["flat", "low"]
    weight = layers["flat"].numpy()
    expected = np.mean([(weight[i, :, 1, 1] ** 2).sum() for i in range(4)])
    np.testing.assert_allclose(pictures[2], expected, rtol=1e-5)
    # Eighteen ones at zero frequency: two channels of 9², in the middle.
    assert pictures[3][16, 16] == pytest.approx(2 * 81) and pictures[3].argmax() == 16 * 33 + 16
    assert len({axis.images[0].get_clim() for axis in drawn}) == 1
    plt.close("all")


def test_training_benchmark_records_times_and_ratios_of_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = torch.get_num_threads()
    options = ["--device", "cpu", "--images", "40", "--width", "4", "--results", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["training.py", *options])
    quick = {"rounds": 2, "iterations": 3}
    measure = training_benchmark.measure
    monkeypatch.setattr(
        training_benchmark, "measure", lambda *args, **given: measure(*args, **given, **quick)
    )
    try:
        training_benchmark.main()
    finally:
        torch.set_num_threads(threads)
    assert read_records("benchmark", tmp_path) == []
    (record,) = read_records("trainingbenchmark", tmp_path)
    assert record.settings == {"device": "cpu", "threads": 2, "images": 40, "width": 4}
    assert record.hardware.endswith("2 threads")
    metrics = record.metrics
    assert metrics["steps"] == 1 and metrics["iterations"] == 3
    assert metrics["epoch_of_50000"] == "40 images, times 1250"
    seconds = metrics["seconds"]
    assert all(min(times) > 0 for times in seconds.values())
    assert len(seconds["fit, float32"]) == 2
    assert len(seconds["one step, float32"]) == 2 * training_benchmark.STEPS
    halves = zip(seconds["fit, bfloat16, as printed"], seconds["fit, bfloat16"], strict=True)
    descent = [a / b for a, b in zip(seconds["Algorithm 1"], seconds["fit, float32"], strict=True)]
    ratios = metrics["ratios"]
    expected = sum(a / b for a, b in halves) / 2
    assert ratios["network as printed / ours, in bfloat16"] == pytest.approx(expected)
    assert ratios["Algorithm 1 / epoch of 50,000 images"] == pytest.approx(sum(descent) / 2 / 1250)
    assert all(ratio > 0 for ratio in ratios.values()) and len(ratios) == 6
    for operators in metrics["profile"].values():
        assert list(operators.values()) == sorted(operators.values(), reverse=True)
        assert operators["aten::convolution_backward"] > 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in [*seconds, *ratios])


def test_training_benchmark_compares_the_same_training() -> None:
    images = training_benchmark.synthetic(6)
    pictures = training_benchmark.Pictures(images)
    for i, normalised in enumerate(images.normalized(slice(None))):
        picture, label = pictures[i]
        torch.testing.assert_close(picture, normalised.contiguous(), rtol=1e-5, atol=1e-5)
        assert label == images.labels[i]
