"""Pages with explorers, opened from disk, and what can be read off them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Page

from convsim.explorers.base import Explorer
from convsim.explorers.network import NetworkExplorer
from convsim.explorers.script import javascript, stylesheet

# A kernel's view as anywidget would see it: Backbone's events, every call written down.
FAKE_MODEL = """
globalThis.fakeModel = (state) => {
  const listeners = {};
  return {
    state, calls: [],
    get: (key) => state[key],
    set(key, value) { this.calls.push(["set", key, value]); this.receive({ [key]: value }); },
    save_changes() { this.calls.push(["save_changes"]); },
    on(event, listener) { (listeners[event] ??= []).push(listener); },
    off(event, listener) { listeners[event] = listeners[event].filter((l) => l !== listener); },
    receive(patch) {
      Object.assign(state, patch);
      for (const key of Object.keys(patch)) (listeners[`change:${key}`] ?? []).forEach((l) => l());
    },
    count: () => Object.values(listeners).flat().length,
  };
};
"""


def largest(value: Any) -> float:
    """The size of the largest number in a readout."""
    return 1.0 if value is None else torch.tensor(value).abs().max().item()


@dataclass(frozen=True)
class Facts:
    """What the tests of every explorer must know of one: ``FACTS`` in ``test_<kind>.py``.

    Args:
        random: the explorer in a random state; the number counts the states from 0.
        slider: a CSS selector of its sliders, and a readout that answers to each of them.
        slowest: the explorer in the state that takes longest to draw.
        widest: the explorer in states that need most room.
        pictures: how many it draws.
        light: whether it is a question, without a row to share it and without an effect.
        mangled: ends of links that its explorer must not take.
        scale: the size of the numbers that a readout (name, value, all) is computed from.
        frame: milliseconds within which it answers.
        held: the explorer in a state that shows its sliders, if it does not begin with one.
    """

    random: Callable[[random.Random, int], Explorer]
    slider: tuple[str, str]
    slowest: Callable[[], Explorer]
    pictures: int
    light: bool = False
    widest: Callable[[], list[Explorer]] = list
    mangled: tuple[str, ...] = ()
    scale: Callable[[str, Any, dict[str, Any]], float] = field(
        default=lambda name, value, readouts: largest(value)
    )
    frame: float = 16.0
    held: Callable[[], Explorer] | None = None


def random_taps(rng: random.Random, count: int) -> list[float]:
    size = 10 ** rng.uniform(-2, 2)
    return [rng.uniform(-size, size) for _ in range(count)]


def supplies_of(explorer: Explorer) -> dict[str, Any]:
    """What a page of the book loads for an explorer when it is asked for."""
    if not isinstance(explorer, NetworkExplorer):
        return {}
    return {explorer.packed["name"]: explorer.packed, "pictures": explorer.pictures}


def write_page(folder: Path, *explorers: Explorer, head: str = "", supplied: bool = True) -> str:
    """Write a page as the book builds it, opened from disk, and return its address.

    ``supplied``: what explorers load when they are asked for has been loaded.
    """
    if supplied:
        taken = [
            f"convsimExplorers.take({json.dumps(name)}, {json.dumps(value)});"
            for explorer in explorers
            for name, value in supplies_of(explorer).items()
        ]
        head = f"<script>{''.join(taken)}</script>{head}" if taken else head
    static = folder / "_static"
    static.mkdir(exist_ok=True)
    (static / "explorers.js").write_text(javascript(), encoding="utf-8")
    (static / "explorers.css").write_text(stylesheet(), encoding="utf-8")
    path = folder / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Page</title>'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="_static/explorers.css">'
        f'<script src="_static/explorers.js"></script>{head}</head>'
        '<body style="margin: 16px; font-family: sans-serif">'
        f"{''.join(explorer.static_html() for explorer in explorers)}</body></html>",
        encoding="utf-8",
    )
    return path.as_uri()


def state_of(explorer: Explorer) -> dict[str, Any]:
    return {name: explorer.get_state(name)[name] for name in explorer.names}


def show_live(page: Page, folder: Path, explorer: Explorer) -> None:
    """Open a page that draws the explorer from a fake model, ``model``, until ``dispose()``."""
    page.goto(write_page(folder, head=f"<script>{FAKE_MODEL}</script>"))
    page.evaluate(
        """(state) => {
          globalThis.model = fakeModel(state);
          globalThis.dispose = convsimExplorers.render({ model, el: document.body });
        }""",
        {**state_of(explorer), "_explorer": explorer.kind},
    )


def readout(page: Page, name: str) -> float:
    return float(page.locator(f'[data-readout="{name}"]').first.get_attribute("data-value") or "")


def link_parts(page: Page, number: int = 0) -> dict[str, str]:
    link = page.locator(".convsim-link").nth(number).input_value()
    own = re.split("&(?=convsim=)", link.split("#")[1])[0]
    return dict(part.split("=") for part in own.split("&"))


def shown_kernels(page: Page, number: int = 0) -> dict[str, list[float]]:
    """The kernels in an explorer's own link, which are exact."""
    parts = link_parts(page, number)
    return {
        name: [float(v) for v in parts[name].split(",")] for name in parts if name.startswith("ke")
    }


def points_of(page: Page, mark: str) -> list[tuple[float, float]]:
    path = page.locator(mark).get_attribute("d") or ""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def assert_quiet(page: Page) -> None:
    assert page.errors == []  # type: ignore[attr-defined]
    assert page.outside_requests == []  # type: ignore[attr-defined]
