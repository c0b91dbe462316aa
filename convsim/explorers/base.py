"""What every explorer is: one view and one state, in a notebook and on a page without a kernel."""

from __future__ import annotations

import html
import json
from typing import Any, ClassVar

import anywidget
import torch
import traitlets

from convsim.explorers.script import EXPLORERS, module, stylesheet

Readouts = dict[str, Any]


class Explorer(anywidget.AnyWidget):
    """An ipywidget whose mime bundle also holds the element that draws it on a static page.

    A class of this package that declares traits is an explorer: ``kind.py`` holds it and
    ``js/kind.js`` draws it. Its state is its traits: Python sets and observes them, JavaScript
    draws them. Lists are compared as a whole: assign a new list, an item changed in place goes
    unnoticed.

    Every explorer takes ``examples``, things to try: buttons by their texts, each with the traits
    that it sets, such as ``{"One tap": {"kernel": [1]}}``. What a button leaves out is as it was
    when the explorer was made.
    """

    _css = stylesheet()
    _esm = traitlets.Unicode().tag(sync=True)
    _explorer = traitlets.Unicode(read_only=True).tag(sync=True)
    examples = traitlets.Dict().tag(sync=True)

    # ipywidgets 7 displays itself by this method, which would leave out the page
    _ipython_display_ = None

    kind: ClassVar[str] = ""
    names: ClassVar[tuple[str, ...]] = ()  # of the traits, in the order of their declaration
    constants: ClassVar[dict[str, float]] = {}  # what JavaScript must compute with, too

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = tuple(n for n, v in vars(cls).items() if isinstance(v, traitlets.TraitType))
        # a subclass of an explorer, such as a widget makes for each instance, is the same one
        if names and not cls.kind and cls.__module__.startswith(f"{__package__}."):
            cls.names = names
            cls.kind = cls.__module__.rpartition(".")[2]
            EXPLORERS[cls.kind] = cls

    @traitlets.validate("examples")
    def _settable(self, proposal: Any) -> dict[str, dict[str, Any]]:
        settable = [n for n in self.names if not self.trait_metadata(n, "fixed")]
        checked = {}
        for label, patch in proposal["value"].items():
            if not isinstance(patch, dict) or not patch or patch.keys() - set(settable):
                raise traitlets.TraitError(
                    f"examples[{label!r}] is {patch!r}, expected a dict that sets some of "
                    f"{', '.join(settable)}"
                )
            try:
                traits = self.traits()
                checked[str(label)] = {n: traits[n].validate(self, v) for n, v in patch.items()}
            except traitlets.TraitError as fault:
                raise traitlets.TraitError(f"examples[{label!r}]: {fault}") from None
        return checked

    @traitlets.default("_esm")
    def _script(self) -> str:
        return module()

    @traitlets.default("_explorer")
    def _own_kind(self) -> str:
        return self.kind

    def readouts(self) -> Readouts:
        """Return the numbers that the page shows, computed in float64 by ``convsim``."""
        raise NotImplementedError

    @property
    def _supplied(self) -> tuple[str, ...]:
        """Names of traits that are too long for a page: it loads them when it is asked to."""
        return ()

    def fallback(self) -> str:
        """Return the element that stands on a page until JavaScript takes its place."""
        return (
            '<p class="convsim-fallback">This explorer draws itself with JavaScript: open this '
            "page in a browser that runs it, or run the notebook.</p>"
        )

    def static_html(self) -> str:
        """Return the element that ``explorers.js`` turns into this explorer on a static page."""
        names = [n for n in self.names if n not in self._supplied]
        names += ["examples"] if self.examples else []
        state = self.get_state(names)
        text = json.dumps({name: state[name] for name in names}, allow_nan=False)
        text = text.replace("<", "\\u003c")
        return (
            f'<div class="convsim-explorer" data-explorer="{html.escape(self.kind)}">'
            f'{self.fallback()}<script type="application/json">{text}</script></div>'
        )

    def __repr__(self) -> str:
        shown = (name for name in self.names if not self.trait_metadata(name, "fixed"))
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/html"] = self.static_html()
        return bundle


def tensor(values: list[Any]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)
