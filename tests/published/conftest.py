"""The browser and the pages of tests/browser, for the slow tests too: one Chromium for all."""

from tests.browser.conftest import browser, page  # noqa: F401
