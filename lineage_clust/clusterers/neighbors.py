"""Nearest-neighbour lists: the rows closest to each row, with ties settled by row number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree
from sklearn.neighbors import NearestNeighbors

from ..utils.threads import available_threads, few_threads
from .canonical import identical_groups

# Distances that differ by less than this fraction of the longest one in a list are equal, and their rows are ranked by
# number. Coarser than the rounding of the rows, which must not split a tie.
_TIE = 1e-8
# From this number of columns on, rows are searched in the dimensions that they span.
_MANY_COLUMNS = 30
# From this number on, queries are shared among threads.
_MANY_ROWS = 4000
_VERY_MANY_COLUMNS = 2000
_ROUNDING = 1e-6
# Rows are handled in blocks of about this many numbers (32 MiB).
_BLOCK = 2**22
# So many stay in a processor's cache.
_CACHED = 2**17


class Neighbors(NamedTuple):
    """Lists of neighbours, nearest first, one list a row.

    Attributes
    ----------
    indices : ndarray of int, shape (n_rows, n_listed)
        Row numbers of the neighbours; shorter lists end in -1.
    distances : ndarray of float, shape (n_rows, n_listed)
        Their distances; shorter lists end in infinity.
    """

    indices: np.ndarray
    distances: np.ndarray

    @property
    def listed(self):
        """Boolean array of shape (n_rows, n_listed): False where a shorter list was filled up."""
        return self.indices >= 0


def nearest_neighbors(rows, n_listed, metric="euclidean", queries=None):
    """List the nearest rows of each row, or of each query.

    Of rows at equal distance the ones with the smaller number come first, whatever the number of threads.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        Rows among which neighbours are sought. With many identical rows the search is fast if these are adjacent.
    n_listed : int
        Number of neighbours in a list, fewer if there are not as many rows.
    metric : str or callable, default="euclidean"
        Distance, as in `sklearn.neighbors.NearestNeighbors`.
    queries : ndarray of shape (n_queries, n_columns), optional
        Points whose neighbours are sought. By default the rows themselves, each without itself.

    Returns
    -------
    Neighbors
        One list for each row or query.

    Raises
    ------
    ValueError
        If a distance is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> nearest_neighbors(np.array([[0.0], [1.0], [3.0]]), n_listed=1).indices.ravel()
    array([1, 0, 1])
    """
    points, own = (rows, np.arange(len(rows))) if queries is None else (queries, np.full(len(queries), -1))
    n_listed = min(n_listed, len(rows) - (queries is None))
    if n_listed == 0:
        return Neighbors(np.empty((len(points), 0), dtype=int), np.empty((len(points), 0)))

    # Everyone who would list the later copies of a row lists its first copies before them, so the later ones need not
    # be searched: thousands of identical rows would otherwise tie with each other.
    _, rank = identical_groups(rows)
    sought = np.flatnonzero(rank <= n_listed)
    # Trends lie in few dimensions, and in those a search costs little: what sticks out of them is the same for all rows.
    axes = principal_axes(rows) if metric == "euclidean" and rows.shape[1] > _MANY_COLUMNS else None
    places, asking = (rows, points) if axes is None else (rows @ axes, points @ axes)
    by_tree = metric == "euclidean" and places.shape[1] <= _MANY_COLUMNS
    searcher = cKDTree(places[sought]) if by_tree else NearestNeighbors(metric=metric).fit(places[sought])

    indices = np.empty((len(points), n_listed), dtype=int)
    distances = np.empty((len(points), n_listed))
    open_rows, asked = np.arange(len(points)), n_listed + 2  # room for the row itself and for one more, to see a tie
    while len(open_rows):
        asked = min(asked, len(sought))
        tied = []
        for block in _blocks(open_rows, asked):
            if by_tree:
                found, found_at = searcher.query(asking[block], k=np.arange(1, asked + 1), workers=_threads(block))
            else:
                with few_threads(len(points) * len(sought)):
                    found, found_at = searcher.kneighbors(asking[block], n_neighbors=asked)
            found_at, reach = sought[found_at], None
            if not by_tree or axes is not None:
                # what is not along the axes only adds to distances: nothing nearer than this can have been missed
                reach = found[:, -1] * (1 - 2 * _TIE) if by_tree else None
                found = _exact_distances(points[block], rows, found_at, found, metric)
            found, found_at, last = _ranked(found, found_at, own[block])
            indices[block], distances[block] = found_at[:, :n_listed], found[:, :n_listed]
            # The list is complete if something farther than its last member was found too.
            tied.append(block[(last if reach is None else reach) <= found[:, n_listed - 1]])
        open_rows, asked = (np.concatenate(tied), 4 * asked) if asked < len(sought) else ([], asked)
    return Neighbors(indices, distances)


def _threads(block):
    return available_threads() if len(block) >= _MANY_ROWS else 1


def principal_axes(rows):
    """Return orthonormal axes that hold the rows, `(n_columns, n_axes)`, but for a millionth: what rounding adds to trends.

    Distances between rows are the same along them, but for that.
    """
    if rows.shape[1] > max(len(rows), _VERY_MANY_COLUMNS):  # their products would not fit in memory
        return np.linalg.qr(rows.T)[0]
    values, vectors = np.linalg.eigh(rows.T @ rows)
    return vectors[:, values > _ROUNDING**2 * max(values[-1], np.finfo(float).tiny)]


def neighbors_from_graph(graph, *, without_self):
    """Turn a sparse graph of distances, as `KNeighborsTransformer` returns it, into lists.

    Parameters
    ----------
    graph : sparse matrix of shape (n_queries, n_rows)
        Distances to the neighbours of each query; a stored zero is a neighbour at distance 0.
    without_self : bool
        Leave the diagonal out: queries and rows are the same.

    Returns
    -------
    Neighbors
        Lists as long as the longest row of the graph.

    Raises
    ------
    ValueError
        If a distance is not finite.
    """
    graph = sparse.coo_matrix(graph)
    kept = graph.row != graph.col if without_self else slice(None)
    row, col, value = graph.row[kept], graph.col[kept], graph.data[kept].astype(float)
    by_row = np.argsort(row, kind="stable")
    row, col, value = row[by_row], col[by_row], value[by_row]

    counts = np.bincount(row, minlength=graph.shape[0])
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    indices = np.full((graph.shape[0], counts.max(initial=0)), -1)
    distances = np.full(indices.shape, np.inf)
    indices[row, place], distances[row, place] = col, value
    if not np.isfinite(value).all():
        _refuse(indices, distances, "the neighbors graph")
    distances, indices, _ = _ranked(distances, indices, np.full(len(indices), -2))
    return Neighbors(indices, distances)


def _exact_distances(points, rows, found_at, found, metric):
    """Return distances free of cancellation.

    For many columns scikit-learn expands |a - b|^2 into |a|^2 - 2ab + |b|^2, which leaves about 1e-7 |a| of noise where
    rows are (nearly) identical: enough to tell equal rows apart.
    """
    if metric == "euclidean":
        found = np.empty_like(found)
        for block in _blocks(np.arange(len(points)), found_at.shape[1] * points.shape[1], _CACHED):
            difference = points[block][:, None, :] - rows[found_at[block]]
            found[block] = np.sqrt(np.einsum("ijk,ijk->ij", difference, difference))
    if not np.isfinite(found).all():
        _refuse(found_at, found, f"metric={metric!r}")
    return found


def _ranked(distances, indices, own):
    """Sort lists by rounded distance, then by row number, with the row itself (`own`) and fillers at the end.

    Also return the longest distance in each list.
    """
    # NumPy refuses the maximum of no columns without an initial value.
    longest = np.max(distances, axis=1, initial=0.0, where=np.isfinite(distances))
    unit = np.where(longest > 0, _TIE * longest, 1.0)[:, None]
    distances = np.round(distances / unit) * unit
    distances[indices == own[:, None]] = np.inf
    last = np.max(distances, axis=1, initial=0.0, where=np.isfinite(distances))
    order = np.lexsort((indices, distances), axis=1)
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(indices, order, axis=1), last


def _blocks(rows, numbers_each, numbers=_BLOCK):
    """Cut an array of row numbers into pieces of at most so many numbers."""
    size = max(1, numbers // max(1, numbers_each))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _refuse(indices, distances, source):
    bad = int((~np.isfinite(distances) & (indices >= 0)).any(axis=1).sum())
    raise ValueError(
        f"{source} gives distances that are not finite for {bad} rows: a constant row, for instance, has no "
        "correlation with others. Leave such rows out or choose another metric."
    )
