"""Leave out of the theme's styles and fonts what no page of the book uses: three quarters of them.

A browser shows nothing of a page before its styles have come, and the theme's bring grids, widgets
and two thousand icons. A rule stays if all names in its selector occur in a page or in a script, an
icon if a rule is left that shows it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from fontTools import subset
from sphinx.application import Sphinx

from book.npm import output

# Of the theme, and of MyST-NB, which has every colour of Material Design. Ours stay as they are.
STYLES = ("_static/styles/*.css", "_static/vendor/**/*.css", "_static/mystnb*.css")
USERS = ("**/*.html", "_static/*.js", "_static/scripts/*.js")
ICON = re.compile(r'"\\([0-9a-f]{2,5})"')
WOFF2 = re.compile(r'url\([^)]*\.woff2\)\s*format\("woff2"\),\s*')


def lighten(app: Sphinx, exception: Exception | None) -> None:
    """Write style sheets and icons again, smaller (Sphinx's ``build-finished``)."""
    if exception is None and app.builder.name == "html":
        purge_styles(Path(app.outdir))
        purge_fonts(Path(app.outdir))


def purge_styles(html: Path) -> None:
    """Leave rules out that no page and no script needs."""
    styles = [str(path) for pattern in STYLES for path in sorted(html.glob(pattern))]
    users = [str(html / pattern) for pattern in USERS]
    options = ["--css", *styles, "--content", *users, "--safelist", ":focus-visible"]
    for purged in json.loads(output("purgecss/bin/purgecss.js", *options)):
        Path(purged["file"]).write_text(WOFF2.sub("", purged["css"]), encoding="utf-8")


def purge_fonts(html: Path) -> None:
    """Keep the icons that a style sheet names, in the one format that needs no packer."""
    styles = "".join(path.read_text(encoding="utf-8") for path in html.glob("_static/**/*.css"))
    shown = {int(code, 16) for code in ICON.findall(styles)}
    for path in html.glob("_static/vendor/**/*.woff2"):
        path.unlink()
    for path in html.glob("_static/vendor/**/*.ttf"):
        options = subset.Options()
        font = subset.load_font(path, options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=shown)
        subsetter.subset(font)
        subset.save_font(font, path, options)
