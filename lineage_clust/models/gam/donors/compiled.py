"""Likelihoods and fits at variances between donors, one gene at a time, compiled by numba.

For genes with gram matrices of their own. The modes of each donor's curve are rotated such that the cells' information about
them is a tridiagonal matrix `M`. Then ``(I + c M)^-1`` is applied in a few operations per mode for any variance `c` of
curves, and a donor's level is one more mode.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....utils.compiling import compiled
from ..smoothing.compiled_algebra import decompose, forward, make_tridiagonal
from .curves import NEGLIGIBLE


class WithoutCurves(NamedTuple):
    """Sums of one gene after eliminating the donors' curves.

    gram : `(n, n)` gram matrix of the first columns of `T` and of the response, which is last; lower triangle.
    level, level_products : `(n_donors,)` and `(n_donors, n)` products of each donor's constant with itself and with these.
    rows : `(n_donors * n_modes, n)`, overwritten.
    """

    gram: np.ndarray
    level: np.ndarray
    level_products: np.ndarray
    rows: np.ndarray


@compiled
def turn_each(donor_grams, cross, donor_products, root, found):
    """Write the sums of each donor in modes that are independent a priori, and in which its information is tridiagonal.

    The sums are those of :class:`.curves.DonorSums`, constant first; `root` is one of the covariance of the modes. Lines,
    products, level and level_products of :class:`.each.CompiledSums` are written.
    """
    n_genes, n_donors, n_random, n_fixed = cross.shape
    width = n_fixed + 2
    rotation = np.eye(n_random - 1)[:, : found.products.shape[3] - width]
    # all donors are side by side
    matrix, square = np.zeros((n_donors, n_random - 1, n_random - 1)), np.zeros((n_random - 1, n_random - 1))
    plain = np.zeros((n_random - 1, n_donors, width))
    for gene in range(n_genes):
        for donor in range(n_donors):
            found.level[gene, donor] = donor_grams[gene, donor, 0, 0]
            found.level_products[gene, donor, 0] = donor_products[gene, donor, 0]
            found.level_products[gene, donor, 1:] = cross[gene, donor, 0]
            plain[:, donor, 0] = donor_grams[gene, donor, 1:, 0]
            plain[:, donor, 1] = donor_products[gene, donor, 1:]
            plain[:, donor, 2:] = cross[gene, donor, 1:]
            matrix[donor] = donor_grams[gene, donor, 1:, 1:]
        half = np.dot(matrix.reshape(n_donors * (n_random - 1), n_random - 1), root)
        rows = np.dot(root.T, plain.reshape(n_random - 1, n_donors * width))
        for donor in range(n_donors):
            into = found.products[gene, donor]
            into[:, :width] = rows[:, donor * width : (donor + 1) * width]
            into[:, width:] = rotation
            np.dot(root.T, half[donor * (n_random - 1) : (donor + 1) * (n_random - 1)], square)
            make_tridiagonal(square, into, found.lines[gene, donor, 0], found.lines[gene, donor, 1])


@compiled
def without_curves_of(sums, n):
    """Return space for the sums of one gene, with `n - 1` columns of `T`."""
    _, n_donors, n_modes, _ = sums.products.shape
    return WithoutCurves(
        np.zeros((n, n)), np.zeros(n_donors), np.zeros((n_donors, n)), np.zeros((n_donors * n_modes, n))
    )


@compiled
def likelihoods_each(sums, curves, shifts, found):
    """Write log restricted likelihoods `(n_curves, n_shifts, n_genes)` at increasing variances of curves, and of levels.

    The likelihood falls on both sides of its maximum over the variance of curves: it is computed from the middle outwards
    until it is negligible, and minus infinity there.
    """
    without = without_curves_of(sums, sums.n_free + 1)
    found[:] = -np.inf
    for gene in range(len(sums.gram)):
        highest = -np.inf
        for step in (1, -1):
            curve = len(curves) // 2 - (step < 0)
            while 0 <= curve < len(curves):
                logs = write_without_curves(sums, gene, curves[curve], without)
                for column in range(sums.n_free):
                    without.gram[column, column] += sums.ridge[gene]
                at_shifts(without, shifts, logs, sums.least[gene], sums.df, found[curve, :, gene])
                here = np.max(found[curve, :, gene])
                highest = max(highest, here)
                if here < highest - NEGLIGIBLE:
                    break
                curve += step


@compiled
def at_shifts(without, shifts, logs, least, df, found):
    """Write the log likelihoods `(n_shifts,)` of one gene, as in :meth:`.curves.WithCurves.likelihoods`."""
    gram, level, level_products, _ = without
    n_donors, n_free = len(level), len(gram) - 1
    diagonal, below = np.zeros(n_donors), np.zeros(n_donors)
    free, rows = gram[:n_free, :n_free].copy(), np.empty((n_free, n_donors + 1))
    rows[:, :n_donors], rows[:, n_donors] = level_products[:, :n_free].T, gram[n_free, :n_free]
    logs += decompose(free)
    forward(free, rows)
    inner = np.dot(rows.T, rows)
    rest, between = gram[n_free, n_free] - inner[n_donors, n_donors], -inner[:n_donors, :n_donors]
    scores = level_products[:, n_free] - inner[n_donors, :n_donors]
    for donor in range(n_donors):
        between[donor, donor] += level[donor]
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
def write_without_curves(sums, gene, curve, found):
    """Write the sums of a gene after eliminating the donors' curves, given their variance; return the log determinant."""
    n_donors, n_modes = sums.products.shape[1], np.uintp(sums.products.shape[2])
    gram, lines, products = sums.gram[gene], sums.lines[gene], sums.products[gene]
    without, level, level_products, rows = found
    n, one = np.uintp(len(without)), np.uintp(1)
    last = n - one
    scaled, pivots, ratios = np.zeros(n + one), np.zeros(n_modes), np.zeros(n_modes)
    without[:last, :last], without[last, :last], without[last, last] = gram[1:n, 1:n], gram[1:n, 0], gram[0, 0]
    level[:], level_products[:, last] = sums.level[gene], sums.level_products[gene, :, 0]
    level_products[:, :last] = sums.level_products[gene, :, 1:n]
    logs, product, line = 0.0, 1.0, 0
    for donor in range(n_donors if curve > 0.0 else 0):
        decompose_lines(lines[donor], curve, pivots, ratios)
        for mode in range(n_modes):
            product *= pivots[mode]
            if not 1e-200 < product < 1e200:
                logs, product = logs + np.log(product), 1.0
            for column in range(n + one):
                scaled[column] = products[donor, mode, column] - ratios[mode] * scaled[column]
            size = np.sqrt(curve / pivots[mode])
            by = size * scaled[0]
            level[donor] -= by * by
            rows[line, last] = size * scaled[1]
            for column in range(last):
                rows[line, column] = size * scaled[column + one + one]
            for column in range(n):
                level_products[donor, column] -= by * rows[line, column]
            line += 1
    if curve > 0.0:
        explained = np.dot(rows.T, rows)
        for row in range(n):
            for column in range(row + one):
                without[row, column] -= explained[row, column]
    return logs + np.log(product)


@compiled
def with_level(without, shift, found):
    """Write the sums after eliminating the donors' levels too, lower triangle."""
    gram, level, level_products, _ = without
    one, n = np.uintp(1), np.uintp(len(found))
    found[:] = gram
    for donor in range(len(level)):
        share = shift / (1.0 + shift * level[donor])
        for row in range(n):
            by = share * level_products[donor, row]
            for column in range(row + one):
                found[row, column] -= by * level_products[donor, column]


@compiled
def fits_each(sums, shift, curve, found):
    """Write the sums at variances `(n_genes,)` of levels and of curves, lower triangles; the response is last."""
    without = without_curves_of(sums, sums.gram.shape[1])
    for gene in range(len(sums.gram)):
        write_without_curves(sums, gene, curve[gene], without)
        with_level(without, shift[gene], found[gene])


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
