"""The directives ``{explorer}``, an explorer on a page, and ``{explorers}``, what all offer."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from convsim.explorers.base import Explorer


class ExplorerDirective(SphinxDirective):
    """Show an explorer; the body, if any, is YAML that sets its traits.

    ::

        ```{explorer} similarity
        kernel_1: [0.5, 1.0, 0.5]
        ```
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        # Here, not above: a page without an explorer need not load torch.
        from convsim.explorers.script import EXPLORERS

        name = self.arguments[0]
        if name not in EXPLORERS:
            raise self.error(
                f"no explorer is called {name!r}: choose one of {', '.join(EXPLORERS)}"
            )
        try:
            traits: Any = yaml.safe_load("\n".join(self.content)) or {}
        except yaml.YAMLError as fault:
            raise self.error(
                f"the body of an explorer is YAML, and this is not: {fault}"
            ) from fault
        if not isinstance(traits, dict):
            raise self.error(
                f"the body sets traits by name ('kernel_1: [0.5, 1.0, 0.5]'), got {traits!r}"
            )
        explorer = EXPLORERS[name]
        if unknown := sorted(set(traits) - {*explorer.names, "examples"}):
            raise self.error(f"{explorer.__name__} has no trait {', '.join(unknown)}")
        html = explorer(**traits).static_html()
        self.env.note_dependency(inspect.getfile(explorer))
        return [nodes.raw("", html, format="html")]


class ExplorersDirective(SphinxDirective):
    """Document every explorer: its docstring, and what it offers beside its traits.

    In reStructuredText, ``.. explorers::``.
    """

    def run(self) -> list[nodes.Node]:
        from convsim.explorers.script import EXPLORERS

        lines = []
        for explorer in EXPLORERS.values():
            lines.append(f".. autoclass:: convsim.explorers.{explorer.__name__}")
            lines.append(f"   :members: {', '.join(public(explorer))}")
        parent = nodes.Element()
        self.state.nested_parse(StringList(lines, source=__file__), 0, parent)
        return list(parent.children)


def public(explorer: type[Explorer]) -> list[str]:
    """Return the names of the methods and properties that ``convsim`` gives an explorer."""
    return sorted(
        {
            name
            for owner in explorer.__mro__
            if owner.__module__.startswith("convsim.")
            for name, value in vars(owner).items()
            if not name.startswith("_") and (callable(value) or isinstance(value, property))
        }
    )
