"""Distinguish labels of the cells (scikit-learn's `y`) from genes in the second positional argument of `fit`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.utils.validation import _num_samples

Fit = TypeVar("Fit", bound=Callable[..., Any])


def labels_may_come_second(fit: Fit) -> Fit:
    """Decorate `fit(self, adata, genes=None, ...)` to ignore labels of cells in the position of `genes`, or as `y`.

    Pipelines and searches of scikit-learn call `fit(X, y)`; `fit(adata, y, genes=...)` works as well.
    """

    @wraps(fit)
    def with_labels(self, adata, *args, **keywords):
        labels = keywords.pop("y", None)
        names = _names(adata, self) if isinstance(adata, AnnData) else None
        if labels is not None and names and not are_labels(adata, labels, *names):
            raise ValueError(
                "y contains labels of the cells, one per cell, which are ignored; got something else. Pass genes as "
                "genes=[...]."
            )
        if args and names and (args[0] is None or are_labels(adata, args[0], *names)):
            args = () if len(args) == 1 and "genes" in keywords else (None, *args[1:])
        return fit(self, adata, *args, **keywords)

    return cast("Fit", with_labels)


def are_labels(adata: AnnData, values: Any, var_names: pd.Index, symbols: Iterable = ()) -> bool:
    """Return whether values are labels of the cells and not names of genes, or a mask over the genes.

    A Series or DataFrame indexed by the cells contains labels. Other values are labels if there is one value per cell
    and they are not names of genes (`var_names`, `symbols`). Unique names are genes if some of them are names of genes.
    Values that could be either are an error: booleans with as many cells as genes, or one gene name per cell with
    duplicates.
    """
    index = values.index if isinstance(values, (pd.Series, pd.DataFrame)) else pd.Index([])
    of_cells, of_genes = adata.obs_names.isin(index).all(), index.isin(var_names).all()
    if of_cells and not of_genes:  # an earlier step may have removed some of the cells
        return True
    if isinstance(values, (str, bytes)) or _count(values) != adata.n_obs:
        return False
    if np.ndim(values) > 1:
        return True
    each = list(values)
    if all(isinstance(value, (bool, np.bool_)) for value in each):
        if len(each) != len(var_names):
            return True
        if of_genes and not of_cells and len(index):
            return False
        raise ValueError(
            f"The second argument of fit contains {len(each)} booleans, and there are as many cells as genes: it could "
            "be labels of the cells or a mask of the genes. Pass a mask as genes=mask, and labels as a Series indexed "
            "by the cells."
        )
    names = {*var_names, *symbols}
    known = [isinstance(value, Hashable) and value in names for value in each]
    if all(known) and len(set(each)) < len(each):
        raise ValueError(
            "The second argument of fit has one value per cell, and each is the name of a gene: it could be labels of "
            f"the {len(each)} cells or genes. Pass genes as genes=[...], and labels as a Series indexed by the cells."
        )
    return not any(known) or len(set(each)) < len(each)


def _names(adata: AnnData, estimator: Any) -> tuple[pd.Index, Iterable]:
    """Return the names of the genes that an estimator reads, and their symbols if it has `gene_symbols`."""
    raw = getattr(estimator, "use_raw", False) is True and adata.raw is not None
    table = adata.raw.var if raw else adata.var
    key = getattr(estimator, "gene_symbols", None)
    return table.index, table[key] if isinstance(key, str) and key in table else ()


def _count(values: Any) -> int | None:
    try:
        return _num_samples(values)
    except TypeError:
        return None
