"""Further terms of the model: covariates, whose effects must be identifiable, and the offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import linalg

from ...errors import counted, quoted
from ...expression.storage.blocks import cell_totals
from ...utils.checking import as_vector, check_key
from ..columns import by_name, check_levels, column_of, numbers_in, numbers_or_levels

_ROUNDING = 1e-8  # relative variance that rounding errors leave in linearly dependent columns
_CELLS_A_COLUMN = 10  # the usual minimum number of observations per coefficient
SIZE_FACTORS = "size_factors"
AUTOMATIC = "auto"  # size factors, where counts are modelled


def read_covariates(
    adata: AnnData, covariates: str | Sequence[str] | None, name: str = "covariates"
) -> pd.DataFrame | None:
    """Return covariates from obs, each as numbers or as a categorical, or `None`; `name` is the argument in messages."""
    if covariates is None:
        return None
    if not np.iterable(covariates):
        raise TypeError(f"{name} must be obs keys; got {covariates!r}. Use e.g. {name}=['batch'].")
    keys = [covariates] if isinstance(covariates, str) else list(covariates)
    for key in keys:
        check_key(f"An entry of {name}", key)
    what = "Covariate" if name == "covariates" else name
    columns = {key: numbers_or_levels(column_of(adata, key, what)) for key in keys}
    return pd.DataFrame(columns) if columns else None


def known_cells(terms: pd.DataFrame, taking_part: np.ndarray) -> np.ndarray:
    """Return a mask of the cells with finite values in every numeric covariate of `read_covariates`.

    A missing category is an error in the mask `taking_part`: cells without a batch are often a separate batch.
    """
    known = np.ones(len(terms), dtype=bool)
    for key in terms:
        if not isinstance(terms[key].dtype, pd.CategoricalDtype):
            known &= np.isfinite(terms[key].to_numpy())
            continue
        missing = int(np.sum(terms[key].isna().to_numpy() & taking_part))
        if missing:
            raise ValueError(
                f"Covariate {key!r} is missing (NaN) in {missing} of the {int(taking_part.sum())} cells of the lineage. "
                f"Assign them a separate level, e.g. with adata.obs[{key!r}].astype(str), or remove these cells from adata."
            )
    return known


def design_columns(terms: pd.DataFrame, weights: np.ndarray) -> tuple[np.ndarray | None, list[str]]:
    """Return covariates as columns `(n_cells, n_columns)` with weighted mean 0, and the covariate of each column.

    Categories have one column per level but the first. Constant columns, confounded with the intercept, are dropped.
    """
    parts = {}
    for key in terms:
        values = numbers_or_levels(terms[key])
        check_levels(values, "Covariate")
        has_levels = isinstance(values.dtype, pd.CategoricalDtype)
        parts[key] = pd.get_dummies(values, drop_first=True, dtype=float) if has_levels else values.to_frame()
    table = pd.concat(parts, axis=1)
    columns = np.ascontiguousarray(table.to_numpy(dtype=float))
    varies = np.ptp(columns, axis=0) > 0
    if not varies.any():
        return None, []
    columns = columns[:, varies]
    return columns - np.average(columns, axis=0, weights=weights), [str(key) for key, _ in table.columns[varies]]


def check_identified(times: np.ndarray, weights: np.ndarray, columns: np.ndarray, keys: Sequence[str]) -> None:
    """Raise a ValueError that names the covariate if its effect is not identifiable.

    There must be ten cells per column of :func:`design_columns`, none of which is constant, no covariate may be a linear
    function of the others, and its variation between cells of the same pseudotime must correspond to at least ten cells.

    The time trend is an arbitrary smooth curve, so that the effect of a covariate is identified only by differences
    between cells of similar pseudotime. This variation is measured by the differences between successive cells in time,
    as in von Neumann's ratio [1]_ and in the differencing estimator of the partially linear model [2]_; cells with
    equal times are compared with each other. It does not depend on a basis or a bandwidth. Divided by the total
    variation and multiplied by the effective number of cells `sum(w)^2 / sum(w^2)`, it is the number of cells that
    would give the same information if there were no time trend. For several covariates the worst linear combination is
    used, given by the smallest generalised eigenvalue of the two matrices.

    References
    ----------
    .. [1] von Neumann (1941). Distribution of the ratio of the mean square successive difference to the variance. Annals
       of Mathematical Statistics 12, 367-395.
    .. [2] Yatchew (1997). An elementary estimator of the partial linear model. Economics Letters 57, 135-143.
    """
    n_cells, n_columns = columns.shape
    names = list(dict.fromkeys(keys))
    if n_cells < _CELLS_A_COLUMN * n_columns:
        raise ValueError(
            f"{counted(n_columns, 'coefficient')} of {_covariates(names)} would be estimated from "
            f"{counted(n_cells, 'cell')}; at least ten cells per coefficient are needed. Remove "
            "covariates, or merge their levels."
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
            f"The effects of {_covariates(involved, 'covariates')} cannot be separated from each other: in the "
            f"{n_cells} cells of the lineage, {involved[-1]!r} is a linear function of the "
            f"other{'s' if len(involved) > 2 else ''}. Remove one of them from covariates."
        )
    _check_time(total, local, list(keys), effective)


def scatter(times: np.ndarray, weights: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted scatter matrix of columns, and its part between cells of similar time, `(n_columns, n_columns)`.

    Except for the first and last cell, they agree in expectation if columns do not depend on time and weights are equal.
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
    """Raise a ValueError if a linear combination of columns hardly varies between cells of the same time."""
    values, vectors = linalg.eigh(local, total + _ROUNDING * np.eye(len(total)))
    worth = n_cells * max(float(values[0]), 0.0)
    if worth >= _CELLS_A_COLUMN:
        return
    names = _involved(vectors[:, 0], keys)
    several = len(names) > 1
    raise ValueError(
        f"The effect of {_covariates(names)}{' together' if several else ''} cannot be separated from that of "
        f"pseudotime: {'their' if several else 'its'} variation between cells of the same pseudotime corresponds to "
        f"{worth:.2g} cells, but ten are needed. Remove {'one of them' if several else 'it'} from covariates, or "
        f"restrict time_range to where {'their' if several else 'its'} values mix."
    )


def _involved(direction: np.ndarray, keys: Sequence[str]) -> list[str]:
    large = np.abs(direction) > 0.1 * np.abs(direction).max()
    return list(dict.fromkeys(key for key, used in zip(keys, large, strict=True) if used))


def _covariates(names: list[str], word: str = "covariate") -> str:
    return f"{word}{'s' if len(names) > 1 and not word.endswith('s') else ''} {quoted(names)}"


def read_offset(adata: AnnData, offset: Any, matrix) -> np.ndarray | None:
    """Return the offset of all cells `(n_obs,)`: an obs key, an array, or the logs of the sums over all of `matrix`."""
    if offset is None:
        return None
    if isinstance(offset, str):
        if offset == SIZE_FACTORS:
            return log_totals(matrix)
        column = column_of(adata, offset, "offset", " Pass an obs key, 'size_factors', an array, or None for none.")
        numbers = numbers_in(column, booleans=True)
        if numbers is None:
            raise TypeError(
                f"The offset adata.obs[{offset!r}] must be numeric; its dtype is {column.dtype}. Convert it, e.g. with "
                ".astype(float)."
            )
        return numbers
    offset = by_name("offset", offset, adata.obs_names, "cells")
    values = as_vector("offset", offset) if np.ndim(offset) == 1 else np.asarray(offset)
    if values.shape != (adata.n_obs,):
        raise ValueError(
            f"offset has shape {values.shape}, but adata has {adata.n_obs} cells. Put it in adata.obs and pass its "
            "key: a column of obs is split together with the cells, e.g. in cross-validation."
        )
    return values


def log_totals(matrix) -> np.ndarray:
    """Return the log of the total over all genes of each cell, `(n_obs,)`; values that are not finite are left out."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(cell_totals(matrix))
