"""What the conditions start from that bring the input in, by passes and patches of our own."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, leaky_relu, max_pool2d, unfold

from convsim.data import Images
from convsim.experiments.cifar10 import TrainingSettings, initialise
from convsim.experiments.conditions import INPUT, SHRUNK
from convsim.layers import convolutional_layers
from convsim.training import fit
from convsim.training.deconvolution import Deconvolution, folded
from tests.small_sweeps import TEST, TRAIN, layer_weights
from tests.test_conditions import default, kernel_norms

pytestmark = pytest.mark.usefixtures("one_thread")

WITHOUT_IMAGES = {"orthogonal-kernels", "orthogonal-kernels-scale", "decov", "decov-scale"}
UNCORRELATED = ["orthogonal-maps", "orthogonal-maps-power", "orthogonal-maps-leading"]


def colored(images: Images) -> Images:
    """Three digits a picture: the digits themselves are grey."""
    grey = images.pixels[:, 0]
    return Images(
        torch.stack([grey, grey.roll(1, 0), grey.roll(2, 0)], dim=1).contiguous(),
        *(images.labels, images.mean, images.std, images.classes, images.source),
    )


COLORED = colored(TRAIN)
PICTURES = COLORED.normalized(slice(None)).double()  # a start sees up to 1,000: all of them


@cache
def initial(condition: str, seed: int = 3) -> nn.Module:
    settings = TrainingSettings(condition, width=8, seed=seed, iterations=100)
    return initialise(settings, "cpu", train=COLORED)[0]


def parameters(condition: str) -> list[Tensor]:
    return [layer.weight for _, layer in convolutional_layers(initial(condition))]


def weights(condition: str) -> list[Tensor]:
    return layer_weights(initial(condition))


def maps(kernels: list[Tensor]) -> list[np.ndarray]:
    """The maps of every layer of a ShallowCNN as rows, from plain convolutions of the pictures."""
    found, x = [], PICTURES
    for weight in kernels:
        x = conv2d(x, weight.double(), padding=2)
        found.append(x.transpose(0, 1).flatten(1).numpy())
        x = leaky_relu(max_pool2d(batch_norm(x, None, None, training=True), 2), 0.2)
    return found


def correlation(rows: np.ndarray) -> float:
    return float(np.abs(np.corrcoef(rows))[np.triu_indices(len(rows), 1)].max())


def mean_square(rows: np.ndarray) -> float:
    return float(np.square(np.corrcoef(rows))[np.triu_indices(len(rows), 1)].mean())


def patches(size: int, padding: int) -> np.ndarray:
    return unfold(PICTURES, size, padding=padding).transpose(1, 2).flatten(0, 1).numpy()


def test_orthogonal_kernels_have_the_defaults_norms() -> None:
    for ours, start in zip(weights("orthogonal-kernels"), layer_weights(default()), strict=True):
        torch.testing.assert_close(kernel_norms(ours), kernel_norms(start), rtol=1e-5, atol=0)
        cosines = torch.nn.functional.normalize(ours.flatten(1).double())
        gram = cosines @ cosines.T
        torch.testing.assert_close(gram, torch.eye(8).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("condition", UNCORRELATED)
def test_maps_are_uncorrelated_in_every_layer(condition: str) -> None:
    ours, plain = maps(weights(condition)), maps(layer_weights(default()))
    assert all(correlation(rows) < 1e-3 for rows in ours)
    assert all(correlation(rows) > 0.1 for rows in plain)


def test_raw_maps_are_orthogonal_with_their_means_which_the_others_are_not() -> None:
    def cosine(rows: np.ndarray) -> float:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return float(np.abs(unit @ unit.T)[np.triu_indices(len(rows), 1)].max())

    raw, centred = (maps(weights(f"orthogonal-maps{name}")) for name in ("-raw", ""))
    assert all(cosine(rows) < 1e-3 for rows in raw)
    # The mean of the images is zero, that of every later layer's input is not.
    assert all(cosine(rows) > 0.1 for rows in centred[1:])
    assert all(correlation(rows) > 0.1 for rows in raw[1:])


@pytest.mark.parametrize("condition", ["", "-ridge", "-raw", "-leading", "-first"])
def test_kernels_keep_the_norms_of_the_default(condition: str) -> None:
    ours, start = weights(f"orthogonal-maps{condition}"), layer_weights(default())
    for weight, before in zip(ours, start, strict=True):
        torch.testing.assert_close(kernel_norms(weight), kernel_norms(before), rtol=1e-5, atol=0)


@pytest.mark.parametrize("ridge", ["", "-ridge"])
def test_maps_keep_their_power_if_the_condition_says_so(ridge: str) -> None:
    names = (f"orthogonal-maps-power{ridge}", f"orthogonal-maps{ridge}")
    for long, short in zip(*map(weights, names), strict=True):
        cosines = torch.cosine_similarity(long.flatten(1), short.flatten(1))
        torch.testing.assert_close(cosines, torch.ones(len(long)), rtol=0, atol=1e-4)
    ours, others = (maps(weights(name)) for name in names)
    start = maps(layer_weights(default()))
    for rows, before in zip(ours, start, strict=True):
        np.testing.assert_allclose(rows.var(1), before.var(1), rtol=1e-3)
    apart = [np.abs(b.var(1) / a.var(1) - 1).max() for a, b in zip(start, others, strict=True)]
    assert min(apart) > 0.1


def test_the_first_layer_is_changed_alone() -> None:
    first, *rest = weights("orthogonal-maps-first")
    assert torch.equal(first, weights("orthogonal-maps")[0])
    assert all(map(torch.equal, rest, layer_weights(default())[1:]))


@pytest.mark.parametrize(
    ("condition", "eps", "centred"),
    [("orthogonal-maps", 0, True), ("orthogonal-maps-ridge", 0.01, True)]
    + [("orthogonal-maps-raw", 0, False)],
)
def test_the_first_layer_is_the_closed_form(condition: str, eps: float, centred: bool) -> None:
    rows = patches(3, padding=2)
    R = np.cov(rows.T, bias=True) if centred else rows.T @ rows / len(rows)
    R = R + eps * np.trace(R) / len(R) * np.eye(len(R))
    start = layer_weights(default())[0].flatten(1).double().numpy()
    expected = fractional_matrix_power(start @ R @ start.T, -0.5) @ start
    lengths = np.linalg.norm(start, axis=1) / np.linalg.norm(expected, axis=1)
    found = weights(condition)[0].flatten(1)
    np.testing.assert_allclose(found, expected * lengths[:, None], rtol=1e-4, atol=1e-5)


def test_leading_kernels_lie_in_the_strongest_directions() -> None:
    vectors = np.linalg.eigh(np.cov(patches(3, padding=2).T))[1]
    leading, plain = (
        weights(name)[0].flatten(1).double().numpy() @ vectors[:, :-8]
        for name in ("orthogonal-maps-leading", "orthogonal-maps")
    )
    assert np.abs(leading).max() < 1e-6 < 0.1 < np.abs(plain).max()


@pytest.mark.parametrize("condition", [name for name in SHRUNK if "layer" not in name])
def test_layers_have_the_norms_of_algorithm_1(condition: str) -> None:
    ours, shrunk, start = weights(condition), weights("scale"), layer_weights(default())
    for weight, short, long in zip(ours, shrunk, start, strict=True):
        assert weight.norm() < 0.95 * long.norm()
        torch.testing.assert_close(weight.norm(), short.norm(), rtol=1e-4, atol=0)
    unshrunk = weights(condition.removesuffix("-scale"))
    for weight, before in zip(ours, unshrunk, strict=True):
        torch.testing.assert_close(weight / weight.norm(), before / before.norm())


def test_the_layer_ahead_shrinks_with_none_but_the_next_one() -> None:
    ours, long = weights("whitening-layer-scale"), weights("whitening-layer")
    shrunk, start = weights("scale"), layer_weights(default())
    assert torch.equal(ours[0], long[0])
    assert all(map(torch.equal, ours[2:], shrunk[1:]))
    torch.testing.assert_close(ours[1].norm() / long[1].norm(), shrunk[0].norm() / start[0].norm())


def test_the_layer_ahead_whitens_and_is_frozen() -> None:
    model = initial("whitening-layer")
    weight = layer_weights(model)[0]
    rows = patches(2, padding=0)
    values = np.linalg.eigvalsh(rows.T @ rows / len(rows))
    assert torch.equal(weight[:12], -weight[12:])
    outputs = rows @ weight[:12].flatten(1).double().numpy().T
    white = np.diag(values / (values + 5e-4))
    np.testing.assert_allclose(outputs.T @ outputs / len(rows), white, atol=1e-4)
    # What the layer itself puts out, and what a training makes of it: nothing.
    ahead = model.get_submodule("blocks.0.0.0")
    found = ahead(PICTURES.float()[:5]).movedim(1, -1).flatten(0, -2).detach()
    np.testing.assert_allclose(found[:, :12], outputs[: len(found)], atol=1e-2)
    trained = initial.__wrapped__("whitening-layer")
    fit(trained, COLORED, TEST, epochs=1, lr=0.1, weight_decay=0.1, progress=False)
    after = layer_weights(trained)
    assert torch.equal(after[0], weight) and not torch.equal(
        after[1], weights("whitening-layer")[1]
    )


def test_the_other_layer_ahead_is_trained() -> None:
    ahead, first, *rest = weights("extra-layer")
    assert all(weight.requires_grad for weight in parameters("extra-layer"))
    assert [weight.requires_grad for weight in parameters("whitening-layer")] == [
        False,
        *[True] * 4,
    ]
    white = weights("whitening-layer")
    assert ahead.shape == white[0].shape == (24, 3, 2, 2)
    assert torch.equal(first, white[1]) and first.shape == (8, 24, 3, 3)
    assert all(map(torch.equal, rest, layer_weights(default())[1:]))
    # PyTorch's default is uniform, up to one by the root of the number of taps.
    for weight in (ahead, first):
        bound = weight[0].numel() ** -0.5
        assert 0.9 * bound < weight.abs().max() <= bound
        assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.1)
    assert not torch.equal(ahead, layer_weights(initial("extra-layer", seed=4))[0])


def test_deconvolution_starts_from_the_default_and_has_seen_the_images() -> None:
    model = initial("deconvolution")
    found = [module for module in model.modules() if isinstance(module, Deconvolution)]
    start = layer_weights(default())
    assert len(found) == 4 and all(map(torch.equal, weights("deconvolution"), start))
    plain, white = (maps(of)[0] for of in (start, layer_weights(folded(model))))
    assert mean_square(white) < 0.7 * mean_square(plain)


@pytest.mark.parametrize("condition", sorted({*INPUT, *SHRUNK} - WITHOUT_IMAGES))
def test_what_needs_images_says_so(condition: str) -> None:
    settings = TrainingSettings(condition, width=4, iterations=1)
    message = "looks at training images, and none are given; expected some: pass `train` to init"
    with pytest.raises(ValueError, match=message):
        initialise(settings, "cpu")


@pytest.mark.parametrize("condition", ["orthogonal-maps", "whitening-layer-scale", "deconvolution"])
def test_what_is_drawn_depends_on_the_seed_alone(condition: str) -> None:
    torch.manual_seed(99)
    state = torch.get_rng_state()
    again = initial.__wrapped__(condition)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(map(torch.equal, layer_weights(again), weights(condition)))
    other = layer_weights(initial(condition, seed=4))
    assert not any(map(torch.equal, other[1:], weights(condition)[1:]))
