"""Likelihoods, tests and averages over the variances between donors, one gene at a time, compiled by numba.

For genes with gram matrices of their own. The modes of each donor's curve are turned such that the cells' information about
them is a tridiagonal matrix `M`. Then ``(I + c M)^-1`` is applied in a few operations per mode for any variance `c` of
curves, and a donor's level is one more mode.
"""

from __future__ import annotations

from math import erfc

import numpy as np

from ....utils.compiling import compiled
from ..smoothing.compiled_modes import make_diagonal, make_tridiagonal
from .compiled_working import backward, decompose, forward
from .significance import STRENGTH as _STRENGTH

_N_STEPS, _NEGLIGIBLE, _NEAR_MEAN = 60, 1e-6, 1e-3  # as in weighted_tails.py


@compiled
def likelihoods_each(gram, own, beside, curves, shifts, ridge, determinants, left):
    """Write log determinants and residual sums of squares, `(n_curves, n_shifts, n_genes)` each.

    gram : `(n_genes, n, n)` gram matrix of the columns of `T` and the response, which is last.
    own : `(n_genes, n_donors, n_random, n_random)`: gram matrices of the constant, which is first, and of the modes, of which
        covariances are identity matrices times the variance of levels and of curves.
    beside : `(n_genes, n_donors, n_random, n)` products of the constant and the modes with the columns and the response.
    curves, shifts : Variances of the donors' curves and of their levels.
    ridge : `(n_genes,)` constant added to the diagonal, except for the response.
    """
    n_genes, n_donors, n_random, n = beside.shape
    turned, lines = np.zeros((n_donors, n_random - 1, n + 1)), np.zeros((n_donors, 2, n_random - 1))
    without, level = np.zeros((n, n)), np.zeros(n_donors)
    of_level = np.zeros((n_donors, n))
    between, scores, diagonal, below = (
        np.zeros((n_donors, n_donors)),
        np.zeros(n_donors),
        np.zeros(n_donors),
        np.zeros(n_donors),
    )
    rows = np.zeros((n - 1, n_donors + 1))
    for gene in range(n_genes):
        turn(own[gene], beside[gene], turned, lines)
        for at_curve in range(len(curves)):
            logs = without_curves(
                gram[gene], own[gene], beside[gene], turned, lines, curves[at_curve], without, level, of_level
            )
            for row in range(n - 1):
                without[row, row] += ridge[gene]
                rows[row, n_donors] = without[n - 1, row]
                for donor in range(n_donors):
                    rows[row, donor] = of_level[donor, row]
            # as in `WithCurves.likelihoods`, with a tridiagonal matrix instead of eigenvalues
            free = without[: n - 1, : n - 1]
            logs += decompose(free)
            forward(free, rows)
            rest = without[n - 1, n - 1]
            for row in range(n - 1):
                rest -= rows[row, n_donors] ** 2
            for donor in range(n_donors):
                scores[donor] = of_level[donor, n - 1]
                for other in range(donor + 1):
                    between[donor, other] = 0.0
            for row in range(n - 1):
                for donor in range(n_donors):
                    entry = rows[row, donor]
                    scores[donor] -= entry * rows[row, n_donors]
                    for other in range(donor + 1):
                        between[donor, other] -= entry * rows[row, other]
            for donor in range(n_donors):
                between[donor, donor] += level[donor]
            make_tridiagonal(between, scores, diagonal, below)
            for at_shift in range(len(shifts)):
                shift, log_determinant, value = shifts[at_shift], logs, rest
                pivot, before = 1.0, 0.0
                for donor in range(n_donors):
                    ratio = shift * below[donor - 1] / pivot if donor > 0 else 0.0
                    pivot = 1.0 + shift * diagonal[donor] - (ratio * shift * below[donor - 1] if donor > 0 else 0.0)
                    pivot = max(pivot, 1e-12)
                    before = scores[donor] - ratio * before
                    log_determinant += np.log(pivot)
                    value -= shift * before * before / pivot
                determinants[at_curve, at_shift, gene] = log_determinant
                left[at_curve, at_shift, gene] = value


