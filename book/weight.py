"""What a page costs before it can be read and dragged: ``python -m book.weight`` records it.

A page is opened with an empty cache and left alone until the network is silent. Everything that
came counts, but for MathJax and Plotly, which come last and are asked for by formulas and figures
only. Text is counted as it crosses the network, compressed with gzip, as GitHub Pages sends it.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from urllib.parse import urlparse

from playwright.sync_api import Browser, Response

from book.browser import open_chromium, served

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build/html"
RECORD = ROOT / "book/weights.json"
LIMIT = 300_000
COMPRESSED = {".html", ".css", ".js", ".svg", ".json", ".xml", ".txt"}


def weigh(browser: Browser, url: str) -> dict[str, int]:
    """Open ``url`` with a cold cache and return the bytes of what came, by file."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    sizes: dict[str, int] = {}
    for response in responses:
        path = urlparse(response.url).path
        if "/mathjax/" in path or "/plotly-" in path:
            continue
        if not response.ok:
            raise ValueError(f"{path} came with status {response.status}; expected 200: make book")
        body = response.body()
        text = Path(path).suffix in COMPRESSED
        sizes[path] = len(gzip.compress(body, mtime=0) if text else body)
    context.close()
    return sizes


def pages(folder: Path = HTML) -> list[str]:
    """The chapters and other pages of the book, by name."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("chapters/*.html"))


def main() -> None:
    """Weigh every page and write the record."""
    with served(HTML) as site, open_chromium() as browser:
        weights = {name: sum(weigh(browser, f"{site}/{name}").values()) for name in pages()}
    RECORD.write_text(json.dumps({"bytes": weights}, indent=2) + "\n")
    for name, weight in weights.items():
        print(f"{weight / 1000:6.0f} kB  {name}")


if __name__ == "__main__":
    main()
