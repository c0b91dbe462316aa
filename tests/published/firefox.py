"""A Firefox without a window, driven over WebDriver BiDi, which it speaks itself.

Playwright needs a Firefox of its own, and a driver is one program more; what the tests ask for is
little. Commands and events: https://www.w3.org/TR/webdriver-bidi/
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

NAMES = ("firefox-esr", "firefox")
SECONDS = 60
# Every request that leaves this machine goes to a port where nobody listens; no first-run pages.
SETTINGS = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "127.0.0.1, localhost",
    "network.dns.disabled": True,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.auto": False,
}


class Firefox:
    """One window of a Firefox, its console errors in ``errors``."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(
            f"{address}/session", timeout=SECONDS, suppress_origin=True
        )
        self.numbers = itertools.count(1)
        self.errors: list[str] = []
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=["log.entryAdded"])
        self.window = self.send("browsingContext.getTree")["contexts"][0]["context"]

    def send(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its result."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("method") == "log.entryAdded" and message["params"]["level"] == "error":
                self.errors.append(message["params"]["text"])
            if message.get("id") == number:
                if message["type"] == "error":
                    raise RuntimeError(f"{method}: {message['error']}: {message['message']}")
                return message["result"]

    def open(self, url: str, width: int, height: int) -> None:
        """Open a page in a window of a size, and wait until it is loaded."""
        size = {"width": width, "height": height}
        self.send("browsingContext.setViewport", context=self.window, viewport=size)
        self.send("browsingContext.navigate", context=self.window, url=url, wait="complete")
        # Firefox answers before all scripts have come that a script has asked for.
        loaded = "new Promise((done) => addEventListener('load', () => done(true)))"
        self.value(f"document.readyState === 'complete' || {loaded}")

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression gives, by way of JSON."""
        answer = self.send(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self.window},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at a point of the window, move it, and let go."""

        def move(point: tuple[float, float], milliseconds: int) -> dict[str, Any]:
            x, y = map(round, point)
            return {"type": "pointerMove", "x": x, "y": y, "duration": milliseconds}

        mouse = {
            "type": "pointer",
            "id": "mouse",
            "actions": [
                move(start, 0),
                {"type": "pointerDown", "button": 0},
                move(end, 200),
                {"type": "pointerUp", "button": 0},
            ],
        }
        self.send("input.performActions", context=self.window, actions=[mouse])


@contextmanager
def open_firefox(profile: Path) -> Iterator[Firefox]:
    """Start a Firefox with an empty profile; raise ``FileNotFoundError`` where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise FileNotFoundError(f"no Firefox found on PATH (looked for {', '.join(NAMES)})")
    profile.mkdir(parents=True, exist_ok=True)
    settings = (f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in SETTINGS.items())
    (profile / "user.js").write_text("\n".join(settings), encoding="utf-8")
    log = profile / "log.txt"
    command = [program, "--headless", "--no-remote", "--profile", str(profile)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--remote-debugging-port=0", "about:blank"], stdout=stream, stderr=stream
        )
    try:
        firefox = Firefox(_address(process, log))
        yield firefox
        firefox.socket.close()
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(10 * SECONDS):
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text("utf-8")):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"Firefox did not start to listen: {log.read_text('utf-8')[-2000:]}")
