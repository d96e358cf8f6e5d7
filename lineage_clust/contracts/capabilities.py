"""Queries of the optional attributes and methods of components.

Components may come from other libraries. The defaults for missing attributes, as documented in the protocols, are
defined only here.
"""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any

WILDCARD = "*"  # the key of all other genes or lineages in a mapping of components
_UNLESS_DECLARED: dict[str, Any] = {
    "reads": None, "takes_sparse_y": False, "reads_blocks": False, "needs_smoother": None, "minimises_deviance": True,
    "uses_draws": False,
}  # fmt: skip


def has_method(component: object, name: str) -> bool:
    """Return whether a component has a method."""
    return callable(getattr(component, name, None))


def declared(component: object, name: str) -> Any:
    """Return what the class of a component declares.

    >>> from lineage_clust import PyGAM
    >>> from sklearn.linear_model import Ridge
    >>> declared(PyGAM(), "reads"), declared(Ridge(), "reads")
    ('pseudotime', None)
    """
    return getattr(type(component), name, _UNLESS_DECLARED[name])


def arguments_needed(component: Any) -> list[str]:
    """Return the arguments without a default of a component's `fit`, besides the first two, `X` and `y`.

    >>> from lineage_clust import GAM
    >>> from lineage_clust.models import ConditionGAM
    >>> arguments_needed(GAM()), arguments_needed(ConditionGAM())
    ([], ['conditions'])
    """
    open_ended = Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD
    arguments = list(signature(component.fit).parameters.values())[2:]
    return [one.name for one in arguments if one.default is one.empty and one.kind not in open_ended]


def fitted_value(component: object, name: str) -> Any:
    """Return an optional fitted attribute of a component, or `None`."""
    return getattr(component, name, None)


# ---- smoothers


def lacks_domain(smoother: Any) -> bool:
    """Return whether a smoother has a parameter `domain` that is not set."""
    parameters = smoother.get_params(deep=False) if has_method(smoother, "get_params") else {}
    return parameters.get("domain", ()) is None


def n_times_needed(smoother: object) -> int:
    """Return the number of distinct pseudotimes that a smoother needs: one more than the order of its penalty."""
    return int(getattr(smoother, "penalty_order", 1)) + 1


# ---- models


def has_test(model: object) -> bool:
    """Return whether a fitted model tests its trends, even if no gene could be tested."""
    return bool(getattr(type(model), "has_test", fitted_value(model, "pvalue_") is not None))


def family_of(model: object) -> tuple[str | None, str | None]:
    """Return family and link of a model from its parameters, `None` if it has none.

    >>> from lineage_clust import GAM, PyGAM
    >>> family_of(GAM("poisson")), family_of(PyGAM("poisson", link="log"))
    (('poisson', None), ('poisson', 'log'))
    """
    family = getattr(model, "family", getattr(model, "distribution", None))
    family = "gaussian" if isinstance(family, str) and family == "normal" else family
    link = getattr(model, "link", None)
    return (family if isinstance(family, str) else None), (link or None)


# ---- clusterers


def needs_draws(clusterer: object, default: bool = False) -> bool:
    """Return whether the labels of a clusterer depend on draws."""
    return bool(getattr(clusterer, "needs_draws", default))


def confidence_can_wait(clusterer: object) -> bool:
    """Return whether draws affect only the confidence, which the clusterer can compute later."""
    return has_method(clusterer, "confidence") and not needs_draws(clusterer, default=True)
