"""Waiting on a machine that is busy."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 240  # seconds, on a machine that is busy


def wait_until(holds: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
