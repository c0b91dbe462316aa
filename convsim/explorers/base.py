"""What every explorer is: one view and one state, in a notebook and on a page without a kernel."""

from __future__ import annotations

import html
import json
import re
from importlib.resources import files
from typing import Any, ClassVar

import anywidget
import torch
import traitlets

Readouts = dict[str, Any]

_SOURCE = files("convsim.explorers")
_JAVASCRIPT = _SOURCE.joinpath("explorers.js").read_text(encoding="utf-8")
# The classic Notebook sets its rem to 10 px; on a page a rem is what the reader's browser says.
_STYLE = re.sub(
    r"(?<![\w.])([\d.]+)rem\b",
    lambda length: f"{16 * float(length[1]):g}px",
    _SOURCE.joinpath("explorers.css").read_text(encoding="utf-8"),
)


class Explorer(anywidget.AnyWidget):
    """An ipywidget whose mime bundle also holds the element that draws it on a static page."""

    _esm = _JAVASCRIPT + "\nexport default { render: globalThis.convsimExplorers.render };\n"
    _css = _STYLE
    _explorer = traitlets.Unicode().tag(sync=True)

    # ipywidgets 7 displays itself by this method, which would leave out the page
    _ipython_display_ = None

    names: ClassVar[tuple[str, ...]] = ()

    def readouts(self) -> Readouts:
        """Return the numbers that the page shows, computed in float64 by ``convsim``."""
        raise NotImplementedError

    def static_html(self) -> str:
        """Return the element that ``explorers.js`` turns into this explorer on a static page."""
        state = self.get_state(list(self.names))
        text = json.dumps({name: state[name] for name in self.names}, allow_nan=False)
        text = text.replace("<", "\\u003c")
        return (
            f'<div class="convsim-explorer" data-explorer="{html.escape(self._explorer)}">'
            '<p class="convsim-fallback">This explorer draws itself with JavaScript: open this '
            "page in a browser that runs it, or run the notebook.</p>"
            f'<script type="application/json">{text}</script></div>'
        )

    def __repr__(self) -> str:
        shown = (n for n in self.names if n not in ("photograph", "points"))  # too long
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/html"] = self.static_html()
        return bundle


def tensor(values: list) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)
