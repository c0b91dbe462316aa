"""A Sphinx extension: a book without an address says so where its links would lead nowhere.

As long as ``repository.url`` in ``_config.yml`` names no repository (``book.address.published``),
pages have no buttons for Colab, Binder and the repository, their head says why, and such links in
the text are words with a remark. With an address the extension does nothing.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform

from book import address

ANNOUNCEMENT = (
    "Not published yet: buttons for Colab, Binder and the repository come with the book’s address."
)
REMARK = " (not published yet)"


def leads_nowhere(target: str, root: Path) -> bool:
    """Return whether ``target`` is on GitHub, its Pages, Colab or Binder, under a placeholder."""
    if address.published(root):
        return False
    name = address.configured(root)
    return bool(address.mentions(name).search(target)) or target.startswith(address.site(name))


def announce(app: Sphinx, config: Config) -> None:
    """Put one line in place of the buttons."""
    if not address.published(Path(app.srcdir)):
        config.html_theme_options |= {
            "announcement": ANNOUNCEMENT,
            "launch_buttons": {},
            "use_repository_button": False,
            "use_issues_button": False,
        }


class WordsForLinks(SphinxPostTransform):
    """Replace links that lead nowhere, before the linkcheck builder collects them (at 800)."""

    default_priority = 700

    def run(self, **kwargs: object) -> None:
        for link in list(self.document.findall(nodes.reference)):
            if leads_nowhere(link.get("refuri", ""), Path(self.app.srcdir)):
                link.replace_self([*link.children, nodes.Text(REMARK)])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the announcement, before the theme reads its options, and the transform."""
    app.connect("config-inited", announce)
    app.add_post_transform(WordsForLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