@compiled
def turn(own, beside, turned, lines):
    """Write diagonal and subdiagonal of each donor's tridiagonal matrix to `lines`, and the turned products.

    The first column of `turned` are the products with the constant.
    """
    n_donors, n_random, n = beside.shape
    n_modes = np.uintp(n_random - 1)
    width = np.uintp(n + 1)
    matrix, normal, image, along = np.zeros((n_modes, n_modes)), np.zeros(n_modes), np.zeros(n_modes), np.zeros(width)
    one = np.uintp(1)
    for donor in range(n_donors):
        rows = turned[donor]
        for row in range(n_modes):
            rows[row, 0] = own[donor, row + one, 0]
            for column in range(np.uintp(n)):
                rows[row, column + one] = beside[donor, row + one, column]
            for column in range(row + one):
                matrix[row, column] = own[donor, row + one, column + one]
        for first in range(one, n_modes):
            rest = 0.0
            for line in range(first, n_modes):
                normal[line], image[line] = matrix[line, first - one], 0.0
                if line > first:
                    rest += normal[line] * normal[line]
            leading = normal[first]
            lines[donor, 1, first - one] = leading
            if not rest > 0.0:
                continue
            length = np.sqrt(leading * leading + rest)
            lines[donor, 1, first - one] = -length if leading > 0.0 else length
            normal[first] = leading - lines[donor, 1, first - one]
            factor = 2.0 / (rest + normal[first] * normal[first])
            along[:] = 0.0
            half = 0.0
            for line in range(first, n_modes):
                mine, mine_image = normal[line], 0.0
                for column in range(width):
                    along[column] += mine * rows[line, column]
                for other in range(first, line):
                    mine_image += matrix[line, other] * normal[other]
                    image[other] += matrix[line, other] * mine
                image[line] = mine_image + matrix[line, line] * mine
            for line in range(first, n_modes):
                image[line] *= factor
                half += image[line] * normal[line]
            half *= factor * 0.5
            for line in range(first, n_modes):
                image[line] -= half * normal[line]
                mine, mine_image, by = normal[line], image[line], factor * normal[line]
                for column in range(width):
                    rows[line, column] -= by * along[column]
                for other in range(first, line + one):
                    matrix[line, other] -= mine * image[other] + mine_image * normal[other]
        for line in range(n_modes):
            lines[donor, 0, line] = matrix[line, line]


@compiled
def without_curves(gram, own, beside, turned, lines, curve, without, level, of_level):
    """Write the sums after eliminating the donors' curves, given their variance; return the log determinant.

    without : `(n, n)`, as `gram`, lower triangle.
    level, of_level : `(n_donors,)` and `(n_donors, n)` products of each donor's constant with itself and with the columns.
    """
    n_donors, n_modes, width = turned.shape
    n, one = np.uintp(width - 1), np.uintp(1)
    logs = 0.0
    rows = np.zeros((n_donors * n_modes, width - 1))
    scaled, pivots, ratios = np.zeros(width), np.zeros(n_modes), np.zeros(n_modes)
    for row in range(n):
        for column in range(row + one):
            without[row, column] = gram[row, column]
    place = 0
    for donor in range(n_donors):
        level[donor] = own[donor, 0, 0]
        for column in range(n):
            of_level[donor, column] = beside[donor, 0, column]
        if curve == 0.0:
            continue
        decompose_lines(lines[donor], curve, pivots, ratios)
        for mode in range(n_modes):
            logs += np.log(pivots[mode])
            for column in range(np.uintp(width)):
                scaled[column] = turned[donor, mode, column] - ratios[mode] * scaled[column]
            size = np.sqrt(curve / pivots[mode])
            by = size * scaled[0]
            level[donor] -= by * by
            for column in range(n):
                entry = size * scaled[column + one]
                rows[place, column] = entry
                of_level[donor, column] -= by * entry
            place += 1
    if curve > 0.0:
        explained = np.dot(rows.T, rows)
        for row in range(n):
            for column in range(row + one):
                without[row, column] -= explained[row, column]
    return logs


@compiled
def with_level(without, level, of_level, shift, found):
    """Write the sums after eliminating the donors' levels too, lower triangle; return the log determinant."""
    logs, one = 0.0, np.uintp(1)
    for row in range(np.uintp(len(found))):
        for column in range(row + one):
            found[row, column] = without[row, column]
    for donor in range(np.uintp(len(level))):
        inside = 1.0 + shift * level[donor]
        logs += np.log(inside)
        share = shift / inside
        for row in range(np.uintp(len(found))):
            by = share * of_level[donor, row]
            for column in range(row + one):
                found[row, column] -= by * of_level[donor, column]
    return logs


