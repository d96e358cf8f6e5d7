"""Whether the effects of covariates can be told from that of time, and from each other; arrays only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import linalg

from ..errors import quoted

# A share of variance that rounding leaves of columns that follow from each other.
_ROUNDING = 1e-8
# The usual least number of observations for a coefficient.
_CELLS_A_COLUMN = 10


def check_identified(times: np.ndarray, weights: np.ndarray, columns: np.ndarray, keys: Sequence[str]) -> None:
    """Raise a ValueError that names the covariate if a model could not tell its effect from others.

    Parameters
    ----------
    times, weights
        `(n_cells,)`, weights positive.
    columns
        `(n_cells, n_columns)` as :func:`lineage_clust.lineage.covariates.encode_covariates` makes them; none is constant.
    keys
        The covariate that each column is of.

    Raises
    ------
    ValueError
        If an effect does not rest on ten cells: if there are less than ten cells a column; if a covariate follows from the
        others; or if what of its variation is left between cells of the same time is less than ten cells have.

    Notes
    -----
    The time trend may be any curve, so that a covariate's effect shows only between cells of about the same time. Their
    variation is measured as by von Neumann's ratio [1]_, by the differences between successive cells in time, which the
    differencing estimator of the partially linear model rests on too [2]_; cells of equal time are compared with each
    other. It does not depend on a basis or a bandwidth. Divided by all variation, and times the effective number of cells
    `sum(w)^2 / sum(w^2)`, it says how many cells would tell as much of the effect if time had none; of several covariates
    the worst combination counts, the least generalised eigenvalue of the two matrices.

    References
    ----------
    .. [1] von Neumann (1941). Distribution of the ratio of the mean square successive difference to the variance. Annals
       of Mathematical Statistics 12, 367-395.
    .. [2] Yatchew (1997). An elementary estimator of the partial linear model. Economics Letters 57, 135-143.

    Examples
    --------
    >>> times = np.linspace(0, 1, 100)
    >>> check_identified(times, np.ones(100), np.sign(times - 0.5)[:, None], ["batch"])
    Traceback (most recent call last):
    ValueError: The effect of covariate 'batch' cannot be told from that of pseudotime: between cells of the same pseudotime
    it varies as much as in 2 cells, and ten are needed. Leave it out of covariates, or set time_range to where its values
    mix.
    """
    n_cells, n_columns = columns.shape
    names = list(dict.fromkeys(keys))
    if n_cells < _CELLS_A_COLUMN * n_columns:
        raise ValueError(
            f"Of {_covariates(names)} {n_columns} coefficients are to be estimated from {n_cells} cells; there must be "
            "at least ten cells a coefficient. Leave covariates out, or merge their levels."
        )
    effective = weights.sum() ** 2 / np.sum(weights**2)
    total, local = scatter(times, weights, columns)
    size = np.sqrt(np.diag(total))
    total, local = total / np.outer(size, size), local / np.outer(size, size)
    owners = np.array([names.index(key) for key in keys])
    for index in range(len(names)):
        own = np.flatnonzero(owners == index)
        _check_time(total[np.ix_(own, own)], local[np.ix_(own, own)], [names[index]] * len(own), effective)
    values, vectors = linalg.eigh(total)
    if values[0] < _ROUNDING:
        involved = _involved(vectors[:, 0], keys)
        raise ValueError(
            f"The effects of {_covariates(involved, 'covariates')} cannot be told from each other: in the {n_cells} cells "
            f"that take part, {involved[-1]!r} follows from the other{'s' if len(involved) > 2 else ''}. Leave one of them "
            "out of covariates."
        )
    _check_time(total, local, list(keys), effective)


def scatter(times: np.ndarray, weights: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted scatter matrix of columns, and what of it lies between cells of about the same time.

    Returns
    -------
    total, local : ndarray of shape (n_columns, n_columns)
        They agree in expectation, but for the first and last cell, if columns do not depend on time and weights are equal.

    Examples
    --------
    >>> total, local = scatter(np.arange(4.0), np.ones(4), np.array([[0.0], [1.0], [0.0], [1.0]]))
    >>> total.item(), local.item()
    (1.0, 1.5)
    """
    centred = columns - np.average(columns, axis=0, weights=weights)
    total = centred.T @ (centred * weights[:, None])
    _, group, counts = np.unique(times, return_inverse=True, return_counts=True)
    mass = np.bincount(group, weights)
    sums = np.column_stack([np.bincount(group, weights * column) for column in centred.T])
    means = sums / mass[:, None]
    within = centred - means[group]
    local = within.T @ (within * weights[:, None])
    a, b = mass[:-1] / counts[:-1], mass[1:] / counts[1:]
    steps = np.diff(means, axis=0)
    return total, local + steps.T @ (steps * (a * b / (a + b))[:, None])


def _check_time(total: np.ndarray, local: np.ndarray, keys: list[str], n_cells: float) -> None:
    """Raise a ValueError if a combination of columns hardly varies between cells of the same time."""
    values, vectors = linalg.eigh(local, total + _ROUNDING * np.eye(len(total)))
    worth = n_cells * max(float(values[0]), 0.0)
    if worth >= _CELLS_A_COLUMN:
        return
    names = _involved(vectors[:, 0], keys)
    several = len(names) > 1
    raise ValueError(
        f"The effect of {_covariates(names)}{' together' if several else ''} cannot be told from that of pseudotime: between "
        f"cells of the same pseudotime {'they vary' if several else 'it varies'} as much as in {worth:.2g} cells, and ten "
        f"are needed. Leave {'one of them' if several else 'it'} out of covariates, or set time_range to where "
        f"{'their' if several else 'its'} values mix."
    )


def _involved(direction: np.ndarray, keys: Sequence[str]) -> list[str]:
    """Return the covariates that a combination of columns is made of."""
    large = np.abs(direction) > 0.1 * np.abs(direction).max()
    return list(dict.fromkeys(key for key, used in zip(keys, large, strict=True) if used))


def _covariates(names: list[str], word: str = "covariate") -> str:
    return f"{word}{'s' if len(names) > 1 and not word.endswith('s') else ''} {quoted(names)}"
