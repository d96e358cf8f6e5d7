"""Rows, posterior samples and graph by which partitions of the rows are evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import numpy as np
from scipy import sparse

from .distinctness import Material
from .neighbors import Neighbors, nearest_neighbors, principal_axes
from .weights import connectivities

_LEAST_ROWS = 8  # of a graph on which partitions are evaluated
_N_DRAWS = 10  # number of draws taken from an iterator


def taken(draws: Iterable) -> Iterator:
    """Return an iterator over all elements of a sequence of draws, or the first ten of an iterator."""
    return islice(draws, _N_DRAWS) if isinstance(draws, Iterator) else iter(draws)


def along_axes(rows: np.ndarray, draws: Iterator[np.ndarray] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return rows `(n_rows, n_axes)` and draws `(n_draws, n_rows, n_axes)` along their principal axes.

    Draws are taken one at a time, because all of them are many times as large as what is kept.
    """
    drawn = iter(()) if draws is None else draws
    first = list(islice(drawn, 1))
    if draws is not None and not first:
        raise ValueError("draws is empty. Pass at least one array, or draws=None.")
    axes = principal_axes(np.vstack([rows, *first]))
    unit = -int(np.frexp(np.abs(rows).max())[1])  # so that results do not depend on the unit of the rows
    scaled = np.ldexp(rows @ axes, unit)
    along = [np.ldexp(draw @ axes, unit).astype(np.float32) for draw in chain(first, drawn)]
    return scaled, np.array(along, dtype=np.float32).reshape(len(along), *scaled.shape)


def graph_of_nearest(rows: np.ndarray, metric):
    """Return the graph on which partitions of few rows are evaluated, or `None` if none is informative.

    Groups smaller than the number of neighbours are connected to others however distinct they are. Among few rows, each
    is therefore connected to the nearest one only. The metric is `None` if a transformer searches the neighbours.
    """
    if len(rows) < _LEAST_ROWS or metric is None:
        return None
    return connectivities(nearest_neighbors(rows, 1, metric), "binary")


def ranks_of_edges(graph: sparse.csr_matrix, lists: Neighbors) -> np.ndarray:
    """Return the positions of the rows of each edge in the lists of each other, `(2, n_edges)`; -1 if not listed.

    >>> lists = Neighbors(np.array([[1, 2], [2, 0], [1, -1]]), np.array([[1.0, 2.0], [1.0, 1.0], [1.0, np.inf]]))
    >>> ranks_of_edges(sparse.csr_matrix(np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])), lists).tolist()
    [[0, 1, 1, 0, -1, 0], [1, -1, 0, 0, 1, 0]]
    """
    edges, (rows, places) = graph.tocoo(), np.nonzero(lists.listed)
    if edges.nnz == 0:
        return np.zeros((2, 0), dtype=int)
    position = sparse.csr_matrix((places + 1, (rows, lists.indices[rows, places])), shape=graph.shape)
    ends = edges.row, edges.col
    return np.array([np.asarray(position[pair]).ravel() for pair in (ends, ends[::-1])]) - 1


def make_material(
    curves: np.ndarray, rows: np.ndarray, draws: Iterator[np.ndarray] | None, graph, ranks: np.ndarray | None
) -> Material:
    """Return the data by which partitions are evaluated; `rows` and `draws` are in the space of the distances."""
    along, drawn = along_axes(rows, draws)
    centred = curves - curves.mean(axis=1, keepdims=True)
    return Material(along, drawn, centred @ principal_axes(centred), graph, _noise(centred, along, drawn), ranks)


def _noise(curves: np.ndarray, rows: np.ndarray, draws: np.ndarray) -> np.ndarray | None:
    """Return the squared norm of each curve's error, from draws of the rows, which may have another unit."""
    if len(draws) == 0:
        return None
    error = np.mean([((draw - rows) ** 2).sum(axis=1) for draw in draws], axis=0)
    length = (rows**2).sum(axis=1)
    share = np.divide(error, length, out=np.zeros(len(rows)), where=length > 0)
    return share * (curves**2).sum(axis=1)