@compiled
def fits_each(gram, own, beside, values, found):
    """Write the sums `(n_genes, n, n)` at variances `values` `(n_genes, 2)` of levels and of curves, lower triangles."""
    n_genes, n_donors, n_random, n = beside.shape
    turned, lines = np.zeros((n_donors, n_random - 1, n + 1)), np.zeros((n_donors, 2, n_random - 1))
    without, level, of_level = np.zeros((n, n)), np.zeros(n_donors), np.zeros((n_donors, n))
    for gene in range(n_genes):
        turn(own[gene], beside[gene], turned, lines)
        without_curves(gram[gene], own[gene], beside[gene], turned, lines, values[gene, 1], without, level, of_level)
        with_level(without, level, of_level, values[gene, 0], found[gene])


@compiled
def averages_each(
    gram, own, beside, curves, shifts, probable, kept, pulls, ridge, least, df, rows, signals, ends, means, seconds, scales,
    statistics, pvalues, edf,
):  # fmt: skip
    """Add up tests and estimates at each pair of variances, multiplied by their probabilities.

    gram, own, beside, curves, shifts, ridge : As in :func:`likelihoods_each`, with all columns.
    probable, kept : `(n_genes, n_curves, n_shifts)` probabilities, for tests and for estimates.
    pulls : `(n_genes, n - 1)` diagonals of the penalties.
    least, df : `(n_genes,)` smallest residual sums of squares, and residual degrees of freedom; 0 if the scale is known.
    rows, signals, ends : Rows of all contrasts, diagonals of the covariances of expected trends, last row of each contrast.
    means, seconds, scales, edf : Sums of the coefficients `(n_genes, n - 1)`, of their second moments, of residual variances
        and those of levels and of curves `(3, n_genes)`, and of effective degrees of freedom.
    statistics, pvalues : `(n_contrasts, n_genes)`.
    """
    n_genes, n_donors, n_random, n = beside.shape
    n_free, n_rows = rows.shape[1], len(rows)
    turned, lines = np.zeros((n_donors, n_random - 1, n + 1)), np.zeros((n_donors, 2, n_random - 1))
    without, found, level, of_level = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n_donors), np.zeros((n_donors, n))
    free, turned_rows = np.zeros((n_free, n_free)), np.zeros((n_free, n_rows + 1))
    whole, inverse, coefficients = np.zeros((n - 1, n - 1)), np.zeros((n - 1, n - 1)), np.zeros(n - 1)
    for gene in range(n_genes):
        turn(own[gene], beside[gene], turned, lines)
        for at_curve in range(len(curves)):
            if not np.any(probable[gene, at_curve] > 0.0):
                continue
            without_curves(
                gram[gene], own[gene], beside[gene], turned, lines, curves[at_curve], without, level, of_level
            )
            for at_shift in range(len(shifts)):
                share = probable[gene, at_curve, at_shift]
                if share == 0.0:
                    continue
                with_level(without, level, of_level, shifts[at_shift], found)
                for row in range(n_free):
                    for column in range(row + 1):
                        free[row, column] = found[row, column]
                    free[row, row] += ridge[gene]
                    for column in range(n_rows):
                        turned_rows[row, column] = rows[column, row]
                    turned_rows[row, n_rows] = found[n - 1, row]
                decompose(free)
                forward(free, turned_rows)
                scale = 1.0
                if df > 0.0:
                    left = found[n - 1, n - 1]
                    for row in range(n_free):
                        left -= turned_rows[row, n_rows] ** 2
                    scale = max(left, least[gene]) / df
                first = 0
                for contrast in range(len(ends)):
                    last = ends[contrast]
                    statistic, tail = tested(turned_rows, first, last, signals, scale)
                    statistics[contrast, gene] += share * statistic
                    pvalues[contrast, gene] += share * tail
                    first = last
                share = kept[gene, at_curve, at_shift]
                if share == 0.0:
                    continue
                for row in range(n - 1):
                    coefficients[row] = found[n - 1, row]
                    for column in range(row + 1):
                        whole[row, column] = found[row, column]
                    whole[row, row] += pulls[gene, row]
                    inverse[row] = 0.0
                    inverse[row, row] = 1.0
                decompose(whole)
                forward(whole, inverse)
                forward(whole, coefficients.reshape(n - 1, 1))
                backward(whole, coefficients)
                covariance = np.dot(inverse.T, inverse)
                scales[0, gene] += share * scale
                scales[1, gene] += share * scale * shifts[at_shift]
                scales[2, gene] += share * scale * curves[at_curve]
                for row in range(n - 1):
                    means[gene, row] += share * coefficients[row]
                    edf[gene] += share * (1.0 - pulls[gene, row] * covariance[row, row])
                    for column in range(n - 1):
                        own_second = scale * covariance[row, column] + coefficients[row] * coefficients[column]
                        seconds[gene, row, column] += share * own_second


