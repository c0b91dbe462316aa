"""Tensors in, figures out.

Plotly figures carry a description in ``layout.meta.alt``, which the built page reads out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from convsim.correlation import cross_correlate
from convsim.extras import extra
from convsim.photographs import photograph
from convsim.similarity import feature_map_similarity, kernel_similarity
from convsim.spectrum import power_spectrum

with extra("experiments"):
    import matplotlib.pyplot as plt
    import plotly.graph_objects as go
    from matplotlib.figure import Figure
    from plotly.subplots import make_subplots

# Okabe and Ito's colours, which colour-blind readers can tell apart; dark enough for white and
# light enough for dark pages.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8C6D00", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross")


def lines(
    series: Mapping[str, tuple[Sequence[float] | Tensor, Sequence[float] | Tensor]],
    *,
    x_title: str,
    y_title: str,
    alt: str,
    log: str = "",
    markers: bool = False,
) -> go.Figure:
    """Line chart of named (x, y) series; ``log`` names the logarithmic axes, such as ``"xy"``."""
    figure = go.Figure()
    for number, (name, (x, y)) in enumerate(series.items()):
        figure.add_scatter(
            x=rounded(x),
            y=rounded(y),
            name=name,
            mode="lines+markers" if markers else "lines",
            line={"color": COLORS[number], "dash": ("solid", "dash", "dot", "dashdot")[number % 4]},
            marker={"symbol": SYMBOLS[number]},
        )
    figure.update_xaxes(title_text=x_title, type="log" if "x" in log else "linear")
    figure.update_yaxes(
        title_text=y_title, type="log" if "y" in log else "linear", exponentformat="power"
    )
    return finish(figure, height=380, alt=alt)


def stems(panels: Mapping[str, Tensor], *, columns: int = 1) -> Figure:
    """One stem plot a panel, on a shared vertical scale, for short signals and kernels."""
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(7, 1.5 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    for number, (axis, (title, values)) in enumerate(zip(axes.flat, panels.items(), strict=True)):
        axis.axhline(0, color="0.6", linewidth=0.8)
        color = COLORS[number % len(COLORS)]
        axis.vlines(np.arange(len(values)), 0, values.numpy(), color=color, linewidth=2)
        axis.plot(values.numpy(), "o", color=color, markersize=5)
        axis.set_title(title, fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def images(panels: Mapping[str, Tensor], *, signed: bool = False) -> Figure:
    """Grey pictures side by side; with ``signed``, mid-grey is 0 and all share one scale."""
    figure, axes = plt.subplots(
        1, len(panels), figsize=(2.4 * len(panels), 2.7), squeeze=False, layout="constrained"
    )
    largest = max(float(values.abs().max()) for values in panels.values())
    limits = (-largest, largest) if signed else (None, None)
    for axis, (title, values) in zip(axes.flat, panels.items(), strict=True):
        axis.imshow(values.numpy(), cmap="gray", vmin=limits[0], vmax=limits[1])
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    return figure


def spectra(layers: Mapping[str, Tensor], *, count: int = 6) -> Figure:
    """Power spectra of the first kernels of some layers, a row a layer, and their mean over all.

    Zero frequency is in the middle of each square, and all squares share one scale.

    Args:
        layers: weights ``(S, C, h, w)`` by name.
        count: kernels shown of each.
    """
    figure, axes = plt.subplots(
        len(layers), count + 1, figsize=(7.4, 1.15 * len(layers)), layout="constrained"
    )
    spectra = {name: power_spectrum(weight, size=33) for name, weight in layers.items()}
    bright = 5 * max(float(power.mean()) for power in spectra.values())
    for row, (name, power) in zip(axes, spectra.items(), strict=True):
        centred = torch.fft.fftshift(power, dim=(-2, -1))
        for axis, values in zip(row, (*centred[:count], centred.mean(dim=0)), strict=True):
            # Without interpolation, which more than doubles the bytes of the picture.
            axis.imshow(values.numpy(), cmap="magma", vmin=0, vmax=bright, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
        row[-1].spines[:].set_edgecolor(COLORS[0])
        row[-1].spines[:].set_linewidth(2)
    for number, axis in enumerate(axes[0]):
        axis.set_title("mean" if number == count else f"K{number + 1}", fontsize=10)
    return figure


def eigenpatches(
    autocorrelations: Mapping[str, Tensor], *, size: int = 3, count: int = 9
) -> Figure:
    """The leading eigenvectors of some patch autocorrelations, each with its share of the power.

    Args:
        autocorrelations: R by name, of patches of grey or colour images, a row each.
        size: side of the patches.
        count: eigenvectors shown of each.
    """
    height = 1.15 * len(autocorrelations)
    figure, axes = plt.subplots(
        len(autocorrelations), count, figsize=(7.4, height), squeeze=False, layout="constrained"
    )
    for row, (name, R) in zip(axes, autocorrelations.items(), strict=True):
        values, vectors = torch.linalg.eigh(R)
        shares = (values / values.sum()).flip(0)
        for axis, share, vector in zip(row, shares, vectors.T.flip(0), strict=False):
            pattern = vector.view(-1, size, size).permute(1, 2, 0)
            # The sign is anybody's; the first one is to look bright.
            pattern = pattern * pattern.sum().sign() if axis is row[0] else pattern
            shown = 0.5 + pattern / pattern.abs().max() / 2
            axis.imshow(shown.squeeze(2).numpy(), cmap="gray", vmin=0, vmax=1)
            axis.set_title(f"{share:.1%}" if share >= 0.001 else f"{share:.2%}", fontsize=9)
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    return figure


def collapse(kernels: int = 4, channels: int = 3) -> Figure:
    """What the linear form saves: a square of correlations against a line of autocorrelations."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(7, 3.2), width_ratios=[3, 1.4], layout="constrained"
    )
    size = kernels * channels
    i, j = np.divmod(np.arange(size**2), size)
    counted = i // channels < j // channels
    left.plot(j[~counted], i[~counted], "s", color="0.88", markersize=7)
    left.plot(j[counted], i[counted], "s", color=COLORS[1], markersize=7)
    left.set_title(f"{counted.sum()} correlations Kᵢ[c₁] ⋆ Kⱼ[c₂]", fontsize=11)
    for axis in (left, right):
        ticks = np.arange(kernels) * channels + (channels - 1) / 2
        axis.set_yticks(ticks, [f"K{n}" for n in range(1, kernels + 1)])
        axis.set_ylim(size - 0.5, -0.5)
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
    left.set_xticks(ticks, [f"K{n}" for n in range(1, kernels + 1)])
    left.set_aspect("equal")
    right.plot(np.zeros(size), np.arange(size), "s", color=COLORS[0], markersize=7)
    right.set_xticks([])
    right.set_xlim(-1, 1)
    right.set_title(f"{size} of the form\nKᵢ[c] ⋆ Kᵢ[c]", fontsize=11)
    return figure


