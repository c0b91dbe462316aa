"""The explorer of the input: readouts against definitions and the theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets
from scipy.linalg import eigvalsh, fractional_matrix_power

from convsim import photographs
from convsim.explorers import InputExplorer
from convsim.explorers.input import INPUTS, SIDE
from convsim.explorers.similarity import uniform_noise

AWAY = ~np.eye(4, dtype=bool)


def in_loops(explorer: InputExplorer) -> dict[str, np.ndarray]:
    """Cosines and eigenvalues from their definitions, patch by patch."""
    x = explorer.signal.numpy()
    places = [(i, j) for i in range(len(x) - 2) for j in range(len(x) - 2)]
    patches = np.array([x[i : i + 3, j : j + 3].ravel() for i, j in places])
    if explorer.patches == "centered":
        patches = patches - patches.mean(axis=0)
    R = patches.T @ patches / len(patches)
    K = 2 * np.reshape(uniform_noise(explorer.seed, 36), (4, 9)) - 1
    K = K / np.linalg.norm(K, axis=1, keepdims=True)
    inner = K @ (R + explorer.eps * np.diag(R).mean() * np.eye(9)) @ K.T
    kernels = fractional_matrix_power(inner, -0.5) @ K
    kernel_gram, map_gram = (
        gram / np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
        for gram in (kernels @ kernels.T, kernels @ R @ kernels.T)
    )
    return {
        "kernel_cosine": np.abs(kernel_gram[AWAY]).mean(),
        "map_cosine": np.abs(map_gram[AWAY]).mean(),
        "eigenvalues": eigvalsh(R)[::-1] / np.trace(R),
        "kernel_gram": kernel_gram,
        "map_gram": map_gram,
    }


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("patches", ["raw", "centered"])
@pytest.mark.parametrize("eps", [1e-6, 0.01, 1e4])
def test_readouts_agree_with_their_definitions(name: str, patches: str, eps: float) -> None:
    explorer = InputExplorer(input=name, patches=patches, eps=eps, seed=7)
    readouts, expected = explorer.readouts(), in_loops(explorer)
    assert list(readouts) == list(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(readouts[key], value, atol=1e-9, err_msg=key)


def test_the_ends_of_eps_make_kernels_orthogonal_or_maps() -> None:
    for name in INPUTS:
        kernels, maps = (InputExplorer(input=name, eps=eps).readouts() for eps in (1e4, 1e-6))
        assert np.abs(np.array(kernels["kernel_gram"])[AWAY]).max() < 5e-4
        assert np.abs(np.array(maps["map_gram"])[AWAY]).max() < 5e-4
        near_white = name == "noise"
        assert (kernels["map_cosine"] < 0.05) == near_white
        assert (maps["kernel_cosine"] < 0.05) == near_white
    # nearest to white after noise: no eigenvalue of R has more than twice its share
    largest = {name: InputExplorer(input=name).readouts()["eigenvalues"][0] for name in INPUTS}
    assert sorted(largest, key=largest.__getitem__)[:2] == ["noise", "differences"]
    assert largest["differences"] < 2 / 9 < 0.9 < largest["photograph"] < largest["constant"]
    centered = InputExplorer(input="constant", patches="centered").readouts()
    noise = InputExplorer(input="noise", patches="centered").readouts()
    np.testing.assert_allclose(centered["map_gram"], noise["map_gram"], atol=1e-11)


def test_inputs_without_any_power_have_no_readouts() -> None:
    one = [[77] * SIDE] * SIDE
    black = InputExplorer(input="own", own=[[0] * SIDE] * SIDE)
    assert set(black.readouts().values()) == {None}
    constant = InputExplorer(input="own", own=one, patches="centered")
    assert set(constant.readouts().values()) == {None}
    constant.patches = "raw"
    np.testing.assert_allclose(np.abs(constant.readouts()["map_gram"]), 1, atol=1e-12)
    constant.own = [[78, *one[0][1:]], *one[1:]]  # one level in one corner
    constant.patches = "centered"
    assert constant.readouts()["eigenvalues"] == pytest.approx([1, *[0] * 8], abs=1e-12)


def test_pictures_travel_as_base64_and_say_what_is_wrong() -> None:
    flower = (255 * photographs.photograph("flower", SIDE)).round()
    explorer = InputExplorer(own=flower)
    assert explorer.own == InputExplorer().own == flower.int().tolist()
    other = InputExplorer()
    other.set_state(InputExplorer(own=torch.arange(1024).view(SIDE, SIDE) % 256).get_state(["own"]))
    assert other.own == (np.arange(1024).reshape(SIDE, SIDE) % 256).tolist()
    for value, text in (
        ([[1, 2], [3, 4]], r"32 rows of 32 whole .*: its shape is \(2, 2\); cut or average it to"),
        (flower / 255, r"turn grey values in \[0, 1\] with \(255 \* x\)\.round\(\)"),
        (flower - 300, r"turn grey values"),
        ("picture", "own must be 32 rows of 32"),
    ):
        with pytest.raises(traitlets.TraitError, match=text):
            InputExplorer(own=value)
