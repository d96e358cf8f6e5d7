"""Tests, estimates and scores of curves averaged over the variances between donors, compiled by numba; see `compiled.py`."""

from __future__ import annotations

from math import erfc

import numpy as np

from ....utils.compiling import compiled
from ..smoothing.compiled_algebra import backward, decompose, forward, make_diagonal, make_tridiagonal
from .compiled import decompose_lines, with_level, without_curves_of, write_without_curves
from .significance import STRENGTH as _STRENGTH

_N_STEPS, _NEGLIGIBLE, _NEAR_MEAN = 60, 1e-6, 1e-3  # as in weighted_tails.py


@compiled
def averages_each(sums, curves, shifts, probable, kept, penalties, contrasts, found):
    """Add up tests and estimates at each pair of variances, multiplied by probabilities `(n_genes, n_curves, n_shifts)`.

    These are `probable` for tests, and `kept` for estimates; `penalties` `(n_genes, n - 1)` are diagonals. Sums, contrasts
    and what is found are classes of `each.py`.
    """
    rows = contrasts.rows
    n, n_free, n_rows = sums.gram.shape[1], rows.shape[1], len(rows)
    without, at = without_curves_of(sums, n), np.zeros((n, n))
    free, turned_rows = np.zeros((n_free, n_free)), np.zeros((n_free, n_rows + 1))
    whole, inverse, coefficients = np.zeros((n - 1, n - 1)), np.zeros((n - 1, n - 1)), np.zeros(n - 1)
    for gene in range(len(sums.gram)):
        for at_curve in range(len(curves)):
            if not np.any(probable[gene, at_curve] > 0.0):
                continue
            write_without_curves(sums, gene, curves[at_curve], without)
            for at_shift in range(len(shifts)):
                share = probable[gene, at_curve, at_shift]
                if share == 0.0:
                    continue
                with_level(without, shifts[at_shift], at)
                free[:] = at[:n_free, :n_free]
                turned_rows[:, :n_rows], turned_rows[:, n_rows] = rows.T, at[n - 1, :n_free]
                for row in range(n_free):
                    free[row, row] += sums.ridge[gene]
                decompose(free)
                forward(free, turned_rows)
                scale = 1.0
                if sums.df > 0.0:
                    left = at[n - 1, n - 1] - np.sum(turned_rows[:, n_rows] ** 2)
                    scale = max(left, sums.least[gene]) / sums.df
                first = 0
                for contrast in range(len(contrasts.ends)):
                    last = contrasts.ends[contrast]
                    statistic, tail = tested(turned_rows, first, last, contrasts.signals, scale)
                    found.statistics[contrast, gene] += share * statistic
                    found.pvalues[contrast, gene] += share * tail
                    first = last
                share = kept[gene, at_curve, at_shift]
                if share == 0.0:
                    continue
                whole[:], coefficients[:], inverse[:] = at[: n - 1, : n - 1], at[n - 1, : n - 1], 0.0
                for row in range(n - 1):
                    whole[row, row] += penalties[gene, row]
                    inverse[row, row] = 1.0
                decompose(whole)
                forward(whole, inverse)
                forward(whole, coefficients.reshape(n - 1, 1))
                backward(whole, coefficients)
                covariance = np.dot(inverse.T, inverse)
                found.scale[gene] += share * scale
                found.shift[gene] += share * scale * shifts[at_shift]
                found.curve[gene] += share * scale * curves[at_curve]
                found.mean[gene] += share * coefficients
                found.edf[gene] += share * np.sum(1.0 - penalties[gene] * np.diag(covariance))
                found.second[gene] += share * (scale * covariance + np.outer(coefficients, coefficients))


