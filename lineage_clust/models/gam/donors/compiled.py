"""Likelihoods and fits at variances between donors, one gene at a time, compiled by numba.

For genes with gram matrices of their own. The modes of each donor's curve are turned such that the cells' information about
them is a tridiagonal matrix `M`. Then ``(I + c M)^-1`` is applied in a few operations per mode for any variance `c` of
curves, and a donor's level is one more mode.
"""

from __future__ import annotations

import numpy as np

from ....utils.compiling import compiled
from ..smoothing.compiled_modes import make_tridiagonal
from .compiled_working import decompose, forward


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
def decompose_lines(lines, curve, pivots, ratios):
    """Write pivots and ratios of the factorisation of `I + curve M`, with diagonal and subdiagonal of `M` in `lines`."""
    for mode in range(len(pivots)):
        pivots[mode], ratios[mode] = 1.0 + curve * lines[0, mode], 0.0
        if mode > 0:
            beside = curve * lines[1, mode - 1]
            ratios[mode] = beside / pivots[mode - 1]
            pivots[mode] -= ratios[mode] * beside
        pivots[mode] = max(pivots[mode], 1e-12)
