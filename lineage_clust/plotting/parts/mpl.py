"""Matplotlib, imported when it is first used: `mpl.colors` is `matplotlib.colors`."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    whole = import_module("matplotlib")
    return getattr(whole, name) if hasattr(whole, name) else import_module(f"matplotlib.{name}")
