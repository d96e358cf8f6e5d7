"""Likelihoods of variances between donors, for genes with gram matrices of their own, compiled by numba.

Called by :meth:`lineage_clust.models.gam.donors.curves.TurnedSums.likelihoods`, which describes the arrays.
"""

from __future__ import annotations

import numpy as np

from ....utils.compiling import compiled


@compiled
def fit_sizes(gram, parts, sizes, level, own, cross, curves, shifts, ridge, determinants, left):
    """Write log determinants and residual sums of squares, `(n_curves, n_shifts, n_genes)` each.

    gram : `(n_genes, n, n)` gram matrix of the columns of `T` and the response, which is last.
    parts : `(n_genes, n_donors, n_modes, n)` products of the donors' curves with these columns.
    sizes, level : `(n_genes, n_donors, n_modes)`: information of the cells about each mode, and its product with the
        constant.
    own, cross : `(n_genes, n_donors)` and `(n_genes, n_donors, n)`: products of the constant with itself and with the
        columns.
    curves, shifts : Variances of the donors' curves and of their shifts.
    ridge : `(n_genes,)` constant added to the diagonal, except for the response.
    """
    n_genes, n_donors, n_modes, n = parts.shape
    without = np.zeros((n, n))
    factor = np.zeros((n, n))
    level_of = np.zeros(n_donors)
    beside = np.zeros((n_donors, n))
    for gene in range(n_genes):
        for at_curve in range(len(curves)):
            curve = curves[at_curve]
            for row in range(n):
                for column in range(row + 1):
                    without[row, column] = gram[gene, row, column]
            for row in range(n - 1):
                without[row, row] += ridge[gene]
            logs = 0.0
            for donor in range(n_donors):
                level_of[donor] = own[gene, donor]
                for column in range(n):
                    beside[donor, column] = cross[gene, donor, column]
                if curve == 0.0:
                    continue
                for mode in range(n_modes):
                    inside = 1.0 + curve * sizes[gene, donor, mode]
                    share, with_level = curve / inside, level[gene, donor, mode]
                    logs += np.log(inside)
                    level_of[donor] -= share * with_level * with_level
                    for column in range(n):
                        beside[donor, column] -= share * with_level * parts[gene, donor, mode, column]
                    for row in range(n):
                        by = share * parts[gene, donor, mode, row]
                        for column in range(row + 1):
                            without[row, column] -= by * parts[gene, donor, mode, column]
            for at_shift in range(len(shifts)):
                shift, log_determinant = shifts[at_shift], logs
                for row in range(n):
                    for column in range(row + 1):
                        factor[row, column] = without[row, column]
                for donor in range(n_donors):
                    inside = 1.0 + shift * level_of[donor]
                    log_determinant += np.log(inside)
                    for row in range(n):
                        by = shift / inside * beside[donor, row]
                        for column in range(row + 1):
                            factor[row, column] -= by * beside[donor, column]
                for row in range(n - 1):  # Cholesky factorisation, column by column
                    pivot = factor[row, row]
                    log_determinant += np.log(pivot)
                    for below in range(row + 1, n):
                        by = factor[below, row] / pivot
                        for column in range(row + 1, below + 1):
                            factor[below, column] -= by * factor[column, row]
                determinants[at_curve, at_shift, gene] = log_determinant
                left[at_curve, at_shift, gene] = factor[n - 1, n - 1]
