"""Validation of components: smoother, model or clusterer."""

from __future__ import annotations

from typing import Any

from sklearn.base import ClassifierMixin, ClusterMixin, RegressorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from ..errors import quoted
from .capabilities import arguments_needed, declared, has_method

_NEEDS = {"smoother": ("fit", "transform"), "model": ("fit", "predict"), "clusterer": ("fit",)}
_PASSED = "sample_weight", "penalty", "offset", "groups", "smoother", "draws"  # arguments of fit besides X and y
_UNFIT = {"model": (ClassifierMixin, ClusterMixin), "clusterer": (ClassifierMixin, RegressorMixin)}


def component_for(slot: str, component: object, default: type) -> Any:
    """Return a clone of the component of a slot (smoother, model or clusterer), or a default one for `None`.

    Raises a TypeError for a class instead of an instance, a component without the required methods, or one of another
    kind.

    >>> from sklearn.linear_model import Ridge
    >>> component_for("model", Ridge(2.0), Ridge)
    Ridge(alpha=2.0)
    """
    if component is None:
        return default()
    if isinstance(component, type):
        raise TypeError(f"{slot} must be an instance; got the class {component.__name__}. Use {component.__name__}().")
    missing = [method for method in _NEEDS[slot] if not has_method(component, method)]
    if missing:
        raise TypeError(
            f"{slot} must have {' and '.join(_NEEDS[slot])}; {type(component).__name__} has no {' or '.join(missing)}. "
            f"The default is {default.__name__}()."
        )
    if isinstance(component, _UNFIT.get(slot, ())):
        kind = "regressor" if slot == "model" else "clusterer"
        raise TypeError(
            f"{slot} must be a {kind}; {type(component).__name__} is not. The default is {default.__name__}()."
        )
    last = component.steps[-1][1] if isinstance(component, Pipeline) else component
    needed = [name for name in arguments_needed(last) if name not in _PASSED]
    if needed:
        raise TypeError(
            f"{slot} must have a fit without other arguments than X and y; {type(last).__name__} needs {quoted(needed)}. The "
            f"default is {default.__name__}()."
        )
    if not (has_method(component, "get_params") or has_method(component, "__sklearn_clone__")):
        of_cellrank = type(component).__module__.partition(".")[0] == "cellrank"
        counterparts = " In place of CellRank's models, pass GAM(), PyGAM(), MgcvGAM() or the regressor itself."
        raise TypeError(
            f"{slot} must be an estimator of scikit-learn, so that it can be cloned; {type(component).__name__} has no "
            f"get_params. The default is {default.__name__}().{counterparts if of_cellrank else ''}"
        )
    _check_declarations(slot, component)
    return clone(component)


def with_defaults(component: Any, **values: Any) -> Any:
    """Set parameters of a component that exist and are `None`."""
    params = component.get_params(deep=False) if has_method(component, "get_params") else {}
    wanted = {name: value for name, value in values.items() if value is not None and params.get(name, 0) is None}
    return component.set_params(**wanted) if wanted else component


def _check_declarations(slot: str, component: object) -> None:
    """Raise an error if a class declares features that it does not implement."""
    name, reads = type(component).__name__, declared(component, "reads")
    if slot == "model" and reads not in (None, "design", "pseudotime"):
        raise ValueError(f"reads of a model must be 'design' or 'pseudotime'; {name} declares {reads!r}.")
    if slot == "clusterer" and declared(component, "uses_draws") and not has_fit_parameter(component, "draws"):
        raise TypeError(
            f"{name} declares uses_draws, but its fit has no argument draws. Add it, or set uses_draws=False."
        )
