"""The built pages joined into one document, in the order of the contents, for ``book.pdf``."""

from __future__ import annotations

import html as markup
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import yaml
from bs4 import BeautifulSoup, Tag
from sphinx_external_toc.parsing import parse_toc_yaml

from book.address import configured, published, site

STYLE = Path(__file__).resolve().parent / "static/print.css"
SCRIPTS = ("explorers.js", "plotly_figures.js")
HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
# What only a screen can use: marks that link to themselves, folded code, links to the source.
DROPPED = ".headerlink, .viewcode-link, details.hide.above-input, .convsim-fallback"
REFERENCES = ("for", "headers", "aria-labelledby", "aria-describedby", "aria-controls")
UNKNOWN = "000"  # a page number before the first print, as wide as a known one


@dataclass(frozen=True)
class Chapter:
    """A page of the book, its ids and links made ready for the joined document."""

    part: str  # the caption above it in the contents
    article: Tag
    heading: Tag


def documents(toc: Path) -> list[tuple[str, str]]:
    """Return the part's caption and the name of every page, in the order of ``_toc.yml``."""
    pages = parse_toc_yaml(toc)

    def below(name: str, caption: str) -> Iterator[tuple[str, str]]:
        yield caption, name
        for tree in pages[name].subtrees:
            for child in tree.files():
                yield from below(child, tree.caption or caption)

    return list(below(pages.root.docname, ""))


def read_page(html: Path, name: str) -> BeautifulSoup:
    """Return a built page; raise ``FileNotFoundError`` if the book is not built."""
    path = html / f"{name}.html"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: build the book first, with 'make book'")
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def anchor(name: str, fragment: str = "") -> str:
    """Return the id that ``fragment`` of page ``name`` has in the joined document."""
    page = name.replace("/", ".")
    return f"{page}--{fragment}" if fragment else page


def link(target: str, names: set[str], address: str) -> str:
    """Return ``target`` as an anchor where it is a page of the joined document."""
    page, fragment = urldefrag(target)
    name = page.removeprefix(address).removesuffix(".html")
    return f"#{anchor(name, unquote(fragment))}" if name in names else target


def chapter(
    soup: BeautifulSoup, part: str, name: str, names: set[str], address: str, live: bool
) -> Chapter:
    """Return a page's article with ids, links and addresses that hold in the joined document.

    ``live`` adds to each explorer where the live one is.
    """
    article, here = soup.select_one("article.bd-article"), f"{address}{name}.html"
    heading = article and article.find("h1")
    if article is None or not isinstance(heading, Tag):
        raise ValueError(f"{name}.html has no article with a title: it is no page of the book")
    for useless in article.select(DROPPED):
        useless.decompose()
    for folded in article.select("details"):
        folded["open"] = ""
    for section in article.select("section[id]"):
        # The outline and the page numbers ask where the heading is, not where its section begins.
        title = section.find(HEADINGS, recursive=False)
        if isinstance(title, Tag) and not title.get("id"):
            title["id"] = section["id"]
            del section["id"]
    for tag in article.find_all(True):
        for key in REFERENCES:
            if key in tag.attrs:
                value = tag[key]
                ids = value.split() if isinstance(value, str) else value
                tag[key] = " ".join(anchor(name, each) for each in ids)
        if tag.get("id"):
            tag["id"] = anchor(name, str(tag["id"]))
        if tag.get("src"):
            tag["src"] = urljoin(here, str(tag["src"]))
        tag.attrs.pop("loading", None)  # paper is not scrolled
        if tag.name == "a" and tag.get("href"):
            tag["href"] = link(urljoin(here, str(tag["href"])), names, address)
    explorers = article.select("div.convsim-explorer:not([data-explorer='prediction'])")
    for index, explorer in enumerate(explorers if live else []):
        there = f"{here}#convsim={index}"  # as explorers.js counts them
        line = f'<p class="print-live">Live: <a href="{there}">{there}</a></p>'
        explorer.insert_after(BeautifulSoup(line, "html.parser"))
    article["id"] = anchor(name)
    return Chapter(part, article, heading)