def orthogonal_yet_similar() -> Figure:
    """The book's first picture: two kernels without a common tap, and their feature maps."""
    k1, k2 = torch.tensor([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], dtype=torch.float64)
    x = photograph("china")[32]
    f1, f2 = cross_correlate(x, k1), cross_correlate(x, k2)
    cosine = feature_map_similarity(f1, f2) / (f1.norm() * f2.norm())
    figure = plt.figure(figsize=(8, 2.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 2.6])
    for row, (name, kernel) in enumerate({"K₁": k1, "K₂": k2}.items()):
        axis = figure.add_subplot(grid[row, 0])
        axis.bar(range(6), kernel.numpy(), color=COLORS[row], width=0.7)
        axis.set(ylabel=name, xticks=range(6), yticks=[0, 1], ylim=(0, 1.15))
        axis.spines[["top", "right"]].set_visible(False)
        if row == 0:
            axis.set_title(f"⟨K₁, K₂⟩ = {kernel_similarity(k1, k2):.0f}", loc="left", fontsize=11)
    axis = figure.add_subplot(grid[:, 1])
    for row, (name, values) in enumerate({"F₁": f1, "F₂": f2}.items()):
        axis.plot(
            values.numpy(),
            color=COLORS[row],
            linewidth=2,
            linestyle=("-", "--")[row],
            label=name,
        )
    axis.set_title(f"cos(F₁, F₂) = {cosine:.2f}", loc="left", fontsize=11)
    axis.set_xlabel("position")
    axis.legend(frameon=False, ncols=2, loc="upper left")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def cover() -> Figure:
    """The book's cover, 1200 × 630 as link previews show it: twenty kernels, one feature map.

    Kernel n has three ones, at taps 3n to 3n + 2: no two share a tap, so every pair is orthogonal.
    """
    x = photograph("china", 213)[98]
    kernels = torch.eye(20, dtype=torch.float64).repeat_interleave(3, dim=1)
    maps = torch.stack([cross_correlate(x, kernel, mode="valid") for kernel in kernels])
    figure = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="#0d1b2a")
    axis = figure.add_axes((0.0, 0.0, 1.0, 0.74))
    for number, values in enumerate(maps.flip(0).numpy()):
        highlight = {3: "#56B4E9", 14: "#E69F00"}.get(number)
        height = (len(maps) - number) * 0.32
        order = 2 * number
        axis.fill_between(range(len(values)), values + height, -1, color="#0d1b2a", zorder=order)
        axis.plot(
            values + height,
            color=highlight or "#7b8fa6",
            linewidth=3.2 if highlight else 1.1,
            zorder=order + 1,
        )
    axis.set(xlim=(0, maps.shape[1] - 1), ylim=(0.5, maps.max() + 0.32 * len(maps) + 0.1))
    axis.set_axis_off()
    figure.text(
        0.045, 0.93, "When kernels are orthogonal", color="white", size=34, va="top", weight="bold"
    )
    figure.text(
        0.045, 0.83, "and feature maps are not", color="white", size=34, va="top", weight="bold"
    )
    return figure


def stacked(titles: list[str]) -> go.Figure:
    """Panels one above the other, over one axis of steps."""
    figure = make_subplots(
        rows=len(titles), shared_xaxes=True, subplot_titles=titles, vertical_spacing=0.08
    )
    figure.update_xaxes(title_text="step", row=len(titles))
    return figure


def finish(figure: go.Figure, *, height: int, alt: str) -> go.Figure:
    """Give a figure the book's margins and legend, and the description it is read out by."""
    figure.update_layout(
        height=height,
        margin={"l": 60, "r": 20, "t": 40, "b": 60},
        legend={"orientation": "h", "y": 1.06, "yanchor": "bottom", "x": 0},
        meta={"alt": alt},
    )
    return figure


def rounded(values: Sequence[float] | Tensor) -> list[float]:
    """Numbers to five digits, so that a chapter run again stores the same output."""
    return [float(f"{float(value):.5g}") for value in values]