@compiled
def tested(turned_rows, first, last, signals, scale):
    """Return statistic and p-value of one contrast, see :func:`lineage_clust.models.gam.donors.significance.tested_at`."""
    n = last - first
    if n == 0:
        return 0.0, 1.0
    own, values, beside = turned_rows[:, first:last].copy(), np.zeros(n), np.zeros(n)
    covariance, roots = np.dot(own.T, own), np.zeros((n, n + 1))
    roots[:, n] = np.dot(own.T, turned_rows[:, turned_rows.shape[1] - 1].copy())
    for row in range(n):
        roots[row, row] = np.sqrt(signals[first + row])
    decompose(covariance)
    forward(covariance, roots)
    scores, whitened = roots[:, n] / np.sqrt(scale), roots[:, :n].copy()
    relative = np.dot(whitened, whitened.T)
    size = max(np.trace(relative), 1e-300)
    relative /= size
    make_tridiagonal(relative, scores.reshape((-1, 1)), values, beside)
    make_diagonal(values, beside, scores)
    most = max(np.max(values), 1e-300)
    n_kept, statistic = 0, 0.0
    for mode in range(n):
        ratio = _STRENGTH * max(values[mode], 0.0) / most
        weight = ratio / (1.0 + ratio) * (1.0 + 1.0 / _STRENGTH)  # the largest is 1
        statistic += weight * scores[mode] * scores[mode]
        if weight > _NEGLIGIBLE:
            values[n_kept] = weight
            n_kept += 1
    return statistic, tail_of(statistic, values[:n_kept])


@compiled
def tail_of(statistic, weights):
    """Return the same as `weighted_tail`, for one gene; the largest of the weights is 1."""
    size = min(max(statistic, 1e-100), 1e100)
    if len(weights) == 1:
        return erfc(np.sqrt(0.5 * size))
    point = 1.0 / size
    for _ in range(_N_STEPS):
        slope, bend = 0.0, 0.0
        for weight in weights:
            term = weight / (1.0 - weight + weight * point)
            slope += term
            bend += term * term
        step = slope * (slope / size - 1.0) / bend
        point += max(step, 0.0)
        if step < 1e-12 * point:
            break
    root = 0.5 * (1.0 - point)
    cumulant, second, cubes, squares = 0.0, 0.0, 0.0, 0.0
    for weight in weights:
        shrunk = 1.0 - weight + weight * point
        cumulant -= 0.5 * np.log(shrunk)
        second += 2.0 * (weight / shrunk) ** 2
        cubes += 8.0 * weight**3
        squares += 2.0 * weight**2
    w = np.sign(root) * np.sqrt(max(2.0 * (root * size - cumulant), 0.0))
    if abs(w) < _NEAR_MEAN:
        return 0.5 - cubes / squares**1.5 / (6.0 * np.sqrt(2.0 * np.pi))
    return 0.5 * erfc((w + np.log(root * np.sqrt(second) / w) / w) / np.sqrt(2.0))


