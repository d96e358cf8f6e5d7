"""Arrays of count models with donors as replicates for the compiled functions of `compiled_working.py`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .nodes import DonorNodes

_LANES = 16  # loops over so many values are vectorised


class Places(NamedTuple):
    """Design at the places, which are ordered by donor, for compiled functions.

    starts : `(n_donors + 1,)` first place of each donor.
    ends, columns : Last places of groups that use the same columns of the design, and these `(n_groups, width)`.
    values : `(width, n_places)` design at the places; `indices` are positions of its columns among those of all donors.
    pairs, row_of_pairs : `(n_rows, n_pairs)` the same and products of two columns, and the row of each place.
    """

    starts: np.ndarray
    ends: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    pairs: np.ndarray
    row_of_pairs: np.ndarray
    indices: np.ndarray


class NodeArrays(NamedTuple):
    """Nodes for compiled functions, `(n_offsets, n_places)`; `unit` and `total` as in WorkingProblem and DonorNodes."""

    exposures: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    unit: float
    total: float


class Bases(NamedTuple):
    """Bases of curves as in WorkingProblem, and products `squared` of `curves` with themselves.

    `slots` is the position of each donor with donors sorted by curve.
    """

    curve: np.ndarray
    slots: np.ndarray
    curves: np.ndarray
    random: np.ndarray
    squared: np.ndarray


class CompiledProblem(NamedTuple):
    """Arrays of a WorkingProblem for compiled functions."""

    places: Places
    nodes: NodeArrays
    bases: Bases


class CompiledState(NamedTuple):
    """Arrays of a WorkingState for compiled functions; `theta` is infinite for a Poisson family."""

    sums: np.ndarray
    theta: np.ndarray
    coefficients: np.ndarray
    deviations: np.ndarray
    information: np.ndarray
    moved: np.ndarray


def arrays_of(
    nodes: DonorNodes, unit: float, curve: np.ndarray, curves: np.ndarray, random: np.ndarray
) -> CompiledProblem:
    """Return the arrays of a WorkingProblem; for the arguments see its attributes."""
    step = nodes.n_offsets
    rows = nodes.rows[::step]
    starts = np.array([0, *(of_donor.stop // step for of_donor in nodes.of_donors)])
    used = rows != 0
    ends = np.union1d(np.flatnonzero((used[1:] != used[:-1]).any(axis=1)) + 1, starts[1:])
    columns = np.argsort(~used[ends - 1], axis=1, kind="stable")[:, : used.sum(axis=1).max()]
    at_places = np.repeat(columns, np.diff(ends, prepend=0), axis=0)
    values = np.ascontiguousarray(np.take_along_axis(rows, at_places, axis=1).T)
    donor = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    indices = np.ascontiguousarray(at_places.T + rows.shape[1] * donor)
    lower = np.tril_indices(len(values))
    slots = np.argsort(np.argsort(curve, kind="stable"), kind="stable")
    curves = np.ascontiguousarray(curves)
    exposures, weights, offsets = (
        np.ascontiguousarray(part.reshape(-1, step).T) for part in (np.exp(nodes.offset), nodes.weights, nodes.offset)
    )
    pairs = np.concatenate([values, values[lower[0]] * values[lower[1]]]).T
    # donors share most places, and the cache is small
    pairs, row_of_pairs = np.unique(pairs, axis=0, return_inverse=True)
    pairs = np.ascontiguousarray(np.pad(pairs, ((0, 0), (0, -pairs.shape[1] % _LANES))))
    return CompiledProblem(
        Places(starts, ends, columns, values, pairs, row_of_pairs, indices),
        NodeArrays(exposures, weights, offsets, unit, nodes.total),
        Bases(curve, slots, curves, np.ascontiguousarray(random), curves @ np.swapaxes(curves, 1, 2)),
    )
