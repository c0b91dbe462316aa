"""The first explorer of the book answers in three seconds on a slow telephone and a slow line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from book.browser import served
from tests.browser.test_pages import HTML, WIDE, _built  # noqa: F401

SECONDS = 3.0
ATTEMPTS = 5  # the best counts: other programs may slow one of them, but nothing makes it faster
BITS = 1.6e6  # a second, uncompressed
LATENCY = 150  # milliseconds
SLOWER = 4  # times slower than this machine

# As soon as there is a slider, move it, and note when a frame with another number was drawn.
TRY = """new MutationObserver((changes, observer) => {
  const explorer = document.querySelector(".convsim-explorer");
  const slider = explorer?.querySelector("input.convsim-slider");
  const readout = explorer?.querySelector("[data-readout=feature_map_cosine]");
  if (!slider || !readout?.textContent) return;
  observer.disconnect();
  const before = readout.textContent;
  slider.value = -1;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  const look = () => {
    if (readout.textContent === before) return requestAnimationFrame(look);
    setTimeout(() => { window.answered = performance.now(); });
  };
  requestAnimationFrame(look);
}).observe(document, { childList: true, subtree: true });"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served(HTML) as address:
        yield address


def answer(browser: Browser, url: str) -> float:
    """Return the seconds from asking for a page to its first explorer's first answer."""
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    line = {"offline": False, "latency": LATENCY}
    line |= {"downloadThroughput": BITS / 8, "uploadThroughput": BITS / 8}
    session.send("Network.emulateNetworkConditions", line)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.add_init_script(TRY)
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.answered", timeout=60_000, polling=100)
    seconds: float = page.evaluate("answered") / 1000
    context.close()
    return seconds


def test_the_first_explorer_answers_in_time(browser: Browser, site: str) -> None:
    found = []
    for _ in range(ATTEMPTS):
        found.append(answer(browser, f"{site}/chapters/introduction.html"))
        if found[-1] <= SECONDS:
            break
    assert min(found) <= SECONDS, found
