"""What the functions of neighbourhoods refuse: the second half of tests/test_inputs.py."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch

from convsim.neighborhoods.neighbors import nnk_neighbors
from convsim.neighborhoods.nnk import nnk_weights, nnk_weights_of_gram
from convsim.neighborhoods.nonnegative import nonnegative_least_squares
from convsim.neighborhoods.overlap import (
    aggregate_coverage,
    channel_overlap,
    channel_redundancy,
    channelwise_neighbors,
    neighbor_count,
    permuted,
)
from convsim.neighborhoods.summary import cosine_without_mean_picture, measure_neighborhoods

GENERATOR = torch.Generator().manual_seed(0)
x, q = torch.randn(9, 3, generator=GENERATOR), torch.randn(3, generator=GENERATOR)
a = torch.randn(9, 2, 3, 3, generator=GENERATOR)
eye = torch.eye(3)
found = channelwise_neighbors(a, k=3)
with warnings.catch_warnings():  # PyTorch's, of a layout that is there to be refused
    warnings.simplefilter("ignore", UserWarning)
    ragged = torch.nested.nested_tensor([x, x[:3]])

ROWS: list[tuple[Callable[[], object], str]] = [
    (lambda: nnk_weights(None, q), "candidates is a NoneType; expected a torch.Tensor"),
    (lambda: nnk_weights(x.tolist(), q), "candidates is a list; expected a torch.Tensor"),
    (lambda: nnk_weights(x.numpy(), q), "candidates is a ndarray; expected a torch.Tensor"),
    (lambda: nnk_weights(x, q.numpy()), "query is a ndarray; expected a torch.Tensor"),
    (
        lambda: nnk_weights(x.clone().requires_grad_(), q),
        r"candidates requires a gradient .* call candidates\.detach\(\)",
    ),
    (lambda: nnk_weights(x, q.clone().requires_grad_()), r"call query\.detach\(\)"),
    (
        lambda: nnk_weights(x.bfloat16(), q.bfloat16()),
        r"candidates has dtype torch\.bfloat16; expected .* call candidates\.float\(\)",
    ),
    (lambda: nnk_weights(x, q.half()), r"query has dtype torch\.float16; .* call query\.float\(\)"),
    (lambda: nnk_weights(x.to(torch.float8_e4m3fn), q), "candidates has dtype torch.float8_e4m3fn"),
    (lambda: nnk_weights(x.to_sparse(), q), "candidates has the layout torch.sparse_coo"),
    (lambda: nnk_weights(x.to("meta"), q), "candidates holds no numbers yet"),
    (lambda: nnk_weights(ragged, q), "candidates is a nested tensor"),
    (lambda: nnk_weights(x, q, sigma=True), "sigma is True; expected a finite number above 0"),
    (lambda: nnk_weights(x, q, sigma="1"), "sigma is '1'; expected a finite number above 0"),
    (lambda: nnk_weights(x, q, sigma=1j), "sigma is 1j; expected a finite number above 0"),
    (
        lambda: nnk_weights(x, q, sigma=[1.0]),
        r"sigma is \[1\.0\]; expected a finite number above 0",
    ),
    (lambda: nnk_weights(x, q, sigma=10**400), "expected a finite number above 0"),
    (lambda: nnk_weights(x, q, sigma=torch.tensor(True)), "sigma has dtype torch.bool"),
    (lambda: nnk_weights(x, q, sigma=torch.tensor(1j)), "sigma has dtype torch.complex64"),
    (
        lambda: nnk_weights(x, q, sigma=torch.ones(4)),
        r"sigma has shape \(4,\); expected one number or one for each query, \(\)",
    ),
    (
        lambda: nnk_weights(x, q, sigma=torch.ones((), requires_grad=True)),
        r"call sigma\.detach\(\)",
    ),
    (
        lambda: nnk_weights(1e200 * x.double(), q),
        "a squared distance from a query overflows float64; expected",
    ),
    (lambda: nnk_weights(x, q, kernel=None), "kernel is None; expected 'gaussian' or 'cosine'"),
    (lambda: nnk_weights_of_gram(None, q), "gram is a NoneType"),
    (lambda: nnk_weights_of_gram(eye, q.tolist()), "similarity is a list"),
    (lambda: nnk_weights_of_gram(eye.clone().requires_grad_(), q), r"call gram\.detach\(\)"),
    (lambda: nnk_weights_of_gram(eye, q.clone().requires_grad_()), r"call similarity\.detach\(\)"),
    (
        lambda: nnk_weights_of_gram(eye.bfloat16(), q),
        r"gram has dtype torch\.bfloat16; .* call gram\.float\(\)",
    ),
    (
        lambda: nnk_weights_of_gram(eye + eye.flip(0).triu(), q),
        "gram is not symmetric, matrix 0 differs from its transpose by 1",
    ),
    (
        lambda: nnk_weights_of_gram(torch.stack([eye, torch.ones(3, 3) - eye]), torch.ones(2, 3)),
        r"gram has the negative eigenvalue -1\.0e\+00, in matrix 1; expected",
    ),
    (
        lambda: nnk_weights_of_gram(-eye, q),
        r"gram has the negative eigenvalue -1\.0e\+00, in matrix 0",
    ),
    (
        lambda: nnk_weights_of_gram(2 * eye[:2, :2] - 1, torch.ones(2)),
        r"problem 0 of 1 has no solution: .* by 2\.0e\+00; expected at most 1e-06",
    ),
    (
        lambda: nonnegative_least_squares(eye[None], q[None]),
        r"gram has shape \(1, 3, 3\) and dtype torch\.float32, .* expected .*, both torch\.float64",
    ),
    (
        lambda: nonnegative_least_squares(eye.double(), q.double()),
        r"gram has shape \(3, 3\), 2 axes; expected at least 3",
    ),
    (lambda: nonnegative_least_squares(None, q), "gram is a NoneType"),
    (
        lambda: nonnegative_least_squares(
            eye.double()[None].clone().requires_grad_(), q[None].double()
        ),
        r"call gram\.detach\(\)",
    ),
    (lambda: nnk_neighbors(x, k=3.0), "k is 3.0; expected a whole number from 1 to 8"),
    (lambda: nnk_neighbors(x, k=True), "k is True; expected a whole number from 1 to 8"),
    (lambda: nnk_neighbors(x, k="3"), "k is '3'; expected a whole number from 1 to 8"),
    (lambda: nnk_neighbors(x, k=None), "k is None; expected a whole number from 1 to 8"),
    (lambda: nnk_neighbors(x, k=0), "k is 0 and there are 8 candidates; expected 1 to 8"),
    (lambda: nnk_neighbors(x, k=-1), "k is -1 and there are 8 candidates; expected 1 to 8"),
    (lambda: nnk_neighbors(None, k=3), "points is a NoneType"),
    (lambda: nnk_neighbors(x.tolist(), k=3), "points is a list"),
    (lambda: nnk_neighbors(x.numpy(), k=3), "points is a ndarray"),
    (lambda: nnk_neighbors(x, [0, 1], k=3), "queries is a list; expected a torch.Tensor"),
    (lambda: nnk_neighbors(x, 0, k=3), "queries is a int; expected a torch.Tensor"),
    (lambda: nnk_neighbors(x, torch.tensor([1j, 2j]), k=3), "queries has dtype torch.complex64"),
    (lambda: nnk_neighbors(x.clone().requires_grad_(), k=3), r"call points\.detach\(\)"),
    (lambda: nnk_neighbors(x, x.clone().requires_grad_(), k=3), r"call queries\.detach\(\)"),
    (
        lambda: nnk_neighbors(x.bfloat16(), k=3),
        r"points has dtype torch\.bfloat16; .* call points\.float\(\)",
    ),
    (lambda: nnk_neighbors(x.half(), k=3), r"call points\.float\(\)"),
    (lambda: nnk_neighbors(x.to_sparse(), k=3), "points has the layout torch.sparse_coo"),
    (lambda: nnk_neighbors(x.to("meta"), k=3), "points holds no numbers yet"),
    (
        lambda: nnk_neighbors(x, torch.zeros(2, 3, device="meta"), k=3),
        "queries holds no numbers yet",
    ),
    (
        lambda: nnk_neighbors(x, torch.zeros(2, device="meta", dtype=torch.int64), k=3),
        "queries holds no numbers yet",
    ),
    (
        lambda: nnk_neighbors(x, torch.tensor([0, 1]).to_sparse(), k=3),
        "queries has the layout torch.sparse_coo",
    ),
    (lambda: nnk_neighbors(x, k=3, sigma=1j), "sigma is 1j; expected a finite number above 0"),
    (lambda: nnk_neighbors(x, k=3, sigma="1"), "sigma is '1'; expected a finite number above 0"),
    (
        lambda: nnk_neighbors(x, k=3, sigma=False),
        "sigma is False; expected a finite number above 0",
    ),
    (
        lambda: nnk_neighbors(x, k=3, sigma=torch.ones(9)),
        r"sigma has shape \(9,\); expected one number for all queries",
    ),
    (lambda: nnk_neighbors(1e200 * x.double(), k=3), "overflows float64"),
    (lambda: channelwise_neighbors(a.tolist(), k=3), "activations is a list"),
    (lambda: channelwise_neighbors(None, k=3), "activations is a NoneType"),
    (lambda: channelwise_neighbors(a, [0], k=3), "queries is a list"),
    (
        lambda: channelwise_neighbors(a.clone().requires_grad_(), k=3),
        r"call activations\.detach\(\)",
    ),
    (
        lambda: channelwise_neighbors(a, a.clone().requires_grad_(), k=3),
        r"call queries\.detach\(\)",
    ),
    (
        lambda: channelwise_neighbors(a.bfloat16(), k=3),
        r"activations has dtype torch\.bfloat16; .* call activations\.float\(\)",
    ),
    (lambda: channelwise_neighbors(a, k=3.0), "k is 3.0; expected a whole number"),
    (
        lambda: channelwise_neighbors(a, k=3, sigma="1"),
        "sigma is '1'; expected a finite number above 0",
    ),
    (
        lambda: channel_overlap(found),
        "the neighbours are a ChannelNeighbors; expected a Neighbors: pass the channels",
    ),
    (lambda: channel_redundancy(None), "the neighbours are a NoneType; expected a Neighbors"),
    (lambda: channel_redundancy(found.aggregate), r"expected \(C, Q\): pass the channels"),
    (
        lambda: aggregate_coverage(found.channels),
        "the neighbours are a Neighbors; expected a ChannelNeighbors: pass",
    ),
    (lambda: neighbor_count(found), "the neighbours are a ChannelNeighbors; expected a Neighbors"),
    (lambda: permuted(found), "the neighbours are a ChannelNeighbors; expected a Neighbors"),
    (lambda: permuted(found.channels, seed="1"), "seed is '1'; expected a whole number, 0 or more"),
    (
        lambda: measure_neighborhoods(a, 3.0, 3),
        "queries is 3.0; expected a whole number of images, 1 or more",
    ),
    (
        lambda: measure_neighborhoods(a, 0, 3),
        "queries is 0; expected a whole number of images, 1 or more",
    ),
    (lambda: measure_neighborhoods(a, 3, 3.0), "k is 3.0; expected a whole number"),
    (lambda: measure_neighborhoods(a.tolist(), 3, 3), "activations is a list"),
    (lambda: cosine_without_mean_picture(None), "activations is a NoneType"),
]


@pytest.mark.parametrize(("call", "message"), ROWS)
def test_a_sentence_says_what_came_and_what_was_expected(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        call()
    assert "expected" in str(raised.value)
