"""k-nearest-neighbour lists, in which ties in distance are broken by row number, and rows that differ only by rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from sklearn.neighbors import NearestNeighbors

from ..errors import counted
from ..utils.matrices import chunks
from ..utils.threads import available_threads, few_threads
from .canonical import identical_groups

# Distances that differ by less than this fraction of the longest one in a list are treated as equal, and their rows are
# ranked by number. It is coarser than the rounding of the rows, so that rounding does not break ties.
_TIE = 1e-8
# With more columns than this, the search uses the subspace that the rows span.
_MANY_COLUMNS = 30
# With at least this many queries, the search uses several threads.
_MANY_ROWS = 4000
_VERY_MANY_COLUMNS = 2000
_ROUNDING = 1e-6
# Rows are processed in blocks of about this many values (32 MiB).
_BLOCK = 2**22
# Number of values that fit into the processor's cache.
_CACHED = 2**17
_FEW = 5  # neighbours per row when identical rows are excluded


class Neighbors(NamedTuple):
    """Lists of neighbours, nearest first, one list per row: numbers and distances, `(n_rows, n_listed)` each.

    Shorter lists are padded with -1 and infinity.
    """

    indices: np.ndarray
    distances: np.ndarray

    @property
    def listed(self) -> np.ndarray:
        """Which entries are no padding, `(n_rows, n_listed)`."""
        return self.indices >= 0


def nearest_neighbors(
    rows: np.ndarray, n_listed: int, metric: Any = "euclidean", queries: np.ndarray | None = None
) -> Neighbors:
    """Return the rows nearest to each query, or to each row, which is then not in its own list.

    Rows at equal distance are ordered by row number, for any number of threads. With many identical rows the search is
    faster if these are adjacent. Raises a ValueError if a distance is not finite.

    >>> nearest_neighbors(np.array([[0.0], [1.0], [3.0]]), n_listed=1).indices.ravel()
    array([1, 0, 1])
    """
    points, own = (rows, np.arange(len(rows))) if queries is None else (queries, np.full(len(queries), -1))
    n_listed = min(n_listed, len(rows) - (queries is None))
    if n_listed == 0:
        return Neighbors(np.empty((len(points), 0), dtype=int), np.empty((len(points), 0)))

    # Any list that would contain later copies of a row contains its first copies before them, so the later copies need
    # not be searched. Otherwise thousands of identical rows would be tied with each other.
    _, rank = identical_groups(rows)
    sought = np.flatnonzero(rank <= n_listed)
    # Trends span few dimensions, in which the search is cheap.
    axes = principal_axes(rows) if metric == "euclidean" and rows.shape[1] > _MANY_COLUMNS else None
    places, asking = (rows, points) if axes is None else (rows @ axes, points @ axes)
    by_tree = metric == "euclidean" and places.shape[1] <= _MANY_COLUMNS
    searcher = cKDTree(places[sought]) if by_tree else NearestNeighbors(metric=metric).fit(places[sought])

    indices = np.empty((len(points), n_listed), dtype=int)
    distances = np.empty((len(points), n_listed))
    open_rows, asked = np.arange(len(points)), n_listed + 2  # the row itself, and one more to detect a tie
    while len(open_rows):
        asked = min(asked, len(sought))
        tied = []
        for block in _blocks(open_rows, asked):
            if by_tree:
                n_threads = available_threads() if len(block) >= _MANY_ROWS else 1
                found, found_at = searcher.query(asking[block], k=np.arange(1, asked + 1), workers=n_threads)
            else:
                with few_threads(len(points) * len(sought)):
                    found, found_at = searcher.kneighbors(asking[block], n_neighbors=asked)
            found_at, reach = sought[found_at], None
            if not by_tree or axes is not None:
                # components orthogonal to the axes only increase distances: no row nearer than this was missed
                reach = found[:, -1] * (1 - 2 * _TIE) if by_tree else None
                found = _exact_distances(points[block], rows, found_at, found, metric)
            found, found_at, last = _ranked(found, found_at, own[block])
            indices[block], distances[block] = found_at[:, :n_listed], found[:, :n_listed]
            # A list is complete if a row farther away than its last member was found as well.
            tied.append(block[(last if reach is None else reach) <= found[:, n_listed - 1]])
        if asked == len(sought):
            break
        open_rows, asked = np.concatenate(tied), 4 * asked
    return Neighbors(indices, distances)


def principal_axes(rows: np.ndarray) -> np.ndarray:
    """Return orthonormal axes `(n_columns, n_axes)` that span the rows up to a relative error of about 1e-6.

    Distances between the projected rows equal those between the rows up to this error.
    """
    if rows.shape[1] > max(len(rows), _VERY_MANY_COLUMNS):  # the matrix of products would not fit in memory
        return np.linalg.qr(rows.T)[0]
    values, vectors = np.linalg.eigh(rows.T @ rows)
    return vectors[:, values > _ROUNDING**2 * max(values[-1], np.finfo(float).tiny)]


def neighbors_of_rows(rows: np.ndarray, n_listed: int, metric: Any, searcher: Any) -> Neighbors:
    """Return the neighbours of each row, searched by `nearest_neighbors`, or by a transformer that is fitted here."""
    if searcher is None:
        return nearest_neighbors(rows, n_listed, metric)
    graph = searcher.fit_transform(rows)
    if not sparse.issparse(graph) or graph.shape != (len(rows), len(rows)):
        raise TypeError(
            f"neighbors must return a sparse graph of distances between the {len(rows)} rows; "
            f"{type(searcher).__name__} returned {type(graph).__name__} of shape {np.shape(graph)}."
        )
    return neighbors_from_graph(graph, without_self=True)


def neighbors_of_queries(rows: np.ndarray, queries: np.ndarray, n_listed: int, metric: Any, searcher: Any) -> Neighbors:
    """Return the rows nearest to each query, in the same way."""
    if searcher is None:
        return nearest_neighbors(rows, n_listed, metric, queries=queries)
    if not hasattr(searcher, "transform"):
        raise TypeError(f"predict needs neighbors with transform; {type(searcher).__name__} has none.")
    return neighbors_from_graph(searcher.transform(queries), without_self=False)


def neighbors_from_graph(graph: Any, *, without_self: bool) -> Neighbors:
    """Convert a sparse graph of distances `(n_queries, n_rows)`, as of `KNeighborsTransformer`, to neighbour lists.

    A stored zero is a neighbour at distance 0; `without_self` excludes the diagonal, because queries and rows are the same.
    Lists are as long as the longest row of the graph. Raises a ValueError if a distance is not finite.
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


