"""Rows that differ by no more than rounding."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from .canonical import identical_groups
from .neighbors import Neighbors, nearest_neighbors

_FEW = 5  # neighbours per row when identical rows are excluded


def groups_up_to_rounding(rows: np.ndarray, step: float, lists: Neighbors | None) -> np.ndarray:
    """Return the group `(n_rows,)` of each row; rows of a group are equal or linked by differences of one `step`.

    rows : `(n_rows, n_columns)` in canonical order.
    step : To which values were rounded.
    lists : Nearest neighbours of the rows by euclidean distance, used if no two rows are equal; `None` searches them.
    """
    group, rank = identical_groups(rows)
    unlike = rows[rank == 0]
    if lists is None or rank.any():
        lists = nearest_neighbors(unlike, _FEW)  # otherwise identical rows list only each other
    near = lists.distances <= step * np.sqrt(unlike.shape[1])
    ends = np.nonzero(near)[0], lists.indices[near]
    edges = sparse.coo_array((np.ones(len(ends[0])), ends), shape=(len(unlike), len(unlike)))
    return connected_components(edges, directed=False)[1][group]
