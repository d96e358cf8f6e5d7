"""Queries of the optional attributes and methods of components.

Components may come from other libraries. The defaults for missing attributes, as documented in the protocols, are
defined only here.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any

import numpy as np


def has_method(component: object, name: str) -> bool:
    """Return whether a component has a method."""
    return callable(getattr(component, name, None))


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
    declared = smoother.get_params(deep=False) if has_method(smoother, "get_params") else {}
    return declared.get("domain", ()) is None


def n_times_needed(smoother: object) -> int:
    """Return the number of distinct pseudotimes that a smoother needs: one more than the order of its penalty."""
    return int(getattr(smoother, "penalty_order", 1)) + 1


# ---- models


def reads_of(model: object) -> str | None:
    """Return what a model reads, "design" or "pseudotime"; `None` for a regressor without this declaration.

    >>> from lineage_clust import PyGAM
    >>> from sklearn.linear_model import Ridge
    >>> reads_of(PyGAM()), reads_of(Ridge())
    ('pseudotime', None)
    """
    return getattr(type(model), "reads", None)


def takes_sparse_expression(model: object) -> bool:
    """Return whether `y` of a model may be a CSR or CSC matrix."""
    return bool(getattr(type(model), "takes_sparse_y", False))


def reads_blocks(model: object) -> bool:
    """Return whether `y` of a model may be expression that is read from a file in blocks."""
    return bool(getattr(type(model), "reads_blocks", False))


def needed_smoother(model: object) -> str | None:
    """Return the name of the smoother that a model requires, if it declares one."""
    return getattr(type(model), "needs_smoother", None)


def minimises_deviance(model: object) -> bool:
    """Return whether the trends of a model explain at least as much as a constant, unless the fit failed."""
    return bool(getattr(type(model), "minimises_deviance", True))


def has_test(model: object) -> bool:
    """Return whether a fitted model tests its trends, even if no gene could be tested."""
    return bool(getattr(type(model), "has_test", fitted_value(model, "pvalue_") is not None))


def has_posterior(model: object) -> bool:
    """Return whether a fitted model provides posterior samples."""
    return has_method(model, "sample")


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


def has_default_backend(model: object) -> bool:
    """Return whether a model has a parameter `backend` with joblib's default."""
    return getattr(model, "backend", None) == "loky"


# ---- clusterers


def uses_draws(clusterer: object) -> bool:
    """Return whether a clusterer declares that it uses draws of the trends."""
    return bool(getattr(type(clusterer), "uses_draws", False))


def needs_draws(clusterer: object, default: bool = False) -> bool:
    """Return whether the labels of a clusterer depend on draws."""
    return bool(getattr(clusterer, "needs_draws", default))


def confidence_can_wait(clusterer: object) -> bool:
    """Return whether draws affect only the confidence, which the clusterer can compute later."""
    return has_method(clusterer, "confidence") and not needs_draws(clusterer, default=True)


def votes(clusterer: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the label of each row and its share of the votes, or `None` if a clusterer has no votes."""
    return clusterer._vote(rows) if hasattr(clusterer, "_vote") else None


# ---- components by gene or lineage

WILDCARD = "*"  # the key of all other genes or lineages


def is_mapping(component: object) -> bool:
    """Return whether a component is given by gene or lineage, as a mapping."""
    return isinstance(component, Mapping)
