"""REML estimation of smoothing parameters for genes with gram matrices of their own, compiled by numba.

Used by `tabled`. The penalty is diagonal, so that REML and its derivatives require only a Cholesky factor and its
inverse, a third of the work of an eigendecomposition.
"""

from __future__ import annotations

import numpy as np

from ...utils.compiling import compiled

_N_GRID = 14
_LONGEST_STEP = 3.0  # in log lambda
_NEAR = 1e-5


@compiled
def smooth_each(grams, cross, penalty, scale, chosen, search, n_steps, log_lambda, coefficients):
    """Update `log_lambda` in place to the minimum of each gene's REML criterion, and write the coefficients there.

    Parameters
    ----------
    grams, cross
        `(n_genes, n, n)` and `(n_genes, n)`.
    penalty
        `(n,)` diagonal; 0 for unpenalised coefficients.
    scale
        `(n_genes,)`.
    chosen
        Whether lambda is estimated; otherwise it is fixed.
    search
        Whether to start from the best point of a grid.
    n_steps
        Maximum number of Newton steps.
    log_lambda
        `(n_genes,)`, also the starting values.
    coefficients
        `(n_genes, n)`.

    References
    ----------
    Wood (2011). Fast stable restricted maximum likelihood and marginal likelihood estimation of semiparametric generalized
    linear models. JRSS B 73(1), 3-36, eq. (4), of the working linear model.
    """
    n_genes, n = cross.shape
    rank = 0
    for mode in range(n):
        rank += penalty[mode] > 0.0
    factor, inverse, solution = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n)
    for gene in range(n_genes):
        if chosen and rank > 0:
            lowest, highest = ends(grams, gene, penalty)
            here = log_lambda[gene]
            if search:
                here = deepest(grams, cross, gene, penalty, scale[gene], rank, lowest, highest, factor, solution)
            log_lambda[gene] = descend(
                grams,
                cross,
                gene,
                penalty,
                scale[gene],
                rank,
                lowest,
                highest,
                here,
                n_steps,
                factor,
                inverse,
                solution,
            )
        decompose(grams, gene, penalty, np.exp(log_lambda[gene]), factor)
        solve(factor, cross, gene, solution)
        for mode in range(n):
            coefficients[gene, mode] = solution[mode]


@compiled
def ends(grams, gene, penalty):
    """Return the range of log lambda, from practically no smoothing to complete smoothing."""
    least, largest, trace, n = np.inf, 0.0, 0.0, len(penalty)
    for mode in range(n):
        trace += grams[gene, mode, mode]
    for mode in range(n):
        if penalty[mode] > 0.0:
            ratio = penalty[mode] / max(grams[gene, mode, mode], 1e-10 * trace)
            least, largest = min(least, ratio), max(largest, ratio)
    return np.log(1e-4 / largest), np.log(1e7 / least)


@compiled
def deepest(grams, cross, gene, penalty, scale, rank, lowest, highest, factor, solution):
    """Return the grid point of `log lambda` with the lowest criterion; the smoothest among ties."""
    best, depth = highest, np.inf
    for point in range(_N_GRID - 1, -1, -1):
        here = lowest + (highest - lowest) * point / (_N_GRID - 1)
        log_determinant = decompose(grams, gene, penalty, np.exp(here), factor)
        solve(factor, cross, gene, solution)
        energy = 0.0
        for mode in range(len(penalty)):
            energy += cross[gene, mode] * solution[mode]
        value = 0.5 * (log_determinant - rank * here - energy / scale)
        if value < depth - 1e-9 * max(1.0, abs(depth)) or depth == np.inf:
            best, depth = here, value
    return best


@compiled
def descend(grams, cross, gene, penalty, scale, rank, lowest, highest, here, n_steps, factor, inverse, solution):
    """Return `log lambda` after safeguarded Newton steps."""
    n = len(penalty)
    low, high = lowest, highest
    here = min(max(here, lowest), highest)
    for _ in range(n_steps):
        lam = np.exp(here)
        decompose(grams, gene, penalty, lam, factor)
        solve(factor, cross, gene, solution)
        invert(factor, inverse)
        share, square, rough, bent = 0.0, 0.0, 0.0, 0.0
        for one in range(n):
            if penalty[one] > 0.0:
                own, pull = lam * penalty[one], lam * penalty[one] * solution[one]
                share += own * inverse[one, one]
                rough += pull * solution[one]
                square += own * own * inverse[one, one] * inverse[one, one]
                bent += pull * pull * inverse[one, one]
                for other in range(one):
                    if penalty[other] > 0.0:
                        beside = lam * penalty[other]
                        square += 2.0 * own * beside * inverse[one, other] * inverse[one, other]
                        bent += 2.0 * pull * beside * solution[other] * inverse[one, other]
        first = 0.5 * (share - rank + rough / scale)
        second = 0.5 * (share - square + (rough - 2.0 * bent) / scale)
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
def decompose(grams, gene, penalty, lam, factor):
    """Write the lower Cholesky factor of a gram matrix plus lambda times the penalty; return the log determinant."""
    n, log_determinant = len(penalty), 0.0
    for row in range(n):
        for column in range(row):
            entry = grams[gene, row, column]
            for before in range(column):
                entry -= factor[row, before] * factor[column, before]
            factor[row, column] = entry * factor[column, column]  # the diagonal of `factor` contains reciprocals
        whole = grams[gene, row, row] + lam * penalty[row]
        rest = whole
        for before in range(row):
            rest -= factor[row, before] * factor[row, before]
        rest = max(rest, 1e-13 * abs(whole) + 1e-290)
        log_determinant += np.log(rest)
        factor[row, row] = 1.0 / np.sqrt(rest)
    return log_determinant


@compiled
def solve(factor, cross, gene, solution):
    """Write the solution of the factorised system for one right-hand side."""
    n = len(solution)
    for row in range(n):
        entry = cross[gene, row]
        for before in range(row):
            entry -= factor[row, before] * solution[before]
        solution[row] = entry * factor[row, row]
    for row in range(n - 1, -1, -1):
        entry = solution[row]
        for after in range(row + 1, n):
            entry -= factor[after, row] * solution[after]
        solution[row] = entry * factor[row, row]


@compiled
def invert(factor, inverse):
    """Write the lower triangle of the inverse of the factorised matrix."""
    n = len(factor)
    for column in range(n):  # the inverse of the factor
        inverse[column, column] = factor[column, column]
        for row in range(column + 1, n):
            entry = 0.0
            for between in range(column, row):
                entry -= factor[row, between] * inverse[between, column]
            inverse[row, column] = entry * factor[row, row]
    for row in range(n):  # entries below the current row are still those of the inverse factor
        for column in range(row + 1):
            entry = 0.0
            for below in range(row, n):
                entry += inverse[below, row] * inverse[below, column]
            inverse[row, column] = entry
