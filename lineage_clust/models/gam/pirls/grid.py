"""Grids of pseudotime and offset, on which sums over nodes replace sums over cells."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from scipy import linalg

from ....expression.counts.table import Shares, Wanted
from ....expression.sums.bands import Bands
from ....utils.compiling import is_worthwhile
from ....utils.matrices import dense
from ..design import Design

POWERS = {"gamma": (-1.0, -2.0), "inverse_gaussian": (-1.0, -2.0, -3.0)}  # powers of the mean in loss and scale
_MOST_NODES = 12
_MOST_STRATA = 64  # combinations of covariates and groups, each with a grid of its own
_N_POINTS = 401  # evaluation points of the offset's density
_EVERYWHERE = 0.02
_HIGHEST_DEGREE = 5
# Cells of a piece: rows at its nodes are computed from a third of these (all if few), and checked at all.
_SAMPLED = 600
_PER_STORED = 4  # values for each that is not 0, about


def wanted_for(family, shape: tuple[int, int], n_picked: int = 0) -> Wanted:
    """Return the statistics that fits of a family need, for expression of shape `(n_cells, n_genes)`; see `Wanted`."""
    by_histogram = family.name == "negative_binomial"
    least_loss = None if by_histogram else family.least_loss
    compiled = is_worthwhile(shape[0] * shape[1] // _PER_STORED)
    return Wanted(not family.known_scale, by_histogram, least_loss, compiled, n_picked)


@dataclass(frozen=True)
class Grid:
    """Nodes at which the model is evaluated, and interpolation weights of the cells.

    rows, offset, strata : Of each node: row of the design, offset, and number of the combination of covariates and group.
    n_offsets : Number of nodes of each place, which differ only in their offset; they are consecutive.
    shares : Interpolation weights of the cells.
    groups : `(n_nodes,)` group of each node, or `None`.

    Between two knots a spline is a polynomial, and the contribution of a cell's mean to the likelihood is a smooth
    function of pseudotime and offset. Such a function is interpolated from a few Chebyshev nodes, so that a sum over
    cells equals a sum over nodes (Trefethen 2013, Approximation Theory and Approximation Practice, chapters 5 and 8):

    ``sum_i w_i y_i f(t_i, o_i) = sum_n T_n f(t_n, o_n)``, ``T_n = sum_i w_i y_i L_n(t_i, o_i)``,

    with Lagrange polynomials `L_n`. Sums over cells are thus replaced by sums over nodes for any coefficients. If cells
    are binned instead, as in mgcv's ``bam(discrete = TRUE)`` (Wood, Li, Shaddick & Augustin 2017, JASA 112, 1199-1210), the
    error decreases with the first or second power of the number of nodes; here it decreases exponentially. At most about ten
    nodes per bend of a curve are useful.
    """

    rows: np.ndarray
    offset: np.ndarray
    strata: np.ndarray
    n_offsets: int
    shares: Shares
    groups: np.ndarray | None = None

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.offset)


def n_nodes_for(half_range: float, tolerance: float) -> int:
    """Return the number of Chebyshev nodes that interpolate an exponential to a tolerance relative to its central value.

    >>> n_nodes_for(0.5, 1e-3), n_nodes_for(0.5, 1e-5), n_nodes_for(0.0, 1e-3)
    (4, 6, 1)
    """
    if half_range == 0.0:
        return 1
    for count in range(1, _MOST_NODES):
        if 2 * (half_range / 2) ** count / factorial(count) <= tolerance:
            return count
    return _MOST_NODES


def make_grid(
    design: Design,
    weights: np.ndarray,
    offset: np.ndarray | None,
    tolerance: float,
    groups: np.ndarray | None = None,
    log_link: bool = True,
    powers: tuple[float, ...] = (1.0,),
    steep: float = 0.5,
) -> Grid | None:
    """Return the Grid of a design, or `None` if its smooth is not a curve or there are too many covariates.

    design : Its smooth is a function of one variable, which need not be known; covariates have few distinct values.
    groups : `(n_cells,)` codes from 0, or `None`. Cells of different groups, such as donors, do not share nodes.
    powers : Powers of exposures on which the likelihood depends: 1 for counts.
    steep : Half of the maximum change of a predictor between two knots for which the tolerance holds.
    """
    bands = design.bands
    strata, stratum_rows, stratum_groups = _strata(bands.extra, groups)
    if stratum_rows is None:
        return None
    offset = np.zeros(len(weights)) if offset is None else offset
    along_offset, offset_nodes = _offset_shares(offset, weights, tolerance, powers)
    pieces, columns, coordinate = _pieces(bands, design)
    n_pieces = int(pieces.max()) + 1
    n_used = int(np.count_nonzero(bands.values[:1000], axis=1).max(initial=1))
    degree = min(n_used - 1, _HIGHEST_DEGREE)  # of the splines
    n_along = max(n_nodes_for(steep, tolerance), 2, degree + 1)
    found = _along_pieces(bands.values, coordinate, pieces, n_along, degree, tolerance)
    if found is None:
        return None
    along, piece_rows = found
    smooth_rows = np.zeros((n_pieces * n_along, design.n_smooth))
    for piece, rows in piece_rows.items():
        smooth_rows[piece * n_along : (piece + 1) * n_along, columns[piece]] = rows
    # nodes between two knots without cells have no weight, but a mean, which should not be that of a predictor of 0
    empty = ~np.isin(np.arange(n_pieces * n_along) // n_along, list(piece_rows))
    smooth_rows[empty] = smooth_rows[~empty][0]
    n_off = len(offset_nodes)
    # order of nodes: stratum, pseudotime, offset
    n_places = n_pieces * n_along
    rows = np.zeros((len(stratum_rows), n_places, n_off, len(design.penalty)))
    rows[..., : design.n_smooth] = smooth_rows[None, :, None, :]
    rows[..., design.n_smooth :] = stratum_rows[:, None, None, :]
    shares = Shares(
        ((strata * n_pieces + pieces) * (n_along * n_off)).astype(np.int64), along, weights,
        offset if log_link else np.zeros(len(weights)), len(stratum_rows) * n_places * n_off, along_offset,
    )  # fmt: skip
    return Grid(
        rows.reshape(-1, len(design.penalty)), np.tile(offset_nodes, len(stratum_rows) * n_places),
        np.repeat(np.arange(len(stratum_rows)), n_places * n_off), n_off, shares,
        None if stratum_groups is None else np.repeat(stratum_groups, n_places * n_off),
    )  # fmt: skip


def grid_of_cells(
    design: Design, weights: np.ndarray, offset: np.ndarray | None, groups: np.ndarray | None = None, log_link=True
) -> Grid:
    """Return a Grid with one node per cell; for the arguments see :func:`make_grid`."""
    n_cells = len(weights)
    offset, every = np.zeros(n_cells) if offset is None else offset, np.arange(n_cells)
    shares = Shares(every, np.ones((n_cells, 1)), weights, offset if log_link else np.zeros(n_cells), n_cells)
    return Grid(dense(design.matrix), offset, every, 1, shares, groups)


def _strata(extra: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return the combination of covariates and group of each cell, and the covariates and group of each combination."""
    varies = np.ptp(extra, axis=0) > 0 if extra.shape[1] else np.zeros(0, dtype=bool)
    if groups is None and not varies.any():
        return np.zeros(len(extra), dtype=np.int64), extra[:1], None
    if any(len(np.unique(column)) > _MOST_STRATA for column in extra[: 100 * _MOST_STRATA, varies].T):
        return np.zeros(0, dtype=np.int64), None, None
    keys = extra if groups is None else np.column_stack([extra, groups])
    found, first, strata = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    if len(found) > _MOST_STRATA and groups is None:
        return np.zeros(0, dtype=np.int64), None, None
    return strata.ravel(), extra[first], None if groups is None else groups[first]


