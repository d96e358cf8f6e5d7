"""REML estimation of smoothing parameters for genes with gram matrices of their own, compiled by numba.

The penalty is diagonal. The matrix of a gene is reduced to tridiagonal form once, which takes a third of the operations
of an eigendecomposition; REML and its derivatives are then cheap to evaluate at any lambda.
"""

from __future__ import annotations

import numpy as np

from ....utils.compiling import compiled
from .compiled_algebra import backward, decompose, forward, make_tridiagonal

_N_GRID = 40
_LONGEST_STEP = 3.0  # in log lambda
_NEAR = 1e-5


@compiled
def smooth_each(grams, cross, penalty, scale, chosen, search, n_steps, log_lambda, coefficients):
    """Update `log_lambda` in place to the minimum of each gene's REML criterion, and write the coefficients there.

    grams, cross, penalty : `(n_genes, n, n)`, `(n_genes, n)`, and the diagonal `(n,)`, 0 for unpenalised modes.
    chosen : Whether lambda is estimated; otherwise it is fixed.
    search : Whether to start from the best point of a grid, or from `log_lambda`; at most `n_steps` of Newton follow.

    The criterion is that of the working linear model: Wood (2011), JRSS B 73(1), 3-36, eq. (4).
    """
    n_genes, n = cross.shape
    factor, matrix, lines, solution = np.zeros((n, n)), np.zeros((n, n)), np.zeros((3, n)), np.zeros(n)
    for gene in range(n_genes):
        log_lambda[gene] = smooth(
            grams, cross, gene, penalty, scale[gene], chosen, search, n_steps, log_lambda[gene], factor, matrix, lines,
            solution,
        )  # fmt: skip
        coefficients[gene] = solution


@compiled
def smooth(grams, cross, gene, penalty, scale, chosen, search, n_steps, here, factor, matrix, lines, solution):
    """Return `log lambda` of one gene, and write the coefficients there into `solution`; see :func:`smooth_each`."""
    if chosen and np.any(penalty > 0.0):
        lowest, highest = ends(grams, gene, penalty)
        rank = reduce_to_lines(grams, cross, gene, penalty, factor, matrix, lines)
        own = lines[:, :rank]
        if search:
            here = deepest(own, scale, lowest, highest)
        here = descend(own, scale, lowest, highest, here, n_steps)
    factor[:], solution[:] = grams[gene], cross[gene]
    for row in range(len(penalty)):
        factor[row, row] += np.exp(here) * penalty[row]
    decompose(factor)
    forward(factor, solution.reshape((-1, 1)))
    backward(factor, solution)
    return here


@compiled
def reduce_to_lines(grams, cross, gene, penalty, matrix, small, lines):
    """Write diagonal and subdiagonal of a tridiagonal matrix `T`, and a vector `z`, to `lines`; return their length.

    Unpenalised modes are eliminated. Up to constants, the determinant of ``T + lambda`` is that of the gram matrix plus
    lambda times the penalty, and ``z' (T + lambda)^-1 z`` is its quadratic form. Both take a few operations per mode
    for any lambda.
    """
    n, rank = len(penalty), 0
    right = lines[2]
    right[:], matrix[:] = cross[gene], grams[gene]
    for free in range(n):
        if penalty[free] > 0.0:
            continue
        pivot = 1.0 / max(matrix[free, free], 1e-290)
        for row in range(n):
            if row != free and matrix[row, free] != 0.0:
                share = matrix[row, free] * pivot
                right[row] -= share * right[free]
                for column in range(n):
                    matrix[row, column] -= share * matrix[free, column]
        matrix[:, free] = 0.0
    for row in range(n):
        if penalty[row] > 0.0:
            size, other = 1.0 / np.sqrt(penalty[row]), 0
            for column in range(row + 1):
                if penalty[column] > 0.0:
                    small[rank, other] = matrix[row, column] * size / np.sqrt(penalty[column])
                    other += 1
            right[rank] = right[row] * size
            rank += 1
    make_tridiagonal(small[:rank, :rank], right[:rank].reshape((-1, 1)), lines[0, :rank], lines[1, :rank])
    return rank