@compiled
def tested(turned_rows, first, last, signals, scale):
    """Return statistic and p-value of one contrast, see :func:`lineage_clust.models.gam.donors.significance.tested_at`."""
    n, n_free, response = last - first, len(turned_rows), turned_rows.shape[1] - 1
    if n == 0:
        return 0.0, 1.0
    covariance, relative = np.zeros((n, n)), np.zeros((n, n))
    scores, values, beside = np.zeros(n), np.zeros(n), np.zeros(n)
    roots = np.zeros((n, n + 1))
    for row in range(n):
        roots[row, row] = np.sqrt(signals[first + row])
        for line in range(n_free):
            entry = turned_rows[line, first + row]
            roots[row, n] += entry * turned_rows[line, response]
            for column in range(row + 1):
                covariance[row, column] += entry * turned_rows[line, first + column]
    decompose(covariance)
    forward(covariance, roots)
    for row in range(n):
        scores[row] = roots[row, n] / np.sqrt(scale)
        for column in range(row + 1):
            for line in range(n):
                relative[row, column] += roots[row, line] * roots[column, line]
    size = max(np.trace(relative), 1e-300)
    relative /= size
    make_tridiagonal(relative, scores, values, beside)
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
    """Return the same as :func:`lineage_clust.models.gam.inference.weighted_tails.weighted_tail`, for one gene.

    The largest of the weights is 1.
    """
    size = min(max(statistic, 1e-100), 1e100)
    if len(weights) == 1:
        return erfc(np.sqrt(0.5 * size))
    place = 1.0 / size
    for _ in range(_N_STEPS):
        slope, bend = 0.0, 0.0
        for weight in weights:
            term = weight / (1.0 - weight + weight * place)
            slope += term
            bend += term * term
        step = slope * (slope / size - 1.0) / bend
        place += max(step, 0.0)
        if step < 1e-12 * place:
            break
    root = 0.5 * (1.0 - place)
    cumulant, second, cubes, squares = 0.0, 0.0, 0.0, 0.0
    for weight in weights:
        shrunk = 1.0 - weight + weight * place
        cumulant -= 0.5 * np.log(shrunk)
        second += 2.0 * (weight / shrunk) ** 2
        cubes += 8.0 * weight**3
        squares += 2.0 * weight**2
    w = np.sign(root) * np.sqrt(max(2.0 * (root * size - cumulant), 0.0))
    if abs(w) < _NEAR_MEAN:
        return 0.5 - cubes / squares**1.5 / (6.0 * np.sqrt(2.0 * np.pi))
    return 0.5 * erfc((w + np.log(root * np.sqrt(second) / w) / w) / np.sqrt(2.0))