def _offset_shares(
    offset: np.ndarray, weights: np.ndarray, tolerance: float, powers: tuple[float, ...] = (1.0,)
) -> tuple[np.ndarray, np.ndarray]:
    """Return interpolation weights of the cells at nodes of the offset, and the fewest nodes that meet the tolerance."""
    found = np.unique(offset[:1000])
    found = np.unique(offset) if len(found) <= _MOST_NODES else found
    if len(found) == 1:
        return np.ones((len(offset), 1)), found
    points = np.linspace(offset.min(), offset.max(), _N_POINTS)
    carried = np.bincount(np.rint((offset - points[0]) / (points[1] - points[0])).astype(int), weights, _N_POINTS)
    exposure = np.exp(points - points[-1])
    # the density of cells and counts, plus a small constant, so that a few distant cells are not extrapolated to
    density = carried * exposure ** (0.5 * powers[0])
    density = density / density.sum() + _EVERYWHERE / _N_POINTS
    for count in range(2, _MOST_NODES + 1):
        nodes = found if len(found) <= count else _gauss_nodes(points, density, count)
        if len(found) <= count or _error(points, carried, nodes, powers) <= 0.5 * tolerance:
            break
    return _lagrange(offset, nodes), nodes


def _gauss_nodes(points: np.ndarray, density: np.ndarray, count: int) -> np.ndarray:
    """Return the nodes of Gaussian quadrature for a density on equally spaced points (Golub & Welsch 1969).

    Interpolation at these nodes is exact for polynomials of degree `count - 1`, and its mean for degree `2 count - 1`.
    """
    middle, half = 0.5 * (points[0] + points[-1]), 0.5 * (points[-1] - points[0])
    x, density = (points - middle) / half, density / density.sum()
    diagonal, beside = np.zeros(count), np.zeros(count)
    before, own = np.zeros_like(x), np.ones_like(x)
    for degree in range(count):
        diagonal[degree] = density @ (x * own**2)
        following = (x - diagonal[degree]) * own - (beside[degree - 1] if degree else 0.0) * before
        beside[degree] = np.sqrt(density @ following**2)
        before, own = own, following / max(beside[degree], 1e-300)
    return middle + half * linalg.eigvalsh_tridiagonal(diagonal, beside[:-1])


