"""Matplotlib, imported when it is first used: `mpl.colors` is `matplotlib.colors`."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    whole = import_module("matplotlib")
    if not hasattr(whole, name) and find_spec(f"matplotlib.{name}") is None:
        raise AttributeError(f"module 'matplotlib' has no attribute {name!r}")
    return getattr(whole, name) if hasattr(whole, name) else import_module(f"matplotlib.{name}")