def groups_up_to_rounding(rows: np.ndarray, step: float, lists: Neighbors | None) -> np.ndarray:
    """Return the group `(n_rows,)` of each row, in canonical order; rows of a group are equal or linked by one `step` each.

    `lists` of the rows by euclidean distance are used if no two rows are equal; `None` searches them.
    """
    group, rank = identical_groups(rows)
    unlike = rows[rank == 0]
    if lists is None or rank.any():
        lists = nearest_neighbors(unlike, _FEW)  # otherwise identical rows list only each other
    near = lists.distances <= step * np.sqrt(unlike.shape[1])
    ends = np.nonzero(near)[0], lists.indices[near]
    edges = sparse.coo_array((np.ones(len(ends[0])), ends), shape=(len(unlike), len(unlike)))
    return connected_components(edges, directed=False)[1][group]


def _exact_distances(points, rows, found_at, found, metric) -> np.ndarray:
    """Return distances computed without cancellation.

    For many columns scikit-learn expands |a - b|^2 into |a|^2 - 2ab + |b|^2, which leaves about 1e-7 |a| of noise where
    rows are (nearly) identical, so that equal rows would appear to differ.
    """
    if metric == "euclidean":
        found = np.empty_like(found)
        for block in _blocks(np.arange(len(points)), found_at.shape[1] * points.shape[1], _CACHED):
            difference = points[block][:, None, :] - rows[found_at[block]]
            found[block] = np.sqrt(np.einsum("ijk,ijk->ij", difference, difference))
    if not np.isfinite(found).all():
        _refuse(found_at, found, f"metric={metric!r}")
    return found


def _ranked(distances, indices, own) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort lists by rounded distance, then by row number, with the row itself (`own`) and padding at the end.

    Also return the longest distance in each list.
    """
    # NumPy requires an initial value for the maximum over zero columns.
    longest = np.max(distances, axis=1, initial=0.0, where=np.isfinite(distances))
    unit = np.where(longest > 0, _TIE * longest, 1.0)[:, None]
    distances = np.round(distances / unit) * unit
    distances[indices == own[:, None]] = np.inf
    last = np.max(distances, axis=1, initial=0.0, where=np.isfinite(distances))
    order = np.lexsort((indices, distances), axis=1)
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(indices, order, axis=1), last


def _blocks(rows: np.ndarray, numbers_each: int, numbers: int = _BLOCK) -> Iterator[np.ndarray]:
    """Yield blocks of an array of row numbers, of at most `numbers` values."""
    return (rows[some] for some in chunks(len(rows), max(1, numbers // max(1, numbers_each))))


def _refuse(indices: np.ndarray, distances: np.ndarray, source: str) -> NoReturn:
    bad = int((~np.isfinite(distances) & (indices >= 0)).any(axis=1).sum())
    raise ValueError(
        f"{source} gives distances that are not finite for {counted(bad, 'row')}. The correlation with a constant row, for "
        f"instance, is undefined. Remove such rows or choose another metric."
    )