@compiled
def ends(grams, gene, penalty):
    """Return the range of log lambda, from practically no smoothing to complete smoothing."""
    least, largest, trace = np.inf, 0.0, np.trace(grams[gene])
    for mode in range(len(penalty)):
        if penalty[mode] > 0.0:
            ratio = penalty[mode] / max(grams[gene, mode, mode], 1e-10 * trace)
            least, largest = min(least, ratio), max(largest, ratio)
    return np.log(1e-4 / largest), np.log(1e7 / least)


@compiled
def deepest(lines, scale, lowest, highest):
    """Return the best of a grid of `log lambda`, the smoothest of equally good ones."""
    best, depth = highest, np.inf
    for point in range(_N_GRID - 1, -1, -1):
        here = lowest + (highest - lowest) * point / (_N_GRID - 1)
        value = criterion(lines, scale, here, True)[0]
        if value < depth - 1e-9 * max(1.0, abs(depth)) or depth == np.inf:
            best, depth = here, value
    return best


@compiled
def descend(lines, scale, lowest, highest, here, n_steps):
    """Return `log lambda` after a few safeguarded Newton steps."""
    low, high = lowest, highest
    here = min(max(here, lowest), highest)
    for _ in range(n_steps):
        _, first, second = criterion(lines, scale, here, False)
        if first > 0.0:
            high = here
        else:
            low = here
        step = -first / second if second > 0.0 else (-_LONGEST_STEP if first > 0.0 else _LONGEST_STEP)
        step = min(max(step, -_LONGEST_STEP), _LONGEST_STEP)
        target = here + step
        if target <= low or target >= high:
            target = 0.5 * (low + high) if high - low < 2.0 * _LONGEST_STEP else min(max(target, low), high)
        moved = abs(target - here)
        here = target
        if moved < _NEAR:
            break
    return here


@compiled
def criterion(lines, scale, here, with_value):
    """Return the REML criterion at a `log lambda` (up to a constant; 0 unless requested), and two derivatives.

    Pivots and elements of the forward substitution are computed together with their derivatives with respect to lambda.
    """
    lam, n = np.exp(here), lines.shape[1]
    log_determinant, trace, bent, rough, rough_slope, energy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    pivot, pivot1, pivot2, ratio, ratio1, ratio2 = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for row in range(n):
        beside = lines[1, row - 1] if row > 0 else 0.0
        square, inverse = beside * beside, 1.0 / pivot
        slope = pivot1 * inverse
        pivot2 = square * inverse * (pivot2 * inverse - 2.0 * slope * slope)
        pivot1 = 1.0 + square * slope * inverse
        pivot = max(lines[0, row] + lam - square * inverse, 1e-13 * abs(lines[0, row]) + 1e-290)
        value, value1, value2 = lines[2, row] - beside * ratio, -beside * ratio1, -beside * ratio2
        inverse = 1.0 / pivot
        slope = pivot1 * inverse
        ratio = value * inverse
        ratio1 = value1 * inverse - ratio * slope
        ratio2 = (value2 - ratio * pivot2) * inverse - 2.0 * ratio1 * slope
        if with_value:
            log_determinant += np.log(pivot)
            energy += value * ratio
        trace += slope
        bent += pivot2 * inverse - slope * slope
        rough += value1 * ratio + value * ratio1
        rough_slope += value2 * ratio + 2.0 * value1 * ratio1 + value * ratio2
    found = 0.5 * (log_determinant - n * here - energy / scale)
    first = 0.5 * (lam * trace - n - lam * rough / scale)
    second = 0.5 * lam * (trace + lam * bent - (rough + lam * rough_slope) / scale)
    return found, first, second