@compiled
def scores_each(gram, own, beside, curves, shifts, share, ridge, least, df, seen, expected):
    """Add up squared scores of the donors' curves, and their expectations under the model, over genes and variances.

    Those of each pair of variances are multiplied by its share and by the variance of curves; see
    :func:`lineage_clust.models.gam.donors.prior.curve_scores`.

    gram, own, beside, curves, shifts, ridge : As in :func:`likelihoods_each`.
    share : `(n_genes, n_curves, n_shifts)` probabilities, 0 where they are not notable.
    least, df : As in :func:`averages_each`.
    seen, expected : `(n_modes, n_modes)`.
    """
    n_genes, n_donors, n_random, n = beside.shape
    n_modes, n_free, one = np.uintp(n_random - 1), np.uintp(n - 1), np.uintp(1)
    wide = np.zeros((n_donors, n_random, n + n_random - 1))
    turned, lines = np.zeros((n_donors, n_random - 1, n + n_random)), np.zeros((n_donors, 2, n_random - 1))
    without, found, level, of_level = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n_donors), np.zeros((n_donors, n))
    free, lower = np.zeros((n_free, n_free)), np.zeros((n_free, n_free))
    solved, inverse = np.zeros((n_donors, n_random - 1, n + 1)), np.zeros((n_donors, n_random - 1, n_random - 1))
    pivots, ratios, coefficients = np.zeros(n_random - 1), np.zeros(n_random - 1), np.zeros(n_free)
    across, whitened = np.zeros((n_donors * (n_random - 1), n - 1)), np.zeros((n_donors * (n_random - 1), n - 1))
    turned_seen = np.zeros((n_donors, n_random - 1, n_random - 1))
    turned_expected = np.zeros((n_donors, n_random - 1, n_random - 1))
    for donor in range(n_donors):
        for mode in range(n_modes):
            wide[donor, mode + one, np.uintp(n) + mode] = 1.0  # becomes the rotation
    for gene in range(n_genes):
        wide[:, :, :n] = beside[gene]
        turn(own[gene], wide, turned, lines)
        turned_seen[:], turned_expected[:] = 0.0, 0.0
        for at_curve in range(len(curves)):
            curve = curves[at_curve]
            if curve == 0.0 or not np.any(share[gene, at_curve] > 0.0):
                continue
            without_curves(
                gram[gene], own[gene], beside[gene], turned[:, :, : n + 1], lines, curve, without, level, of_level
            )  # fmt: skip
            for donor in range(n_donors):
                decompose_lines(lines[donor], curve, pivots, ratios)
                inverse[donor] = 0.0
                for mode in range(n_modes):
                    inverse[donor, mode, mode] = 1.0
                    for column in range(np.uintp(n + 1)):
                        solved[donor, mode, column] = turned[donor, mode, column]
                solve_lines(pivots, ratios, solved[donor])
                solve_lines(pivots, ratios, inverse[donor])
            for at_shift in range(len(shifts)):
                weight = share[gene, at_curve, at_shift] * curve
                if weight == 0.0:
                    continue
                with_level(without, level, of_level, shifts[at_shift], found)
                for row in range(n_free):
                    coefficients[row] = found[n_free, row]
                    for column in range(row + one):
                        free[row, column] = found[row, column]
                    free[row, row] += ridge[gene]
                    lower[row] = 0.0
                    lower[row, row] = 1.0
                decompose(free)
                forward(free, coefficients.reshape(n - 1, 1))
                forward(free, lower)
                scale = 1.0
                if df > 0.0:
                    scale = max(found[n_free, n_free] - np.sum(coefficients**2), least[gene]) / df
                backward(free, coefficients)
                place = np.uintp(0)
                for donor in range(n_donors):
                    by = shifts[at_shift] / (1.0 + shifts[at_shift] * level[donor])
                    for mode in range(n_modes):
                        with_shift = solved[donor, mode, 0] * by
                        score = solved[donor, mode, n] - with_shift * of_level[donor, n_free]
                        for column in range(n_free):
                            entry = solved[donor, mode, column + one] - with_shift * of_level[donor, column]
                            across[place, column] = entry
                            score -= entry * coefficients[column]
                        pivots[mode] = score
                        place += one
                    for mode in range(n_modes):
                        with_shift = solved[donor, mode, 0] * by
                        by_score = weight / scale * pivots[mode]
                        for other in range(n_modes):
                            turned_seen[donor, mode, other] += by_score * pivots[other]
                            turned_expected[donor, mode, other] -= weight * (
                                inverse[donor, mode, other] / curve + with_shift * solved[donor, other, 0]
                            )  # fmt: skip
                        turned_expected[donor, mode, mode] += weight / curve
                np.dot(across, lower.T, whitened)
                for donor in range(n_donors):
                    rows = whitened[donor * (n_random - 1) : (donor + 1) * (n_random - 1)]
                    lost = np.dot(rows, rows.T)
                    for mode in range(n_modes):
                        for other in range(n_modes):
                            turned_expected[donor, mode, other] -= weight * lost[mode, other]
        for donor in range(n_donors):
            back = np.ascontiguousarray(turned[donor, :, n + 1 :])
            seen += np.dot(back.T, np.dot(turned_seen[donor], back))
            expected += np.dot(back.T, np.dot(turned_expected[donor], back))


@compiled
def decompose_lines(lines, curve, pivots, ratios):
    """Write pivots and ratios of the factorisation of `I + curve M`, with diagonal and subdiagonal of `M` in `lines`."""
    for mode in range(len(pivots)):
        pivots[mode], ratios[mode] = 1.0 + curve * lines[0, mode], 0.0
        if mode > 0:
            beside = curve * lines[1, mode - 1]
            ratios[mode] = beside / pivots[mode - 1]
            pivots[mode] -= ratios[mode] * beside
        pivots[mode] = max(pivots[mode], 1e-12)


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
