"""Every explorer's Python side: its state, its page, its live view, its script."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from typing import Any

import ipywidgets
import pytest
import traitlets
from IPython.core.formatters import DisplayFormatter

from convsim import explorers
from convsim.explorers import CorrelationExplorer, ImageExplorer, SimilarityExplorer
from convsim.explorers.base import Explorer
from convsim.explorers.script import EXPLORERS, declarations, javascript, pieces
from convsim.photographs import photograph

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
every_explorer = pytest.mark.parametrize("explorer_type", EXPLORERS.values())


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
    assert parser.tags[0] == "div" and parser.tags.index("script") == len(parser.tags) - 1
    return json.loads(parser.text)


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


@every_explorer
def test_mime_bundle_is_a_live_view_and_a_page(explorer_type: type[Explorer]) -> None:
    bundle = explorer_type()._repr_mimebundle_()[0]
    again = explorer_type()._repr_mimebundle_()[0]
    assert set(bundle) == {"text/plain", "text/html", WIDGET_VIEW}
    assert re.fullmatch(r"[0-9a-f]{32}", bundle[WIDGET_VIEW]["model_id"])
    for kind in ("text/plain", "text/html"):
        assert bundle[kind] == again[kind]
        assert bundle[WIDGET_VIEW]["model_id"] not in bundle[kind]
    assert (
        eval(bundle["text/plain"], dict(vars(explorers))).readouts() == explorer_type().readouts()
    )  # noqa: S307
    assert len(bundle["text/plain"]) < 250


def test_ipython_takes_the_whole_bundle() -> None:
    data, _ = DisplayFormatter().format(SimilarityExplorer())
    assert set(data) == {"text/plain", "text/html", WIDGET_VIEW}


@every_explorer
def test_static_html_holds_the_whole_state(explorer_type: type[Explorer]) -> None:
    explorer = explorer_type()
    state = state_of(explorer)
    copy = explorer_type()
    copy.set_state(state)
    assert copy.readouts() == explorer.readouts()
    synced = {n for n in explorer.keys if not n.startswith("_")} - set(ipywidgets.DOMWidget().keys)
    assert {*state, *explorer._supplied, "examples"} == synced
    assert f'data-explorer="{explorer.kind}"' in explorer.static_html()


def test_examples_go_with_the_page_and_leave_the_state_alone() -> None:
    plain = CorrelationExplorer()
    assert "examples" not in plain.static_html()
    trying = CorrelationExplorer(examples={"One tap": {"kernel": (1, 0)}})
    assert trying.examples == {"One tap": {"kernel": [1.0, 0.0]}}
    assert '"examples": {"One tap": {"kernel": [1.0, 0.0]}}' in trying.static_html()
    assert trying.readouts() == plain.readouts()
    assert repr(trying) == repr(plain)


def test_static_html_cannot_be_ended_by_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = SimilarityExplorer()
    monkeypatch.setattr(
        explorer, "get_state", lambda names: {**dict.fromkeys(names, 0), "input": "</script><b>"}
    )
    assert state_of(explorer)["input"] == "</script><b>"


@every_explorer
def test_live_view_is_the_page_script_and_one_line(explorer_type: type[Explorer]) -> None:
    explorer = explorer_type()
    script, line = explorer._esm.strip().rsplit("\n", 1)
    assert line == "export default { render: globalThis.convsimExplorers.render };"
    assert not re.search(r"^\s*(import|export)\b", script, re.MULTILINE)
    assert ".convsim-view" in explorer._css


def test_the_package_offers_every_explorer_and_every_explorer_is_drawn() -> None:
    assert explorers.__all__ == sorted(explorer.__name__ for explorer in EXPLORERS.values())
    for kind, explorer_type in EXPLORERS.items():
        assert explorer_type is getattr(explorers, explorer_type.__name__)
        assert f"DRAWINGS.{kind} = {{" in pieces()[f"{kind}.js"]
    assert list(pieces())[-len(EXPLORERS) :] == sorted(f"{kind}.js" for kind in EXPLORERS)


def test_a_subclass_or_an_added_trait_makes_no_new_explorer() -> None:
    before = dict(EXPLORERS)

    class Mine(CorrelationExplorer):
        title = traitlets.Unicode()

    mine = Mine()
    mine.add_traits(colour=traitlets.Unicode("red"))
    assert (mine.kind, mine.names) == ("correlation", CorrelationExplorer.names)
    assert before == EXPLORERS


def test_an_explorer_that_nothing_draws_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPLORERS, "circle", CorrelationExplorer)
    text = r"no convsim/explorers/js/circle\.js, expected a file for each of .*circle: write it"
    with pytest.raises(FileNotFoundError, match=text):
        pieces()


def test_a_trait_that_javascript_cannot_check_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CorrelationExplorer, "names", ("tooltip",))
    with pytest.raises(TypeError, match="tooltip is a .*, expected a trait from convsim.explorers"):
        declarations()


def test_the_script_is_its_pieces_without_comments() -> None:
    script = javascript()
    assert not re.search(r"^\s*//", script, re.MULTILINE)
    assert "/**" not in script
    assert '"k":{"low":1,"high":12,"whole":true}' in script
