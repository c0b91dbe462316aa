"""The ``{explorer}`` directive: an explorer on a Markdown page."""

from __future__ import annotations

from typing import Any

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

NAMES = {
    "correlation": "CorrelationExplorer",
    "similarity": "SimilarityExplorer",
    "image": "ImageExplorer",
    "spectrum": "SpectrumExplorer",
    "normalization": "NormalizationExplorer",
    "nnk": "NNKExplorer",
}


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
        name = self.arguments[0]
        if name not in NAMES:
            raise self.error(f"no explorer is called {name!r}: choose one of {', '.join(NAMES)}")
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
        # Here, not above: a page without an explorer need not load torch.
        from convsim import explorers

        explorer = getattr(explorers, NAMES[name])
        if unknown := sorted(set(traits) - set(explorer.class_trait_names(sync=True))):
            raise self.error(f"{NAMES[name]} has no trait {', '.join(unknown)}")
        html = explorer(**traits).static_html()
        self.env.note_dependency(explorers.__file__)
        return [nodes.raw("", html, format="html")]
