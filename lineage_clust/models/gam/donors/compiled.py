"""Likelihoods and fits at variances between donors, one gene at a time, compiled by numba.

For genes with gram matrices of their own. The modes of each donor's curve are rotated such that the cells' information about
them is a tridiagonal matrix `M`. Then ``(I + c M)^-1`` is applied in a few operations per mode for any variance `c` of
curves, and a donor's level is one more mode.
"""

from __future__ import annotations

import numpy as np

from ....utils.compiling import compiled
from ..smoothing.compiled_modes import make_tridiagonal
from .compiled_cholesky import decompose, forward
from .curves import NEGLIGIBLE


@compiled
def turn_each(own, cross, donor_products, root, lines, turned, level, of_level):
    """Write the sums of each donor in modes that are independent a priori, and in which its information is tridiagonal.

    own, cross, donor_products : As in :class:`lineage_clust.models.gam.donors.curves.DonorSums`, `(n_genes, n_donors,
        n_random, ...)`; the constant is first.
    root : `(n_modes, n_modes)` root of the covariance of the modes.
    lines : `(n_genes, n_donors, 2, n_modes)` diagonals and subdiagonals, output.
    turned : `(n_genes, n_donors, n_modes, 2 + n_fixed)` products of the modes with the constant, the response and the columns
        of `T`, output; with the rotation `(n_modes, n_modes)` if there are more columns.
    level, of_level : `(n_genes, n_donors)` and `(n_genes, n_donors, 1 + n_fixed)` products of the constant with itself, and
        with the response and the columns.
    """
    n_genes, n_donors, n_random, n_fixed = cross.shape
    n_modes, width, one = np.uintp(n_random - 1), n_fixed + 2, np.uintp(1)
    rotation = np.eye(n_random - 1)[:, : turned.shape[3] - width]
    # all donors are side by side
    matrix, square = np.zeros((n_donors, n_random - 1, n_random - 1)), np.zeros((n_random - 1, n_random - 1))
    plain = np.zeros((n_random - 1, n_donors, width))
    for gene in range(n_genes):
        for donor in range(n_donors):
            level[gene, donor] = own[gene, donor, 0, 0]
            of_level[gene, donor, 0] = donor_products[gene, donor, 0]
            of_level[gene, donor, 1:] = cross[gene, donor, 0, :]
            for mode in range(n_modes):
                plain[mode, donor, 0] = own[gene, donor, mode + one, 0]
                plain[mode, donor, 1] = donor_products[gene, donor, mode + one]
                plain[mode, donor, 2:] = cross[gene, donor, mode + one, :]
                matrix[donor, mode] = own[gene, donor, mode + one, 1:]
        half = np.dot(matrix.reshape(n_donors * (n_random - 1), n_random - 1), root)
        rows = np.dot(root.T, plain.reshape(n_random - 1, n_donors * width))
        for donor in range(n_donors):
            into = turned[gene, donor]
            for mode in range(n_modes):
                for column in range(np.uintp(width)):
                    into[mode, column] = rows[mode, donor * width + column]
            into[:, width:] = rotation
            np.dot(root.T, half[donor * (n_random - 1) : (donor + 1) * (n_random - 1)], square)
            make_tridiagonal(square, into, lines[gene, donor, 0], lines[gene, donor, 1])


@compiled
def likelihoods_each(gram, lines, turned, level, of_level, curves, shifts, ridge, least, df, n_free, found):
    """Write log restricted likelihoods `(n_curves, n_shifts, n_genes)`, minus infinity where they are negligible.

    gram : `(n_genes, 1 + n_fixed, 1 + n_fixed)` gram matrices of the response and the columns of `T`, lower triangles.
    lines, turned, level, of_level : As in :func:`turn_each`.
    curves, shifts : Increasing variances of the donors' curves, and variances of their levels.
    ridge : `(n_genes,)` constant added to the diagonal, except for the response.
    least, df : `(n_genes,)` smallest residual sums of squares, and residual degrees of freedom; 0 if the scale is known.
    n_free : Number of columns of `T` that the cells determine.

    The likelihood falls on both sides of its maximum over the variance of curves: it is computed from the middle outwards
    until it is negligible.
    """
    n_genes, n_donors, n_modes = turned.shape[:3]
    without, rows = np.zeros((n_free + 1, n_free + 1)), np.zeros((n_donors * n_modes, n_free + 1))
    levels, of_levels = np.zeros(n_donors), np.zeros((n_donors, n_free + 1))
    found[:] = -np.inf
    for gene in range(n_genes):
        highest = -np.inf
        for step in (1, -1):
            curve = len(curves) // 2 - (step < 0)
            while 0 <= curve < len(curves):
                logs = without_curves(
                    gram[gene], lines[gene], turned[gene], level[gene], of_level[gene], curves[curve], rows, without, levels,
                    of_levels,
                )  # fmt: skip
                for column in range(n_free):
                    without[column, column] += ridge[gene]
                at_shifts(without, levels, of_levels, shifts, logs, least[gene], df, found[curve, :, gene])
                here = np.max(found[curve, :, gene])
                highest = max(highest, here)
                if here < highest - NEGLIGIBLE:
                    break
                curve += step


