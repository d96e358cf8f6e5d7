"""The three slots of the method: their defaults, and whether what fills them fits together."""

from __future__ import annotations

from sklearn.base import clone

from .clusterers import GraphClusterer
from .models import GAM
from .smoothers import BSplineSmoother

DEFAULTS = {"smoother": BSplineSmoother, "model": GAM, "clusterer": GraphClusterer}
_NEEDS = {
    "smoother": ("fit", "transform"),
    "model": ("fit", "predict"),
    "clusterer": ("fit",),
}


def resolve(slot: str, component: object) -> object:
    """Return a clone of a component, or the default for `None`.

    Raises
    ------
    TypeError
        If it is a class or lacks a method that the slot needs.
    """
    if component is None:
        return DEFAULTS[slot]()
    if isinstance(component, type):
        raise TypeError(f"{slot} must be an instance; got the class {component.__name__}. Use {component.__name__}().")
    missing = [method for method in _NEEDS[slot] if not hasattr(component, method)]
    if missing:
        raise TypeError(
            f"{slot} must have {' and '.join(_NEEDS[slot])}; {type(component).__name__} has no {' or '.join(missing)}. "
            f"The default is {DEFAULTS[slot].__name__}()."
        )
    return clone(component)


def with_random_state(component: object, random_state: object) -> object:
    """Set `random_state` on a component of ours to keep, if it takes one and none is set."""
    params = component.get_params(deep=False) if hasattr(component, "get_params") else {}
    if random_state is not None and "random_state" in params and params["random_state"] is None:
        component.set_params(random_state=random_state)
    return component
