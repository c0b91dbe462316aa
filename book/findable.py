"""A Sphinx extension: pages that are found, previewed and cited under the book's own address.

The address comes from ``repository.url`` in ``_config.yml``, by way of ``book.address``. With it
Sphinx writes each page's canonical address, sphinx-sitemap the sitemap, and sphinxext-opengraph
descriptions and link previews.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from book import address

ROOT = Path(__file__).resolve().parent.parent
COVER = ROOT / "chapters/images/cover.png"


def set_addresses(app: Sphinx, config: Config) -> None:
    """Tell Sphinx and the two extensions where the book is."""
    site = address.site(address.configured(Path(app.srcdir)))
    config.html_baseurl = site
    config.ogp_site_url = site
    config.ogp_site_name = config.html_title
    config.ogp_image = f"{site}_static/{COVER.name}"
    config.html_static_path.append(str(COVER))


def write_robots(app: Sphinx, exception: Exception | None) -> None:
    """Lead crawlers to the sitemap."""
    if app.builder.name != "html":
        return
    robots = f"User-agent: *\nSitemap: {app.config.html_baseurl}sitemap.xml\n"
    (Path(app.outdir) / "robots.txt").write_text(robots, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the addresses; before the two extensions read them."""
    app.connect("config-inited", set_addresses)
    app.connect("build-finished", write_robots)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
