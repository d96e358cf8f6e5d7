"""The three components of the method and their defaults."""

from __future__ import annotations

from typing import Any

from .clusterers import GraphClusterer
from .contracts.slots import component_for
from .models import GAM
from .smoothers import BSplineSmoother
from .trends.pairing import model_of, smoother_of

DEFAULTS: dict[str, type] = {"smoother": BSplineSmoother, "model": GAM, "clusterer": GraphClusterer}


def resolve(slot: str, component: object) -> Any:
    """Return a clone of a component, or the default for `None`; `"passthrough"` is a valid smoother.

    raises TypeError : If it is a class or lacks a method that the slot needs.
    """
    if slot == "clusterer":
        return component_for(slot, component, GraphClusterer)
    return smoother_of(component) if slot == "smoother" else model_of(component)
