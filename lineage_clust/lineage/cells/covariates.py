"""Read covariates: obs columns as additional columns of the design."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from ...utils.checking import check_key
from ..columns import check_levels, column_of, numbers_or_levels


def read_covariates(
    adata: AnnData, covariates: str | Sequence[str] | None, name: str = "covariates"
) -> pd.DataFrame | None:
    """Return the covariates from obs, each as numbers or as a categorical, or `None` if there are none.

    `name` is that of the argument, for error messages.
    """
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

    A categorical covariate that is missing in a cell of the lineage (mask `taking_part`) is an error: cells without a
    batch are often a separate batch.
    """
    known = np.ones(len(terms), dtype=bool)
    for key in terms:
        if not isinstance(terms[key].dtype, pd.CategoricalDtype):
            known &= np.isfinite(terms[key].to_numpy())
            continue
        missing = int(np.sum(terms[key].isna().to_numpy() & taking_part))
        if missing:
            raise ValueError(
                f"Covariate {key!r} is missing (NaN) in {missing} of the {int(taking_part.sum())} cells of the "
                f"lineage. Assign them a separate level, e.g. with adata.obs[{key!r}].astype(str), or remove these "
                f"cells from adata."
            )
    return known


def design_columns(terms: pd.DataFrame, weights: np.ndarray) -> tuple[np.ndarray | None, list[str]]:
    """Return covariates as columns `(n_cells, n_columns)` with weighted mean 0, and the covariate of each column.

    A categorical term becomes one column per level except the first (treatment coding). Constant columns, which are
    confounded with the intercept, are dropped.

    >>> terms = pd.DataFrame({"batch": ["a", "b", "b"], "depth": [1.0, 2.0, 6.0]})
    >>> columns, keys = design_columns(terms, np.ones(3))
    >>> keys, columns[:, 1].tolist()
    (['batch', 'depth'], [-2.0, -1.0, 3.0])
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
