"""What the package uses and does not always bring along: its extras."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Import something of an extra; if it is not there, the error says what to install.

    Args:
        name: of the extra, a heading in pyproject.toml.

    Raises:
        ModuleNotFoundError: if an import inside fails.

    Example:
        >>> with extra("data"):
        ...     from PIL import Image
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name} is not installed; expected what `pip install 'convsim[{name}]'` "
            "installs: run that, or install the package by itself",
            name=error.name,
        ) from error
