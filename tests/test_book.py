"""The built pages: whole, linked, described, and loading nothing from another host."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree

import pytest
import yaml

from book import address
from book.outputs import NEEDS_KERNEL, PLOTLY, WIDGET, page_output, plotly_html
from book.unpublished import leads_nowhere
from convsim.table import Table

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build/html"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
# index.html only leads on to the introduction.
PAGES = [
    path
    for path in sorted(HTML.rglob("*.html"))
    if "_static" not in path.parts and path != HTML / "index.html"
]
CHAPTERS = [path for path in PAGES if path.parent.name == "chapters"]

# What makes a browser load something: (tag, attribute). A link to another site is not here.
LOADS = {
    ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"),
    ("audio", "src"), ("embed", "src"), ("object", "data"), ("image", "href"), ("use", "href"),
}  # fmt: skip
LOADING_RELATIONS = {"stylesheet", "preload", "modulepreload", "icon", "preconnect", "dns-prefetch"}


def name(path: Path) -> str:
    """Return a page's address inside the book."""
    return path.relative_to(HTML).as_posix()


class Page(HTMLParser):
    """Everything that the tests ask of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.inside: str | None = None
        self.source = path.read_text()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = None

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts.append(data)
        elif self.inside != "style":
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for found, attributes in self.elements if found == tag]

    @property
    def anchors(self) -> set[str]:
        return {attributes["id"] for _, attributes in self.elements if "id" in attributes}

    @property
    def loads(self) -> list[str]:
        """Every address from which a browser loads something for this page."""
        found = [
            attributes[attribute]
            for tag, attributes in self.elements
            for attribute in attributes
            if (tag, attribute) in LOADS
        ]
        found += [
            link["href"]
            for link in self.all("link")
            if LOADING_RELATIONS & set(link.get("rel", "").split())
        ]
        for tag, attributes in self.elements:
            if tag in ("img", "source") and "srcset" in attributes:
                found += [part.split()[0] for part in attributes["srcset"].split(",")]
        return found


@cache
def read(path: Path) -> Page:
    return Page(path)


def local(page: Path, target: str) -> Path:
    """Return the file that ``target`` names when ``page`` refers to it."""
    return (page.parent / unquote(urlparse(target).path)).resolve()


@pytest.fixture(autouse=True)
def _built(request: pytest.FixtureRequest) -> None:
    if PAGES or "unbuilt" in request.keywords:
        return
    if os.environ.get("CI") == "true":
        pytest.fail("the book is not built: make book")
    pytest.skip("the book is not built: make book")


pages = pytest.mark.parametrize("path", PAGES or [None], ids=lambda p: name(p) if p else "none")
chapters = pytest.mark.parametrize(
    "path", CHAPTERS or [None], ids=lambda p: p.stem if p else "none"
)


@pages
def test_nothing_is_loaded_from_another_host(path: Path) -> None:
    for target in read(path).loads:
        if not target.startswith("data:"):
            assert urlparse(target).netloc == "", target
            assert local(path, target).exists(), f"{target} does not exist"
    # An inline script could load more, and old tools put such addresses there.
    for script in read(path).scripts:
        assert not re.search(r"https?://(unpkg|cdn|[\w.]*jsdelivr|cdnjs|fonts\.)", script)
    for attributes in read(path).all("script"):
        assert attributes.get("type") != "module", "browsers refuse modules from file://"


@pages
def test_styles_load_nothing_from_another_host(path: Path) -> None:
    styles = [local(path, link["href"]) for link in read(path).all("link")
              if link.get("rel") == "stylesheet"]  # fmt: skip
    assert styles
    for style in styles:
        text = style.read_text()
        for target in re.findall(r"url\(\s*['\"]?([^'\")]+)", text):
            if target.startswith(("data:", "#")):
                continue
            assert urlparse(target).netloc == "", f"{style.name} loads {target}"
            assert local(style, target).exists(), f"{style.name}: {target} does not exist"
        assert not re.search(r"@import\s+(url\()?['\"]?(https?:)?//", text), style.name


@pages
def test_links_inside_the_book_lead_somewhere(path: Path) -> None:
    for link in read(path).all("a"):
        target = link.get("href", "")
        url = urlparse(target)
        if url.scheme or url.netloc or target in ("", "#"):
            continue
        file = local(path, target) if url.path else path
        assert file.exists(), target
        if url.fragment and file.suffix == ".html":
            assert unquote(url.fragment) in read(file).anchors, target


@pages
def test_every_image_is_described(path: Path) -> None:
    for image in read(path).all("img"):
        alt = image.get("alt", "").strip()
        assert len(alt) > 3, f"{image.get('src')} has no alt text"
        assert not alt.endswith((".png", ".svg", ".jpg")), f"{alt!r} is a file name"
        assert alt != image.get("src")
    for tag, attributes in read(path).elements:
        if attributes.get("role") in ("img", "figure"):
            assert len(attributes.get("aria-label", "")) > 3, f"<{tag} {attributes['role']}>"


@pages
def test_one_search_field_and_one_way_past_the_navigation(path: Path) -> None:
    page = read(path)
    fields = [attributes for attributes in page.all("input") if attributes.get("type") == "search"]
    # The search page's own field, and the dialog's, which shows on Ctrl+K alone.
    assert len(fields) == (2 if path.name == "search.html" else 1)
    # In the source, because some versions of the theme write the button with a script.
    assert page.source.count('class="btn search-button-field') == 1
    assert "main-content" in page.anchors
    assert {"href": "#main-content"} in page.all("a")
    assert page.source.count("<h1") in (1, 2)  # the second is for printing
    assert "THEBE_JS_URL" not in page.source
    assert page.all("html")[0]["lang"] == "en"


@chapters
def test_no_raw_maths_and_no_raw_output(path: Path) -> None:
    text = "".join(read(path).text)
    assert "$$" not in text
    assert "unknown output mime type" not in text
    assert "VBox(children" not in text
    assert "<Figure size" not in text, "a picture lost to its text/plain"


@chapters
def test_a_page_is_described_and_previewed_under_its_own_address(path: Path) -> None:
    page, site = read(path), address.site(address.configured(ROOT))
    metadata = {m.get("property") or m.get("name"): m.get("content", "") for m in page.all("meta")}
    here = f"{site}{name(path)}"
    assert [link["href"] for link in page.all("link") if link.get("rel") == "canonical"] == [here]
    assert metadata["og:url"] == here
    assert metadata["og:site_name"] == CONFIG["title"]
    assert metadata["twitter:card"] == "summary_large_image"
    assert 60 < len(metadata["description"]) < 220
    assert metadata["description"] == metadata["og:description"]
    assert metadata["og:image"].startswith(site)
    assert (HTML / metadata["og:image"].removeprefix(site)).exists()
    assert len(metadata["og:image:alt"]) > 60
    icons = [link["href"] for link in page.all("link") if link.get("rel") == "icon"]
    assert [local(path, icon).name for icon in icons] == ["favicon.svg"]


def test_the_sitemap_names_every_page_to_be_found() -> None:
    site = address.site(address.configured(ROOT))
    tree = ElementTree.parse(HTML / "sitemap.xml")
    named = {element.text for element in tree.iter() if element.tag.endswith("}loc")}
    assert named == {f"{site}{name(path)}" for path in CHAPTERS}
    assert f"Sitemap: {site}sitemap.xml" in (HTML / "robots.txt").read_text()


def test_no_page_describes_itself_like_another() -> None:
    descriptions = [
        m["content"]
        for p in CHAPTERS
        for m in read(p).all("meta")
        if m.get("name") == "description"
    ]
    assert len(set(descriptions)) == len(descriptions)


def test_the_front_page_leads_to_the_introduction() -> None:
    assert "url=chapters/introduction.html" in (HTML / "index.html").read_text()


def test_maths_is_in_the_book() -> None:
    assert sum('class="math' in read(path).source for path in CHAPTERS) >= 4
    assert any("_static/mathjax/" in target for path in CHAPTERS for target in read(path).loads)


NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_each_notebook_of_a_published_book_opens_in_colab_and_on_binder(notebook: Path) -> None:
    """Both states of a book are in tests/test_unpublished.py; this is the one that is built."""
    repository, branch = address.configured(ROOT), CONFIG["repository"]["branch"]
    expected = {
        f"https://colab.research.google.com/github/{repository}"
        f"/blob/{branch}/chapters/{notebook.name}",
        f"https://mybinder.org/v2/gh/{repository}/{branch}?urlpath=lab/tree/chapters/{notebook.name}",
    }
    page = read(HTML / "chapters" / f"{notebook.stem}.html")
    found = expected & {link.get("href") for link in page.all("a")}
    assert found == (expected if address.published(ROOT) else set())


@pages
def test_no_link_leads_to_a_placeholder(path: Path) -> None:
    links = [link.get("href", "") for link in read(path).all("a")]
    assert [link for link in links if leads_nowhere(link, ROOT)] == []


def test_what_is_said_of_the_rocket_is_true_before_the_book_is_published() -> None:
    said = [
        line
        for path in (ROOT / "chapters").glob("*.md")
        for line in path.read_text().splitlines()
        if "rocket" in line
    ]
    assert len(said) >= 2
    assert [line for line in said if "published" not in line] == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_each_stored_figure_is_on_its_page(notebook: Path) -> None:
    outputs = [
        output["data"]
        for cell in json.loads(notebook.read_text())["cells"]
        if not {"remove-output", "remove-cell", "remove_cell"}
        & set(cell["metadata"].get("tags", []))
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    source = read(HTML / "chapters" / f"{notebook.stem}.html").source
    assert source.count('class="convsim-plotly"') == sum(PLOTLY in data for data in outputs)
    explorers = sum("convsim-explorer" in "".join(data.get("text/html", "")) for data in outputs)
    assert len(re.findall(r'class="[^"]*convsim-explorer[ "]', source)) == explorers


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_each_exercise_can_be_pointed_at(notebook: Path) -> None:
    """By a name that its author gave it, not by a number that a new exercise would move."""
    cells = json.loads(notebook.read_text())["cells"]
    text = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    count = len(re.findall(r"(?m)^`{3,}\{exercise(?:-start)?\}", text))
    page = read(HTML / "chapters" / f"{notebook.stem}.html")
    ids = [
        attributes["id"]
        for tag, attributes in page.elements
        if tag == "div" and attributes.get("class", "").startswith("exercise ")
    ]
    assert len(ids) == len(set(ids)) == count
    links = [link["href"] for link in page.all("a") if link.get("title") == "Link to this exercise"]
    assert links == [f"#{name}" for name in ids]
    for name in ids:
        assert re.fullmatch(r"ex-[a-z0-9-]+", name), name
        assert f":label: {name}\n" in text
        assert page.source.count(f'id="{name}"') == 1
    assert ("printWithSolutions()" in page.source) == bool(count)


def test_no_file_of_the_book_names_this_machine() -> None:
    for path in PAGES:
        assert str(ROOT) not in path.read_text(), name(path)


@pytest.mark.unbuilt
def test_a_figure_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"set it with figure\.update_layout\(meta="):
        plotly_html({"data": [], "layout": {}})


@pytest.mark.unbuilt
def test_a_figure_cannot_end_its_own_script() -> None:
    layout = {"title": {"text": "</script><b>"}, "meta": {"alt": 'a "quoted" <name>'}}
    html = plotly_html({"data": [], "layout": layout})
    assert html.count("</script>") == 1
    assert 'aria-label="a &quot;quoted&quot; &lt;name&gt;"' in html
    stored = re.search(r"json\">(.*)</script>", html)
    assert stored is not None
    assert json.loads(stored[1]) == {"data": [], "layout": layout}


@pytest.mark.unbuilt
def test_what_a_page_shows_of_an_output() -> None:
    controls = {WIDGET: {"model_id": "x"}, "text/plain": "VBox()"}
    assert page_output(controls) == {"text/html": NEEDS_KERNEL}
    explorer = {**controls, "text/html": "<div></div>"}
    assert page_output(explorer) is explorer
    assert page_output({"text/plain": "1"}) == {"text/plain": "1"}
    table = Table((("", "name"), ("", "mean")), (("scale", "1.0 ± 0.1"),), "A caption", "A source")
    shown = page_output({"text/html": table._repr_html_().splitlines(keepends=True)})["text/html"]
    assert shown == table._repr_html_().replace("<td>scale", '<td class="words">scale')


def test_a_list_without_spaces_breaks_at_its_commas() -> None:
    table = Table((("", "a,b"),), (("run x,y 1,000",),), "c,d", "e,f", prose=True)
    shown = page_output({"text/html": table._repr_html_()})["text/html"]
    assert shown.count("<wbr>") == 1 and "run x,<wbr>y 1,000</td>" in shown
