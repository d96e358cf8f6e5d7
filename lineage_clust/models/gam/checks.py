"""Validation of the parameters of a GAM, and of its expression, penalty and offset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils.validation import _check_sample_weight

from ...errors import counted
from ...expression.storage.blocks import BlockedExpression
from ...utils.checking import JOBS, as_numbers, check_share, shortened
from ...utils.constraints import (
    Constraint,
    Constraints,
    check_constraints,
    is_number,
    is_real,
    one_of,
    positive_integer,
)
from ..families import FAMILIES, check_family

_FEWEST_GROUPS = 4
_FLAG_OR_AUTO = Constraint(
    "True, False or 'auto'", lambda value: isinstance(value, (bool, str)) and value in (True, False, "auto")
)


def _one_of_or_number(first: str, second: str) -> Constraint:
    return Constraint(
        f"{first!r}, {second!r} or a non-negative number",
        lambda value: value in (first, second) if isinstance(value, str) else is_number(value) and 0 <= value < np.inf,
        advice=lambda value: " It must be finite." if is_real(value) and not np.isfinite(value) else "",
    )


GAM_CONSTRAINTS: Constraints = {
    "smoothing": _one_of_or_number("reml", "gcv"),
    "covariance": one_of(["robust", "bayes", "cluster"]),
    "fit_intercept": _FLAG_OR_AUTO,
    "dispersion": _one_of_or_number("gene", "shrunk"),
    "expectile": lambda name, value: None if value is None else check_share(name, value),
    "discretize": _FLAG_OR_AUTO,
    "tolerance": check_share,
    "n_jobs": JOBS,
    "max_iter": positive_integer(),
}

CONDITION_CONSTRAINTS: Constraints = {
    name: GAM_CONSTRAINTS[name] for name in ("dispersion", "discretize", "tolerance", "n_jobs", "max_iter")
}


def check_parameters(model: Any) -> None:
    """Raise a ValueError for an invalid parameter of a GAM."""
    check_family(model.family, model.link)
    check_constraints(model, GAM_CONSTRAINTS)
    if model.expectile is not None and model.family != "gaussian":
        raise ValueError(f"expectile needs family='gaussian'; got family={model.family!r}. Remove one of them.")


def check_condition_parameters(model: Any) -> None:
    """Raise a ValueError for an invalid parameter of a ConditionGAM."""
    check_family(model.family, model.link)
    check_constraints(model, CONDITION_CONSTRAINTS)
    if not can_be_replicates(model.family, model.link or FAMILIES[model.family].default_link):
        raise ValueError(
            "Curves of conditions require the identity link with family='gaussian', and a log or logit link with others; "
            f"got family={model.family!r}, link={model.link!r}. Leave link out, or change it."
        )


def check_targets(y, n_cells: int):
    """Return y as a two-dimensional array, CSR or CSC matrix, and whether it was one-dimensional."""
    if y is None:
        raise ValueError("This GAM estimator requires y to be passed, but the target y is None.")
    single = False
    if sparse.issparse(y):
        y = y if y.format in ("csr", "csc") else y.tocsr()
    elif not isinstance(y, BlockedExpression):
        y = np.asarray(y)
        if y.dtype.kind not in "buif":
            try:
                y = as_numbers("y", y)
            except TypeError as error:
                raise ValueError(f"y must be numeric; its dtype is {y.dtype}.") from error
        elif y.dtype == np.float16 or not y.dtype.isnative:  # not supported by sparse matrices
            y = y.astype(np.float64)
        single = y.ndim == 1
        y = y[:, None] if single else y
    if y.ndim != 2:
        raise ValueError(f"y must have one or two dimensions; got {y.ndim}.")
    if y.shape[0] != n_cells:
        raise ValueError(f"X and y have inconsistent numbers of samples: {n_cells} and {y.shape[0]}.")
    if y.shape[1] == 0:
        raise ValueError("y has no columns: there is no gene to fit.")
    return y, single


def check_weights(sample_weight, X) -> np.ndarray:
    """Return the weights of the rows of `X` as an array; raise a ValueError if none is positive."""
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not np.any(weights > 0):
        raise ValueError("Every sample_weight is 0. At least one cell needs a positive weight.")
    return weights


def check_penalty(penalty, n_features: int) -> np.ndarray | None:
    """Return the penalty as an array; raise a ValueError if it is not symmetric and positive semi-definite."""
    if penalty is None:
        return None
    penalty = as_numbers("penalty", penalty.toarray() if sparse.issparse(penalty) else penalty)
    if penalty.ndim != 2 or penalty.shape[0] != penalty.shape[1] or len(penalty) > n_features:
        raise ValueError(
            f"penalty must be a square matrix for the leading columns of X; got shape {penalty.shape} for "
            f"{n_features} columns."
        )
    if not np.all(np.isfinite(penalty)) or not np.allclose(
        penalty, penalty.T, atol=1e-10 * np.abs(penalty).max(initial=0)
    ):
        raise ValueError("penalty must be finite and symmetric.")
    values = np.linalg.eigvalsh(penalty)
    if values.min(initial=0.0) < -1e-8 * np.abs(values).max(initial=0.0):
        raise ValueError(f"penalty must be positive semi-definite; its smallest eigenvalue is {values[0]:.3g}.")
    return penalty


def check_offset(offset, n_cells: int) -> np.ndarray | None:
    """Return the offset as an array with one finite value per cell."""
    return _of_cells("offset", offset, n_cells, 1, f"({n_cells},), one value per cell")


def check_covariates(covariates, n_cells: int) -> np.ndarray | None:
    """Return covariates as an array with one row of finite values per cell."""
    return _of_cells("covariates", covariates, n_cells, 2, f"({n_cells}, n_covariates), one row per cell")


def _of_cells(name: str, values: Any, n_cells: int, n_dimensions: int, shape: str) -> np.ndarray | None:
    if values is None:
        return None
    values = as_numbers(name, values)
    if values.ndim != n_dimensions or len(values) != n_cells:
        raise ValueError(f"{name} must have shape {shape}; got {values.shape}.")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{name} must be finite.")
    return values


def of_used(weights: np.ndarray, *others: Any) -> tuple:
    """Return weights and other values of the cells with positive weight."""
    used = np.flatnonzero(weights > 0)
    of_all = len(used) == len(weights)
    return tuple(values if of_all or values is None else values[used] for values in (weights, *others))


def can_be_replicates(family: str, link: str) -> bool:
    """Return whether donors can be replicates of a family with a link."""
    return link in (("identity",) if family == "gaussian" else ("log", "logit"))


def check_groups(model: Any, link: str, groups: ArrayLike | None, used: np.ndarray) -> np.ndarray | None:
    """Return codes of the groups of used cells from 0; raise a ValueError if a GAM does not support or lacks them."""
    if groups is None:
        if model.covariance == "cluster":
            raise ValueError(
                "covariance='cluster' requires the donor of each cell: pass groups to fit (sample_key to TrendClusterer), "
                "or use covariance='robust', in which cells are the replicates."
            )
        return None
    if model.expectile is not None or not can_be_replicates(model.family, link):
        raise ValueError(
            "groups (donors as replicates) require no expectile, and the identity link with family='gaussian' or a log or "
            f"logit link with others; this GAM has family={model.family!r}, link={link!r}, expectile={model.expectile!r}. "
            "Change them, or leave groups out: p-values then use cells as replicates."
        )
    codes, names = used_labels("groups", groups, used)
    if len(names) < _FEWEST_GROUPS:
        raise ValueError(
            f"With groups, at least {_FEWEST_GROUPS} of them need cells of positive weight, because the variation between "
            f"donors cannot be estimated from fewer; got {len(names)} ({shortened(names.tolist())}). Leave groups "
            "out, and report that p-values apply to these donors only."
        )
    return codes


def used_labels(name: str, labels: ArrayLike, used: np.ndarray, sort: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of the labels of used cells, and these labels, sorted or in order of appearance.

    >>> used_labels("groups", ["b", "a", "c", "b"], np.array([True, True, False, True]), sort=True)
    (array([1, 0, 1]), array(['a', 'b'], dtype='<U1'))
    """
    labels = np.asarray(labels)
    if labels.shape != used.shape:
        raise ValueError(f"{name} must have shape ({len(used)},), one label per cell; got {labels.shape}.")
    codes, names = pd.factorize(labels, sort=sort)
    missing = int(np.sum(codes[used] < 0))
    if missing:
        raise ValueError(
            f"{name} has no label for {counted(missing, 'cell')} (NaN or None). Label them, or give them weight 0."
        )
    kept, inverse = np.unique(codes[used], return_inverse=True)
    return inverse, names[kept]