@compiled
def scores_each(sums, curves, shifts, share, seen, expected):
    """Add up squared scores of the donors' curves, and their expectations under the model, over genes and variances.

    Those of each pair of variances are multiplied by its share `(n_genes, n_curves, n_shifts)` and by the variance of curves;
    see :func:`lineage_clust.models.gam.donors.prior.curve_scores`. The last columns of the products are the rotation.
    """
    (n_genes, n_donors, all_modes), n_free = sums.products.shape[:3], sums.n_free
    n, n_modes, one = np.uintp(n_free + 1), np.uintp(all_modes), np.uintp(1)
    without, found = without_curves_of(sums, n_free + 1), np.zeros((n, n))
    products, level, level_products = sums.products, without.level, without.level_products
    free, lower = np.zeros((n_free, n_free)), np.zeros((n_free, n_free))
    solved, inverse = np.zeros((n_donors, all_modes, n + 1)), np.zeros((n_donors, all_modes, all_modes))
    pivots, ratios, coefficients = np.zeros(all_modes), np.zeros(all_modes), np.zeros(n_free)
    across, along = np.zeros((n_donors * all_modes, n_free)), np.zeros(all_modes)
    turned_seen, turned_expected = np.zeros(inverse.shape), np.zeros(inverse.shape)
    for gene in range(n_genes):
        turned_seen[:], turned_expected[:] = 0.0, 0.0
        for at_curve in range(len(curves)):
            curve = curves[at_curve]
            if curve == 0.0 or not np.any(share[gene, at_curve] > 0.0):
                continue
            write_without_curves(sums, gene, curve, without)
            for donor in range(n_donors):
                decompose_lines(sums.lines[gene, donor], curve, pivots, ratios)
                solved[donor], inverse[donor] = products[gene, donor, :, : n_free + 2], np.eye(all_modes)
                solve_lines(pivots, ratios, solved[donor])
                solve_lines(pivots, ratios, inverse[donor])
            total_weight = 0.0
            for at_shift in range(len(shifts)):
                weight = share[gene, at_curve, at_shift] * curve
                if weight == 0.0:
                    continue
                with_level(without, shifts[at_shift], found)
                free[:], coefficients[:], lower[:] = found[:n_free, :n_free], found[n_free, :n_free], 0.0
                for row in range(n_free):
                    free[row, row] += sums.ridge[gene]
                    lower[row, row] = 1.0
                decompose(free)
                forward(free, coefficients.reshape(n - 1, 1))
                forward(free, lower)
                scale = 1.0
                if sums.df > 0.0:
                    scale = max(found[n_free, n_free] - np.sum(coefficients**2), sums.least[gene]) / sums.df
                backward(free, coefficients)
                line = np.uintp(0)
                for donor in range(n_donors):
                    by = shifts[at_shift] / (1.0 + shifts[at_shift] * level[donor])
                    for mode in range(n_modes):
                        along[mode] = solved[donor, mode, 0]
                        with_shift = along[mode] * by
                        score = solved[donor, mode, 1] - with_shift * level_products[donor, n_free]
                        for column in range(np.uintp(n_free)):
                            across[line, column] = (
                                solved[donor, mode, column + 2] - with_shift * level_products[donor, column]
                            )
                        for column in range(np.uintp(n_free)):
                            score -= across[line, column] * coefficients[column]
                        pivots[mode] = score
                        line += one
                    for mode in range(n_modes):
                        with_shift, by_score = weight * along[mode] * by, weight / scale * pivots[mode]
                        for other in range(n_modes):
                            turned_seen[donor, mode, other] += by_score * pivots[other]
                            turned_expected[donor, mode, other] -= with_shift * along[other]
                whitened = np.dot(lower, across.T)
                for donor in range(n_donors):
                    line = np.uintp(donor * all_modes)
                    for column in range(np.uintp(n_free)):
                        for mode in range(n_modes):
                            entry = weight * whitened[column, line + mode]
                            for other in range(n_modes):
                                turned_expected[donor, mode, other] -= entry * whitened[column, line + other]
                total_weight += weight
            for donor in range(n_donors):
                for mode in range(n_modes):
                    for other in range(n_modes):
                        turned_expected[donor, mode, other] -= total_weight / curve * inverse[donor, mode, other]
                    turned_expected[donor, mode, mode] += total_weight / curve
        for donor in range(n_donors):
            back = np.ascontiguousarray(products[gene, donor, :, products.shape[3] - all_modes :])
            seen += np.dot(back.T, np.dot(turned_seen[donor], back))
            expected += np.dot(back.T, np.dot(turned_expected[donor], back))


@compiled
def solve_lines(pivots, ratios, right):
    """Solve the factorised system in place for right-hand sides `(n, m)`."""
    n, m, one = np.uintp(len(pivots)), np.uintp(right.shape[1]), np.uintp(1)
    for mode in range(one, n):
        for column in range(m):
            right[mode, column] -= ratios[mode] * right[mode - one, column]
    for back in range(n):
        mode = n - one - back
        for column in range(m):
            right[mode, column] /= pivots[mode]
            if back > 0:
                right[mode, column] -= ratios[mode + one] * right[mode + one, column]
