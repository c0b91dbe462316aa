"""The explorers' Python side: traits, readouts against SciPy, mime bundle, error texts."""
# ruff: noqa: E501 -- an error text stands on one line

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from typing import Any

import ipywidgets
import numpy as np
import pytest
import torch
import traitlets
from IPython.core.formatters import DisplayFormatter
from scipy.optimize import linprog, nnls
from scipy.signal import correlate

from convsim.data import photograph
from convsim.explorers import (
    CorrelationExplorer,
    ImageExplorer,
    NNKExplorer,
    NormalizationExplorer,
    SimilarityExplorer,
    SpectrumExplorer,
)
from convsim.explorers.base import Explorer
from convsim.explorers.explorers import INPUTS

EXPLORERS = (
    CorrelationExplorer,
    SimilarityExplorer,
    ImageExplorer,
    SpectrumExplorer,
    NormalizationExplorer,
    NNKExplorer,
)
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Script(HTMLParser):
    """Collects the text of the one script element and counts what surrounds it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags[-1] == "script":
            self.text += data


def state_of(explorer: Explorer) -> dict[str, Any]:
    parser = Script()
    parser.feed(explorer.static_html())
    assert parser.tags == ["div", "p", "script"]
    return json.loads(parser.text)


def pair_by_scipy(x: np.ndarray, k1: np.ndarray, k2: np.ndarray) -> dict[str, Any]:
    """The readouts from their definitions; Eq. 11 is not used for ⟨F1, F2⟩."""
    f1, f2 = correlate(x, k1, method="direct"), correlate(x, k2, method="direct")
    reach = [slice(m - n, m + n - 1) for m, n in zip(x.shape, k1.shape, strict=True)]
    terms = correlate(k1, k2, method="direct") * correlate(x, x, method="direct")[tuple(reach)]
    return {
        "kernel_similarity": (k1 * k2).sum(),
        "kernel_cosine": (k1 * k2).sum() / np.linalg.norm(k1) / np.linalg.norm(k2),
        "feature_map_similarity": (f1 * f2).sum(),
        "feature_map_cosine": abs((f1 * f2).sum()) / np.linalg.norm(f1) / np.linalg.norm(f2),
        "convolutional_similarity": (correlate(k1, k2, method="direct") ** 2).sum(),
        "lag_0": (x**2).sum() * (k1 * k2).sum(),
        "other_lags": (f1 * f2).sum() - (x**2).sum() * (k1 * k2).sum(),
        "lag_terms": terms,
    }


def assert_same(got: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(got) == list(expected)
    scale = max(1.0, np.abs(expected["lag_terms"]).max())
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-11, atol=1e-11 * scale, err_msg=name)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("taps", [1, 2, 5, 16])
def test_similarity_readouts_agree_with_scipy(name: str, taps: int) -> None:
    rng = np.random.default_rng(taps)
    k1, k2 = rng.uniform(-1, 1, (2, taps))
    explorer = SimilarityExplorer(kernel_1=k1, kernel_2=k2, input=name, seed=taps)
    assert_same(explorer.readouts(), pair_by_scipy(explorer.signal.numpy(), k1, k2))


@pytest.mark.parametrize("size", [3, 5])
def test_image_readouts_agree_with_scipy(size: int) -> None:
    rng = np.random.default_rng(size)
    k1, k2 = rng.uniform(-1, 1, (2, size, size))
    levels = rng.integers(0, 256, (64, 64))
    explorer = ImageExplorer(kernel_1=k1, kernel_2=torch.from_numpy(k2), photograph=levels)
    assert_same(explorer.readouts(), pair_by_scipy(levels / 255, k1, k2))


@pytest.mark.parametrize("taps", [1, 2, 5, 16])
def test_spectrum_readouts_agree_with_scipy(taps: int) -> None:
    rng = np.random.default_rng(taps)
    k1, k2 = rng.uniform(-1, 1, (2, taps))
    readouts = SpectrumExplorer(kernel_1=k1, kernel_2=k2).readouts()
    a1, a2 = (correlate(k, k, method="direct") for k in (k1, k2))
    loss = (correlate(k1, k2, method="direct") ** 2).sum()
    angles = 2j * np.pi * np.outer(np.arange(65) / 128, np.arange(taps))
    expected = {
        "convolutional_similarity": loss,
        "normalized_similarity": loss / np.linalg.norm(a1) / np.linalg.norm(a2),
        "norm_1": np.linalg.norm(k1),
        "norm_2": np.linalg.norm(k2),
        "spectrum_1": abs(np.exp(-angles) @ k1) ** 2,
        "spectrum_2": abs(np.exp(-angles) @ k2) ** 2,
    }
    assert list(readouts) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(readouts[name], value, rtol=1e-11, atol=1e-12, err_msg=name)
    # the frequencies strictly between 0 and 1/2 stand for two of the 128 points each
    product = np.multiply(readouts["spectrum_1"], readouts["spectrum_2"])
    mean = (2 * product.sum() - product[0] - product[-1]) / 128
    assert readouts["convolutional_similarity"] == pytest.approx(mean, rel=1e-12)


def test_halving_divides_the_loss_by_sixteen_and_leaves_the_normalised_form() -> None:
    explorer = SpectrumExplorer()
    kernels, before = (explorer.kernel_1, explorer.kernel_2), explorer.readouts()
    for power in (1, 600):  # after the second no tap can be squared in float64
        explorer.set_kernels(*([math.ldexp(tap, -power) for tap in k] for k in kernels))
        after = explorer.readouts()
        loss = math.ldexp(before["convolutional_similarity"], -4 * power)
        assert after["convolutional_similarity"] == loss
        form = before["normalized_similarity"]
        assert after["normalized_similarity"] == pytest.approx(form, rel=1e-14)


def loss_of_unit(w: np.ndarray) -> float:
    """The loss from its definition, point by point."""
    points = NormalizationExplorer().points
    responses = [w[0] * x1 + w[1] * x2 for x1, x2, _ in points]
    mean, std = np.mean(responses), np.std(responses)
    losses = [
        math.log(1 + math.exp(-y * (r - mean) / std))
        for r, (_, _, y) in zip(responses, points, strict=True)
    ]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("scale", [0.1, 0.7, 3.0, 10.0])
@pytest.mark.parametrize("rate", [0.01, 0.3, 10.0])
def test_normalization_readouts_are_a_descent_on_the_definition(scale: float, rate: float) -> None:
    explorer = NormalizationExplorer(scale=scale, angle=-100, learning_rate=rate, steps=12)
    readouts = explorer.readouts()
    path = np.array(readouts["path"])
    assert path.shape == (13, 2)
    start = np.multiply(scale, [math.cos(math.radians(-100)), math.sin(math.radians(-100))])
    np.testing.assert_allclose(path[0], start, rtol=1e-14)
    losses = [loss_of_unit(w) for w in path]
    np.testing.assert_allclose(readouts["losses"], losses, rtol=1e-13)
    for before, after in zip(path, path[1:], strict=False):
        step = 1e-5 * np.linalg.norm(before) * np.eye(2)
        slope = [(loss_of_unit(before + h) - loss_of_unit(before - h)) / 2 / h.sum() for h in step]
        # the gradient is as long as 1/norm
        difference = np.linalg.norm(before) * ((before - after) / rate - slope)
        np.testing.assert_allclose(difference, 0, atol=1e-9)
    angles = np.degrees(np.unwrap(np.arctan2(path[:, 1], path[:, 0])))
    for name, expected in {
        "norm_start": scale,
        "norm_end": np.linalg.norm(path[-1]),
        "rate_start": rate / scale**2,
        "rate_end": rate / (path[-1] ** 2).sum(),
        "loss_start": losses[0],
        "loss_end": losses[-1],
        "turned": angles[-1] - angles[0],
    }.items():
        assert readouts[name] == pytest.approx(expected, rel=1e-11), name


def test_a_scale_is_a_learning_rate() -> None:
    for scale, rate in [(0.1, 0.1), (0.3, 0.1), (0.8, 5.0), (5.0, 10.0)]:
        readouts = NormalizationExplorer(scale=scale, learning_rate=rate, steps=100).readouts()
        assert readouts["largest_gap"] < 1e-11
        losses, equivalent = readouts["losses"], readouts["equivalent_losses"]
        assert readouts["largest_gap"] == np.abs(np.subtract(losses, equivalent)).max()
        assert np.abs(np.subtract(losses, readouts["unit_losses"])).max() > 0.01
        at_one = NormalizationExplorer(scale=1, learning_rate=rate, steps=100).readouts()
        np.testing.assert_allclose(readouts["unit_losses"], at_one["losses"], rtol=1e-11)
        # Pythagoras: the step is orthogonal to w, so the norm can only grow
        path = np.array(readouts["path"])
        squares, steps = (path**2).sum(axis=1), (np.diff(path, axis=0) ** 2).sum(axis=1)
        np.testing.assert_allclose(squares[1:], squares[:-1] + steps, rtol=1e-13)
    # powers of two leave no rounding either
    explorer = NormalizationExplorer(scale=0.25, learning_rate=0.125)
    before = explorer.readouts()
    explorer.scale, explorer.learning_rate = 2.0, 8.0
    assert explorer.readouts()["losses"] == before["losses"]


def test_the_points_are_two_long_clouds_that_no_line_parts() -> None:
    points = np.array(NormalizationExplorer().points)
    assert points.shape == (24, 3)
    assert np.array_equal(points, points.round(2))
    assert points[:, 2].tolist() == [1.0] * 12 + [-1.0] * 12
    for label in (1, -1):
        spread = np.linalg.eigvalsh(np.cov(points[points[:, 2] == label, :2].T))
        assert spread[1] > 2 * spread[0]
    sides = -points[:, 2:] * np.column_stack([points[:, :2], np.ones(24)])
    parted = linprog(np.zeros(3), A_ub=sides, b_ub=-np.ones(24), bounds=(None, None))
    assert parted.status == 2  # infeasible
    turned = [loss_of_unit(np.array([math.cos(a), math.sin(a)])) for a in np.radians(range(360))]
    lower = np.less(turned, np.roll(turned, 1)) & np.less(turned, np.roll(turned, -1))
    assert lower.sum() == 1  # one best direction, and no other to get stuck in


@pytest.mark.parametrize("k", [1, 4, 9, 12])
@pytest.mark.parametrize("sigma", [0, 0.3, 1.5])
def test_nnk_readouts_agree_with_scipy(k: int, sigma: float) -> None:
    """NNLS on a Cholesky factor of K, an explicit loop over its entries."""
    rng = np.random.default_rng(k)
    query, candidates = rng.uniform(-2, 2, 2), rng.uniform(-2, 2, (9, 2))
    explorer = NNKExplorer(query=query, candidates=candidates, k=k, sigma=sigma)
    readouts = explorer.readouts()
    distances = np.linalg.norm(candidates - query, axis=1)
    nearest = np.argsort(distances)[:k]
    width = sigma or distances[nearest].max() / 3

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return math.exp(-((x - y) ** 2).sum() / (2 * width**2))

    chosen = candidates[nearest]
    gram = np.array([[kernel(x, y) for y in chosen] for x in chosen])
    similarity = np.array([kernel(x, query) for x in chosen])
    factor = np.linalg.cholesky(gram)
    theta, residual = nnls(factor.T, np.linalg.solve(factor, similarity))
    weights = np.zeros(9)
    weights[nearest] = theta
    # K_qq - |L^-1 k|^2 is what no combination, of any sign, reaches
    error = residual**2 + 1 - similarity @ np.linalg.solve(gram, similarity)
    assert readouts["candidates_used"] == min(k, 9)
    assert readouts["neighbors"] == (theta > 1e-10).sum()
    assert readouts["sigma"] == pytest.approx(width, rel=1e-14)
    assert readouts["error"] == pytest.approx(error, abs=1e-10)
    np.testing.assert_allclose(readouts["weights"], weights, atol=1e-9)


@pytest.mark.parametrize(
    ("candidates", "k", "weights", "error"),
    [
        ([[1, 0], [2, 0], [0, -2]], 2, [0.60653, 0, 0], 0.63212),
        ([[-1, 0], [2, 0], [1, 0]], 3, [0.53423, 0, 0.53423], 0.35195),
        ([[1, 0], [0, 0], [-1, 0]], 12, [0, 1, 0], 0),  # a copy of the query
        ([[1, 0], [1, 0], [-1, 0], [1, 0]], 4, [0.53423, 0, 0.53423, 0], 0.35195),
        ([[0, 0], [0, 0], [0, 0]], 2, [1, 0, 0], 0),
    ],
)
def test_known_nnk_weights(candidates: list, k: int, weights: list[float], error: float) -> None:
    readouts = NNKExplorer(candidates=candidates, k=k, sigma=1).readouts()
    assert readouts["weights"] == pytest.approx(weights, abs=5e-6)
    assert [w > 0 for w in readouts["weights"]] == [w > 0 for w in weights]
    assert readouts["neighbors"] == sum(w > 0 for w in weights)
    assert readouts["error"] == pytest.approx(error, abs=5e-6)


def test_nnk_of_copies_of_the_query_is_undefined_unless_sigma_is_set() -> None:
    explorer = NNKExplorer(query=[1, 1], candidates=[[1, 1], [0, 0], [1, 1]], k=2)
    undefined = {"neighbors": None, "error": None, "weights": None}
    assert explorer.readouts() == {"candidates_used": 2, "sigma": 0, **undefined}
    explorer.sigma = 1e-7
    assert explorer.readouts() == {"candidates_used": 2, "sigma": 1e-7, **undefined}
    explorer.sigma, explorer.k = 0, 3
    assert explorer.readouts()["weights"] == [1, 0, 0]
    explorer.k, explorer.sigma = 2, 0.5
    assert explorer.readouts()["weights"] == [1, 0, 0]


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("taps", [1, 2, 3, 4, 12])
def test_correlation_readouts_agree_with_scipy(mode: str, taps: int) -> None:
    rng = np.random.default_rng(taps)
    x, k = rng.normal(size=12), rng.normal(size=taps)
    expected = correlate(x, k, mode=mode, method="direct")
    last = len(expected) - 1
    readouts = CorrelationExplorer(signal=x, kernel=k, mode=mode, position=last).readouts()
    np.testing.assert_allclose(readouts["output"], expected, atol=1e-12)
    assert readouts["output_length"] == len(expected)
    assert readouts["value"] == readouts["output"][last]


def test_signals_are_what_they_are_called() -> None:
    signals = {name: SimilarityExplorer(input=name, seed=1).signal for name in INPUTS}
    assert all(x.shape == (64,) and x.dtype == torch.float64 for x in signals.values())
    assert signals["impulse"].nonzero().tolist() == [[32]]
    assert signals["impulse"].sum() == 1
    assert torch.equal(signals["step"], (torch.arange(64) >= 32).double())
    assert torch.equal(signals["constant"], torch.ones(64, dtype=torch.float64))
    wave = torch.sin(torch.arange(64, dtype=torch.float64) * math.tau / 16)
    assert torch.allclose(signals["sine"], wave, rtol=0, atol=1e-14)
    assert torch.equal(signals["photograph"], photograph()[32])
    noise = torch.cat([SimilarityExplorer(seed=seed).signal for seed in range(40)])
    assert 0 <= noise.min() <= noise.max() < 1
    assert abs(noise.mean() - 0.5) < 0.02
    assert abs(noise.var() - 1 / 12) < 0.005
    assert not torch.equal(signals["noise"], SimilarityExplorer(seed=2).signal)


def test_a_zero_kernel_has_no_cosine() -> None:
    readouts = SimilarityExplorer(kernel_1=[0, 0], kernel_2=[1, 2]).readouts()
    assert readouts["kernel_cosine"] is None
    assert readouts["feature_map_cosine"] is None
    assert readouts["feature_map_similarity"] == 0


def test_a_zero_kernel_has_no_normalised_form() -> None:
    for kernels in ([[0, 0], [1, 2]], [[1, 2], [0, 0]], [[0, 0], [0, 0]]):
        readouts = SpectrumExplorer(kernel_1=kernels[0], kernel_2=kernels[1]).readouts()
        assert readouts["normalized_similarity"] is None
        assert readouts["convolutional_similarity"] == 0


def test_a_kernel_set_alone_brings_the_other_to_its_size() -> None:
    explorer = SimilarityExplorer(kernel_1=[1, 2, 3], kernel_2=[4, 5, 6])
    explorer.kernel_1 = [1, 2]
    assert explorer.kernel_2 == [4.0, 5.0]
    explorer.kernel_2 = [1, 2, 3, 4]
    assert explorer.kernel_1 == [1.0, 2.0, 0.0, 0.0]
    assert SimilarityExplorer(kernel_1=[1, 2]).kernel_2 == [0.5, 1.0]
    assert SpectrumExplorer(kernel_1=[1, 2]).kernel_2 == SpectrumExplorer().kernel_2[:2]

    image = ImageExplorer()
    image.kernel_1 = np.ones((5, 5))
    padded = np.pad(np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]), 1)
    assert image.kernel_2 == padded.tolist()
    image.kernel_2 = np.ones((3, 3))
    assert image.kernel_1 == np.ones((3, 3)).tolist()


def test_set_kernels_changes_both_at_once() -> None:
    explorer = SimilarityExplorer()
    seen: list[tuple[int, int]] = []
    explorer.observe(
        lambda change: seen.append((len(explorer.kernel_1), len(explorer.kernel_2))),
        names=["kernel_1", "kernel_2"],
    )
    explorer.set_kernels(torch.tensor([1.0, 2.0]), (3, 4))
    assert (explorer.kernel_1, explorer.kernel_2) == ([1.0, 2.0], [3.0, 4.0])
    assert seen == [(2, 2), (2, 2)]
    text = r"must have one size, got 2 and 3: lengthen the shorter one"
    with pytest.raises(ValueError, match=text):
        explorer.set_kernels([1, 2], [1, 2, 3])
    for explorer_type in (SimilarityExplorer, SpectrumExplorer):
        with pytest.raises(ValueError, match=text):
            explorer_type(kernel_1=[1, 2], kernel_2=[1, 2, 3])
    assert explorer.kernel_1 == [1.0, 2.0]


def test_messages_from_a_page_arrive_as_they_would_from_a_browser() -> None:
    explorer, seen = SimilarityExplorer(), []
    explorer.observe(lambda change: seen.append(change["new"]), "kernel_1")
    explorer.set_state({"kernel_1": [1, 2], "kernel_2": [3, 4]})
    assert (explorer.kernel_1, explorer.kernel_2) == ([1.0, 2.0], [3.0, 4.0])
    assert seen == [[1.0, 2.0]]
    image = ImageExplorer()
    image.set_state({"photograph": image.get_state()["photograph"], "seed": 3})
    assert image.photograph == (255 * photograph()).round().int().tolist()
    correlation = CorrelationExplorer()
    correlation.set_state({"mode": "valid", "position": 9})
    assert (correlation.mode, correlation.position) == ("valid", 9)


def test_explorers_compose_with_ipywidgets() -> None:
    explorer, slider = (
        SimilarityExplorer(kernel_1=[1, 0], kernel_2=[1, 0]),
        ipywidgets.FloatSlider(),
    )
    slider.observe(
        lambda change: explorer.set_trait(
            "kernel_2", [math.cos(change["new"]), math.sin(change["new"])]
        ),
        "value",
    )
    slider.value = 1.5
    assert explorer.kernel_2 == [math.cos(1.5), math.sin(1.5)]

    correlation, position = CorrelationExplorer(), ipywidgets.IntSlider(max=13)
    traitlets.link((position, "value"), (correlation, "position"))
    position.value = 11
    assert correlation.position == 11
    correlation.mode = "valid"
    assert position.value == 9  # the last of 10


def test_a_position_past_the_end_is_the_last() -> None:
    explorer = CorrelationExplorer(signal=[1, 2, 3], kernel=[1, 1], mode="valid", position=50)
    assert explorer.position == 1
    explorer.mode = "full"
    explorer.position = 50
    assert explorer.position == 3
    explorer.set_state({"signal": [1.0], "kernel": [1.0]})
    assert explorer.position == 0


@pytest.mark.parametrize("explorer_type", EXPLORERS)
def test_mime_bundle_is_a_live_view_and_a_page(explorer_type: type[Explorer]) -> None:
    bundle = explorer_type()._repr_mimebundle_()[0]
    again = explorer_type()._repr_mimebundle_()[0]
    assert set(bundle) == {"text/plain", "text/html", WIDGET_VIEW}
    assert re.fullmatch(r"[0-9a-f]{32}", bundle[WIDGET_VIEW]["model_id"])
    for kind in ("text/plain", "text/html"):
        assert bundle[kind] == again[kind]
        assert bundle[WIDGET_VIEW]["model_id"] not in bundle[kind]
    names = vars(__import__("convsim.explorers", fromlist=["x"]))
    assert eval(bundle["text/plain"], dict(names)).readouts() == explorer_type().readouts()  # noqa: S307
    assert len(bundle["text/plain"]) < 250


def test_ipython_takes_the_whole_bundle() -> None:
    data, _ = DisplayFormatter().format(SimilarityExplorer())
    assert set(data) == {"text/plain", "text/html", WIDGET_VIEW}


@pytest.mark.parametrize("explorer_type", EXPLORERS)
def test_static_html_holds_the_whole_state(explorer_type: type[Explorer]) -> None:
    explorer = explorer_type()
    state = state_of(explorer)
    copy = explorer_type()
    copy.set_state(state)
    assert copy.readouts() == explorer.readouts()
    synced = {n for n in explorer.keys if not n.startswith("_")} - set(ipywidgets.DOMWidget().keys)
    assert set(state) == synced
    assert f'data-explorer="{explorer.get_state()["_explorer"]}"' in explorer.static_html()


def test_static_html_cannot_be_ended_by_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = SimilarityExplorer()
    monkeypatch.setattr(
        explorer, "get_state", lambda names: {**dict.fromkeys(names, 0), "input": "</script><b>"}
    )
    assert state_of(explorer)["input"] == "</script><b>"


@pytest.mark.parametrize("explorer_type", EXPLORERS)
def test_live_view_is_the_page_script_and_one_line(explorer_type: type[Explorer]) -> None:
    explorer = explorer_type()
    script, line = explorer._esm.strip().rsplit("\n", 1)
    assert line == "export default { render: globalThis.convsimExplorers.render };"
    assert not re.search(r"^\s*(import|export)\b", script, re.MULTILINE)
    assert ".convsim-view" in explorer._css


LONG = list(range(17))
NAN = math.nan


@pytest.mark.parametrize(
    ("explorer_type", "name", "value", "text"),
    [
        (SimilarityExplorer, "kernel_1", [], "a list of 1 to 16 finite numbers, got []: it has 0 values; shorten or lengthen it"),
        (SimilarityExplorer, "kernel_1", LONG, "it has 17 values; shorten or lengthen it"),
        (SimilarityExplorer, "kernel_2", [1, NAN], "got [1, nan]: replace nan with a finite number"),
        (SimilarityExplorer, "kernel_2", [1, math.inf], "replace inf with a finite number"),
        (SimilarityExplorer, "kernel_2", [1, 1e7], "choose a number from -1000000 to 1000000"),
        (SimilarityExplorer, "kernel_1", [1, "a"], "replace 'a' with a finite number"),
        (SimilarityExplorer, "kernel_1", "0.5", "got '0.5': pass a list such as [0.5, -1.0, 0.5]"),
        (SimilarityExplorer, "kernel_1", 3, "got 3: pass a list such as [0.5, -1.0, 0.5]"),
        (SimilarityExplorer, "kernel_1", [[1], [2]], "it is nested; pass one flat list"),
        (SimilarityExplorer, "input", "music", "one of 'noise', 'impulse', 'step', 'sine', 'constant', 'photograph', got 'music': choose one"),
        (SimilarityExplorer, "input", ["noise"], "choose one of these names"),
        (SimilarityExplorer, "loss", "mse", "one of 'convolutional_similarity', 'kernel_similarity', got 'mse'"),
        (SimilarityExplorer, "seed", -1, "a whole number from 0 to 4294967295, got -1: choose a number from 0"),
        (SimilarityExplorer, "seed", 1.5, "replace 1.5 with a whole number"),
        (SimilarityExplorer, "learning_rate", 0, "a number from 1e-06 to 10, got 0: choose a number from 1e-06 to 10"),
        (SimilarityExplorer, "photograph", [1.0], "a list of 64 finite numbers, got [1.0]: it has 1 values"),
        (SpectrumExplorer, "kernel_1", LONG, "a list of 1 to 16 finite numbers, got [0, 1, 2, 3, 4, 5, ...]: it has 17 values"),
        (SpectrumExplorer, "kernel_2", [1, NAN], "got [1, nan]: replace nan with a finite number"),
        (SpectrumExplorer, "loss", "kernel_similarity", "one of 'convolutional_similarity', 'normalized', got 'kernel_similarity': choose one"),
        (SpectrumExplorer, "learning_rate", 11, "a number from 1e-06 to 10, got 11: choose a number from 1e-06 to 10"),
        (SpectrumExplorer, "seed", 2**32, "a whole number from 0 to 4294967295, got 4294967296"),
        (NormalizationExplorer, "scale", 0, "a number from 0.1 to 10, got 0: choose a number from 0.1 to 10"),
        (NormalizationExplorer, "angle", 181, "a number from -180 to 180, got 181"),
        (NormalizationExplorer, "learning_rate", NAN, "a number from 0.01 to 10, got nan: replace nan with a finite number"),
        (NormalizationExplorer, "steps", 0, "a whole number from 1 to 100, got 0: choose a number from 1 to 100"),
        (NormalizationExplorer, "steps", 2.5, "replace 2.5 with a whole number"),
        (NormalizationExplorer, "points", [[0, 0, 1]], 'The "points" trait is read-only'),
        (NNKExplorer, "query", [0, 2.5], "two numbers from -2 to 2, got [0, 2.5]: choose a number from -2 to 2"),
        (NNKExplorer, "query", [0], "got [0]: replace [0] with two numbers such as [0.5, -1.0]"),
        (NNKExplorer, "candidates", [[1, 0], [2, 0]], "3 to 12 points, each two numbers from -2 to 2, got [[1, 0], [2, 0]]: it has 2 points; add some or leave some out"),
        (NNKExplorer, "candidates", [[1, 0]] * 13, "it has 13 points; add some or leave some out"),
        (NNKExplorer, "candidates", [[1, 0], [2, 0], 3], "replace 3 with two numbers such as [0.5, -1.0]"),
        (NNKExplorer, "candidates", [[1, 0], [2, 0], [NAN, 0]], "replace nan with a finite number"),
        (NNKExplorer, "candidates", 3, "got 3: pass a list of points such as [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]"),
        (NNKExplorer, "k", 13, "a whole number from 1 to 12, got 13: choose a number from 1 to 12"),
        (NNKExplorer, "sigma", -1, "a number from 0 to 3, got -1: choose a number from 0 to 3"),
        (CorrelationExplorer, "mode", "circular", "one of 'full', 'same', 'valid', got 'circular'"),
        (CorrelationExplorer, "position", "first", "a whole number from 0 to 1000000, got 'first': replace 'first'"),
        (CorrelationExplorer, "kernel", [1] * 13, "kernel has 13 taps and signal 12 values, expected a kernel that is no longer than the signal: shorten"),
        (CorrelationExplorer, "signal", [1, 2], "kernel has 3 taps and signal 2 values"),
        (ImageExplorer, "kernel_1", [[1, 2], [3, 4]], "3 rows of 3 or 5 rows of 5 finite numbers, got [[1, 2], [3, 4]]: its rows have [2, 2] values"),
        (ImageExplorer, "kernel_1", [[1, 2, 3], [4, 5], [6, 7, 8]], "its rows have [3, 2, 3] values; give it as many rows as columns"),
        (ImageExplorer, "kernel_2", [1, 2, 3], "pass a list of rows, each a list of numbers"),
        (ImageExplorer, "kernel_2", [[1, 2, NAN], [1] * 3, [1] * 3], "replace nan with a finite number"),
        (ImageExplorer, "photograph", [[0.5] * 64] * 64, "it holds 0.5; turn grey values in [0, 1] with (255 * x).round()"),
        (ImageExplorer, "photograph", [[256] * 64] * 64, "it holds 256.0"),
        (ImageExplorer, "photograph", [[0] * 63] * 64, "64 rows of 64 whole grey values from 0 to 255"),
    ],
)  # fmt: skip
def test_errors_say_what_came_what_was_expected_and_what_to_do(
    explorer_type: type[Explorer], name: str, value: Any, text: str
) -> None:
    explorer = explorer_type()
    before = explorer.get_state()
    with pytest.raises(traitlets.TraitError, match=re.escape(text)) as raised:
        setattr(explorer, name, value)
    assert name in str(raised.value)
    assert explorer.get_state() == before
    with pytest.raises(traitlets.TraitError, match=re.escape(text)):
        explorer_type(**{name: value})
