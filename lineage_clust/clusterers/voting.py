"""Labels of new rows, by a vote of their nearest fitted rows."""

from __future__ import annotations

import numpy as np

from .labels import majority
from .neighbors import Neighbors
from .weights import STRENGTHS


def vote(
    queries: np.ndarray, lists: Neighbors, rows: np.ndarray, labels: np.ndarray, fitted: Neighbors, weights: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the label of each query and its share of the votes, in (0, 1].

    queries : `(n_queries, n_columns)` new rows.
    lists : The fitted rows nearest to each query.
    rows : `(n_rows, n_columns)` fitted rows. A query equal to one of them gets its label.
    labels : `(n_rows,)` labels of the fitted rows.
    fitted : The neighbours of the fitted rows.
    weights : Name of the function in `STRENGTHS` that computes the strength of a vote. If a fitted row is at distance
        0, only such rows vote; if every strength is 0, all votes are equal.
    """
    strengths = STRENGTHS[weights](lists, fitted)
    at_zero = lists.distances == 0
    strengths = np.where(at_zero.any(axis=1)[:, None], at_zero, strengths)
    strengths = np.where(strengths.sum(axis=1)[:, None] > 0, strengths, lists.listed)
    found, share = majority(labels[lists.indices], strengths)

    # An exact look-up, because different rows may be at distance 0 in a metric such as cosine.
    known = {row.tobytes(): label for row, label in zip(rows, labels, strict=True)}
    for number, query in enumerate(queries):
        if (key := query.tobytes()) in known:
            found[number], share[number] = known[key], 1.0
    return found, share