def _error(points: np.ndarray, carried: np.ndarray, nodes: np.ndarray, powers: tuple[float, ...]) -> float:
    """Return the largest relative root mean squared interpolation error of powers of exposures and of variances."""
    shares = _lagrange(points, nodes)
    functions = [lambda o, power=power: np.exp(power * (o - points[0])) for power in powers]
    functions += [lambda o, c=c: 1 / (1 + np.exp(o - c)) for c in np.linspace(points[0], points[-1], 5)]
    errors = (shares @ function(nodes) / function(points) - 1 for function in functions)
    expected = carried * np.exp(powers[0] * (points - points[0]))
    return float(np.sqrt(max(expected @ error**2 for error in errors) / expected.sum()))


def _pieces(bands: Bands, design: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the piece of each cell, the columns used by each piece, and the coordinate of each cell along the curve."""
    width, n_smooth = bands.values.shape[1], bands.n_banded
    direction = _straight(design.penalty[:n_smooth, :n_smooth], design.constant)
    starts = bands.starts.astype(np.int64)
    coordinate = np.zeros(len(bands))
    for band in range(width):
        coordinate += bands.values[:, band] * direction[starts + band]
    if width < n_smooth:
        return starts, np.arange(n_smooth - width + 1)[:, None] + np.arange(width), coordinate
    pieces = np.argmax(bands.values != 0, axis=1)
    if not pieces.any():  # every basis function is global
        ends = np.quantile(coordinate, np.linspace(0, 1, n_smooth + 1)[1:-1])
        pieces = np.searchsorted(ends, coordinate)
    return pieces, np.tile(np.arange(n_smooth), (n_smooth, 1)), coordinate


def _straight(penalty: np.ndarray, constant: np.ndarray | None) -> np.ndarray:
    """Return coefficients of an increasing curve: the unpenalised straight line if there is one."""
    n_columns = len(penalty)
    values, vectors = linalg.eigh(penalty)
    free = vectors[:, values <= 1e-9 * max(values[-1], 1e-300)]
    if free.shape[1] != 2 or constant is None:
        return np.arange(n_columns, dtype=float)
    flat = constant[:n_columns]
    if not np.any(flat):
        return np.arange(n_columns, dtype=float)
    flat = flat / np.linalg.norm(flat)
    free = free - np.outer(flat, flat @ free)
    return free[:, np.argmax(np.linalg.norm(free, axis=0))]


def _along_pieces(
    values: np.ndarray, coordinate: np.ndarray, pieces: np.ndarray, n_along: int, degree: int, tolerance: float
) -> tuple[np.ndarray, dict[int, np.ndarray]] | None:
    """Return shares `(n_cells, n_along)` of the cells, and the rows `(n_along, width)` at the nodes of each piece with cells.

    `None` if, in a sample of the cells of each piece, the rows differ by more than a tenth of the tolerance from
    polynomials of the coordinate of degree up to `n_along - 1`.
    """
    order = np.argsort(pieces.astype(np.uint16), kind="stable")  # of few bits: sorted faster
    ends = np.searchsorted(pieces[order], np.arange(int(pieces.max()) + 2))
    precision = 0.1 * tolerance * np.abs(values).max(initial=1e-300)
    sorted_coordinate, piece_rows, as_they_are = coordinate[order], {}, []
    lowest, half = (np.zeros(len(ends) - 1) for _ in range(2))
    chebyshev = -np.cos(np.pi * (np.arange(n_along) + 0.5) / n_along)
    for piece in np.flatnonzero(np.diff(ends)).tolist():
        own = sorted_coordinate[ends[piece] : ends[piece + 1]]
        lowest[piece], width = own.min(), np.ptp(own)
        half[piece] = 0.5 * max(width, 1e-12 * max(abs(lowest[piece]), 1.0))
        found = np.unique(own) if len(own) < 100 else np.zeros(n_along + 1)
        some = np.concatenate([np.arange(0, len(own), max(1, len(own) // _SAMPLED)), [np.argmin(own), np.argmax(own)]])
        if len(found) <= n_along:
            cells = order[ends[piece] : ends[piece + 1]]
            first = np.array([np.flatnonzero(own == one)[0] for one in found])
            piece_rows[piece] = values[cells[np.concatenate([first, np.full(n_along - len(found), first[0])])]]
            # the other nodes have no shares of cells, but should not be far away
            more = lowest[piece] + 2 * half[piece] * (2.0 + np.arange(n_along - len(found)))
            as_they_are.append((cells, _lagrange(own, np.concatenate([found, more]))))
            continue
        at, at_cells = (own[some] - lowest[piece]) / half[piece] - 1, values[order[ends[piece] + some]]
        shares, step = _lagrange(at, chebyshev), 1 + 2 * (len(at) > _SAMPLED // 3)
        for power in (min(degree, n_along - 1), n_along - 1):
            fitted = linalg.lstsq(chebvander(at[::step], power), at_cells[::step], cond=1e-13)[0]
            rows = chebvander(chebyshev, power) @ fitted
            if np.abs(shares @ rows - at_cells).max() <= precision:
                piece_rows[piece] = rows
                break
        else:
            return None
    along = _lagrange((coordinate - lowest[pieces]) / half[pieces] - 1, chebyshev)
    for cells, shares in as_they_are:
        along[cells] = shares
    return along, piece_rows


def _lagrange(at: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Return Lagrange polynomials `(len(at), len(nodes))`, exactly 0 and 1 at the nodes."""
    shares, distances = np.ones((len(nodes), len(at))), at - nodes[:, None]
    for own in range(len(nodes)):
        for other in range(len(nodes)):
            if other != own:
                shares[own] *= distances[other] / (nodes[own] - nodes[other])
    return np.ascontiguousarray(shares.T)