@compiled
def at_shifts(without, level, of_level, shifts, logs, least, df, found):
    """Write the log likelihoods `(n_shifts,)` of one gene, as in :meth:`.curves.WithCurves.likelihoods`.

    The matrix between donors is made tridiagonal instead of diagonal.
    """
    n_donors, n_free = len(level), np.uintp(len(without) - 1)
    between, scores = np.zeros((n_donors, n_donors)), np.zeros(n_donors)
    diagonal, below = np.zeros(n_donors), np.zeros(n_donors)
    rows, free = np.zeros((n_free, n_donors + 1)), np.zeros((n_free, n_free))
    for row in range(n_free):
        rows[row, n_donors] = without[n_free, row]
        for donor in range(n_donors):
            rows[row, donor] = of_level[donor, row]
        for column in range(row + np.uintp(1)):
            free[row, column] = without[row, column]
    logs += decompose(free)
    forward(free, rows)
    rest = without[n_free, n_free]
    for donor in range(n_donors):
        scores[donor] = of_level[donor, n_free]
        between[donor, donor] = level[donor]
    for row in range(n_free):
        response = rows[row, n_donors]
        rest -= response * response
        for donor in range(n_donors):
            entry = rows[row, donor]
            scores[donor] -= entry * response
            for other in range(donor + 1):
                between[donor, other] -= entry * rows[row, other]
    make_tridiagonal(between, scores.reshape((-1, 1)), diagonal, below)
    for at_shift in range(len(shifts)):
        shift, value, product, log_determinant = shifts[at_shift], rest, 1.0, logs
        pivot, before = 1.0, 0.0
        for donor in range(n_donors):
            ratio = shift * below[donor - 1] / pivot if donor > 0 else 0.0
            pivot = 1.0 + shift * diagonal[donor] - (ratio * shift * below[donor - 1] if donor > 0 else 0.0)
            pivot = max(pivot, 1e-12)
            before = scores[donor] - ratio * before
            value -= shift * before * before / pivot
            product *= pivot
            if not 1e-200 < product < 1e200:
                log_determinant, product = log_determinant + np.log(product), 1.0
        log_determinant += np.log(product)
        if df > 0.0:
            value = df * np.log(max(value, least))
        found[at_shift] = -0.5 * (value + log_determinant)


@compiled
def without_curves(gram, lines, turned, level, of_level, curve, rows, without, levels, of_levels):
    """Write the sums after eliminating the donors' curves, given their variance; return the log determinant.

    gram, lines, turned, level, of_level : Of one gene, as in :func:`likelihoods_each`.
    rows : `(n_donors * n_modes, n)`, overwritten.
    without : `(n, n)` gram matrix of the first columns and of the response, which is last; lower triangle.
    levels, of_levels : `(n_donors,)` and `(n_donors, n)` products of each donor's constant with itself and with these.
    """
    n_donors, n_modes = turned.shape[0], np.uintp(turned.shape[1])
    n, one = np.uintp(len(without)), np.uintp(1)
    last = n - one
    scaled, pivots, ratios = np.zeros(n + one), np.zeros(n_modes), np.zeros(n_modes)
    for row in range(one, n):
        for column in range(one, row + one):
            without[row - one, column - one] = gram[row, column]
        without[last, row - one] = gram[row, 0]
    without[last, last] = gram[0, 0]
    logs, product, line = 0.0, 1.0, 0
    for donor in range(n_donors):
        levels[donor] = level[donor]
        of_levels[donor, last] = of_level[donor, 0]
        for column in range(last):
            of_levels[donor, column] = of_level[donor, column + one]
        if curve == 0.0:
            continue
        decompose_lines(lines[donor], curve, pivots, ratios)
        for mode in range(n_modes):
            product *= pivots[mode]
            if not 1e-200 < product < 1e200:
                logs, product = logs + np.log(product), 1.0
            for column in range(n + one):
                scaled[column] = turned[donor, mode, column] - ratios[mode] * scaled[column]
            size = np.sqrt(curve / pivots[mode])
            by = size * scaled[0]
            levels[donor] -= by * by
            rows[line, last] = size * scaled[1]
            for column in range(last):
                rows[line, column] = size * scaled[column + one + one]
            for column in range(n):
                of_levels[donor, column] -= by * rows[line, column]
            line += 1
    if curve > 0.0:
        explained = np.dot(rows.T, rows)
        for row in range(n):
            for column in range(row + one):
                without[row, column] -= explained[row, column]
    return logs + np.log(product)


@compiled
def with_level(without, levels, of_levels, shift, found):
    """Write the sums after eliminating the donors' levels too, lower triangle."""
    one, n = np.uintp(1), np.uintp(len(found))
    for row in range(n):
        for column in range(row + one):
            found[row, column] = without[row, column]
    for donor in range(len(levels)):
        share = shift / (1.0 + shift * levels[donor])
        for row in range(n):
            by = share * of_levels[donor, row]
            for column in range(row + one):
                found[row, column] -= by * of_levels[donor, column]


@compiled
def fits_each(gram, lines, turned, level, of_level, shift, curve, found):
    """Write the sums `(n_genes, n, n)` at variances `(n_genes,)` of levels and of curves, lower triangles.

    The response is last.
    """
    n_genes, n_donors, n_modes = turned.shape[:3]
    n = gram.shape[1]
    without, rows = np.zeros((n, n)), np.zeros((n_donors * n_modes, n))
    levels, of_levels = np.zeros(n_donors), np.zeros((n_donors, n))
    for gene in range(n_genes):
        without_curves(
            gram[gene], lines[gene], turned[gene], level[gene], of_level[gene], curve[gene], rows, without, levels,
            of_levels,
        )  # fmt: skip
        with_level(without, levels, of_levels, shift[gene], found[gene])


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
