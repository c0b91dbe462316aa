"""Explorers: the same interactive picture in Jupyter, in Colab and on the built page.

Every module of this package that defines an explorer offers it here.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from convsim.extras import extra

with extra("explorers"):  # asked for here once, for all modules of the room
    import anywidget  # noqa: F401
    import ipywidgets  # noqa: F401

from convsim.explorers.script import EXPLORERS  # noqa: E402

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

globals().update({explorer.__name__: explorer for explorer in EXPLORERS.values()})
__all__ = sorted(explorer.__name__ for explorer in EXPLORERS.values())  # noqa: PLE0605

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