def contents(chapters: list[Chapter]) -> str:
    """Return the table of contents: chapters and sections, for ``book.pdf`` to fill in pages."""
    lines, before = [], ""
    for each in chapters:
        if each.part != before:
            lines.append(f'<li class="print-part">{markup.escape(each.part)}</li>')
            before = each.part
        for heading in each.article.select("h1[id], h2[id]"):
            level, target = heading.name, heading["id"]
            lines.append(
                f'<li class="print-{level}"><a href="#{target}" data-level="{level[1]}">'
                f"<span>{heading.decode_contents()}</span>"
                f'<span class="print-page" data-page-of="{target}">{UNKNOWN}</span></a></li>'
            )
    return (
        '<nav class="print-contents"><h1 id="contents">Contents</h1>'
        f"<ul>{''.join(lines)}</ul></nav>"
    )


def title_page(settings: dict[str, Any], address: str, live: bool) -> str:
    """Return the first page."""
    about, author = metadata("convsim"), markup.escape(settings["author"])
    where = f' of <a href="{address}">{address}</a>' if live else ""
    below = ", with the address of the live one below" if live else ""
    return (
        # Its upper part repeats the title, and is cut off by print.css.
        f'<header class="print-title"><img src="{address}_static/cover.png" alt="">'
        f"<h1>{markup.escape(settings['title'])}</h1>"
        f'<p class="print-author">{author}</p>'
        f"<p>{markup.escape(subject())}. Version {about['Version']}.</p>"
        f"<p>The pages{where}, for paper. On a screen the figures answer to the mouse and the "
        f"explorers to your hand; here an explorer is a picture of how it starts{below}.</p>"
        f"<p>© {settings['copyright']} {author}. Text and figures: CC BY 4.0. "
        "Code: BSD-3-Clause.</p></header>"
    )


def subject() -> str:
    """Return what the book is about, in a few words: the package's summary up to its colon."""
    return str(metadata("convsim")["Summary"]).partition(":")[0]


def running_heads(chapters: list[Chapter]) -> str:
    """Return the rules that print each chapter's title at the head of its pages."""
    rules = []
    for number, each in enumerate(chapters):
        title = json.dumps(each.heading.get_text(), ensure_ascii=False)
        rules.append(f'[id="{each.article["id"]}"] {{ page: chapter{number} }}')
        rules.append(f"@page chapter{number} {{ @top-right {{ content: {title} }} }}")
    return "\n".join(rules)


def head(soup: BeautifulSoup, here: str) -> str:
    """Return the page's own style sheets, MathJax, and the scripts that draw."""
    kept = []
    for tag in soup.select('link[rel="stylesheet"], script'):
        source = str(tag.get("src") or tag.get("href") or "")
        name = source.partition("?")[0].rpartition("/")[2]
        needed = name in SCRIPTS or "/mathjax/" in source or "window.MathJax" in tag.text
        if tag.name == "script" and not needed:
            continue
        for key in {"src", "href"} & tag.attrs.keys():
            tag[key] = urljoin(here, str(tag[key]))
        tag.attrs.pop("type", None)  # MathJax is held back on pages, by formulas.js
        kept.append(str(tag))
    return "\n".join(kept)


def join(html: Path, root: Path) -> str:
    """Return the whole book as one document that takes its files from the published address.

    Raises ``FileNotFoundError`` if a page is not built and ``ValueError`` if a link within the
    book leads nowhere.
    """
    settings, address = yaml.safe_load((root / "_config.yml").read_text()), site(configured(root))
    live = published(root)
    listed = documents(root / "_toc.yml")
    names = {name for _, name in listed}
    first = listed[0][1]
    top = head(read_page(html, first), f"{address}{first}.html")
    chapters = [
        chapter(read_page(html, name), part, name, names, address, live) for part, name in listed
    ]

    ids = {str(tag["id"]) for each in chapters for tag in each.article.select("[id]")}
    ids.update(str(each.article["id"]) for each in chapters)
    wanted = {str(a["href"])[1:] for each in chapters for a in each.article.select('a[href^="#"]')}
    if lost := sorted(wanted - ids):
        raise ValueError(f"links within the book lead nowhere: {', '.join(lost)}")
    return (
        '<!DOCTYPE html>\n<html lang="en" data-theme="light" data-mode="light" data-paper="on">'
        f'<head><meta charset="utf-8"><title>{markup.escape(settings["title"])}</title>\n{top}\n'
        f"<style>\n{STYLE.read_text(encoding='utf-8')}\n{running_heads(chapters)}\n</style></head>"
        f'<body>{title_page(settings, address, live)}{contents(chapters)}<main class="bd-content">'
        + "".join(str(each.article) for each in chapters)
        + "</main></body></html>"
    )
