"""Construction of AnnData for modules that do not import anndata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from anndata import AnnData


def make_anndata(
    X: Any,
    obs: pd.DataFrame | None,
    var: pd.DataFrame | None,
    layers: Mapping[str, Any] | None = None,
    uns: Mapping[str, Any] | None = None,
) -> AnnData:
    """Return an AnnData with copies of the given tables.

    >>> import numpy as np
    >>> make_anndata(np.ones((2, 3)), None, None).shape
    (2, 3)
    """
    tables = [None if table is None else table.copy() for table in (obs, var)]
    return AnnData(X, obs=tables[0], var=tables[1], layers=layers, uns=None if uns is None else dict(uns))
