"""Sums over the stored values of sparse expression in one pass, compiled by numba; see `fused` for who calls them.

Both functions add to the arrays that they are given:

statistics
    `(n_genes, 4)`: weighted sum of squares; sum of the weights of values that are not zero, until it is `enough`; sum and
    sum of squares over all rows, with `of_all`.
products
    `(n_columns, n_genes)`: weighted sums of the design times expression.
counts
    `(n_genes,)` number of values that are not zero in rows of the design, until their weights add up to `enough`.
large
    `(n_genes,)` whether a value in a row of the design reaches `too_large`.

`lines` holds the line of the design that belongs to each row, -1 for a row that is no cell of it; `places` the position
of each column among the genes, -1 for a column that is none of them (`None`: all are). They return whether the indices of
every row (column) ascend: if not, a value may be stored in parts, and its square is not known.
"""

from __future__ import annotations

import numpy as np

from ...utils.compiling import compiled


@compiled
def sum_rows(
    data, indices, indptr, rows, lines, places, starts, values, n_banded, weights, enough, of_all, too_large,
    statistics, products, counts, large,
):  # fmt: skip
    """Add up CSR expression, rows in the given order.

    `values` `(n_lines, width + n_extra)` holds the banded part of each line, which begins at column `starts`, and what
    follows after the `n_banded` columns. Rows of which the bands begin at the same column should follow each other: a
    gene's sums then lie side by side in memory, and are put in their places once.
    """
    n_genes, n_own = statistics.shape[0], values.shape[1]
    n_extra = products.shape[0] - n_banded
    width = n_own - n_extra
    sums = np.zeros((n_genes, 4 + n_own))
    line_values = np.zeros(max(n_own, 4))
    start, ascending, weight = 0, True, 0.0
    for row in rows:
        line = lines[row]
        if line < 0 and not of_all:
            continue
        if line >= 0:
            weight = weights[line]
            if starts[line] != start:
                for gene in range(n_genes):
                    for own in range(width):
                        products[start + own, gene] += sums[gene, 4 + own]
                        sums[gene, 4 + own] = 0.0
                start = starts[line]
            for own in range(n_own):
                line_values[own] = weight * values[line, own]
        first, second, third, fourth = line_values[0], line_values[1], line_values[2], line_values[3]
        previous = np.int64(-1)
        for at in range(indptr[row], indptr[row + 1]):
            index = indices[at]
            ascending &= index > previous
            previous = index
            if places is not None:
                index = places[np.uintp(index)]
                if index < 0:
                    continue
            gene = np.uintp(index)  # what cannot be negative needs no check for it
            value = np.float64(data[at])
            if value == 0.0:
                continue
            if of_all:
                sums[gene, 2] += value
                sums[gene, 3] += value * value
                if line < 0:
                    continue
            if abs(value) >= too_large:
                large[gene] = True
            if sums[gene, 1] < enough:
                counts[gene] += 1
                sums[gene, 1] += weight
            sums[gene, 0] += weight * value * value
            if n_own == 4:  # cubic splines: in registers
                sums[gene, 4] += first * value
                sums[gene, 5] += second * value
                sums[gene, 6] += third * value
                sums[gene, 7] += fourth * value
            else:
                for own in range(n_own):
                    sums[gene, 4 + own] += line_values[own] * value
    for gene in range(n_genes):
        for own in range(4):
            statistics[gene, own] += sums[gene, own]
        for own in range(width):
            products[start + own, gene] += sums[gene, 4 + own]
        for own in range(n_extra):
            products[n_banded + own, gene] += sums[gene, 4 + width + own]
    return ascending


@compiled
def sum_columns(
    data, indices, indptr, columns, lines, starts, values, n_banded, weights, enough, of_all, too_large, statistics,
    products, counts, large,
):  # fmt: skip
    """Add up the given columns of CSC expression, one gene each."""
    n_own = values.shape[1]
    n_extra = products.shape[0] - n_banded
    width = n_own - n_extra
    own_products = np.zeros(products.shape[0])
    ascending = True
    for gene in range(len(columns)):
        previous = np.int64(-1)
        square, carried, total, total_square, count = 0.0, 0.0, 0.0, 0.0, 0
        own_products[:] = 0.0
        for at in range(indptr[columns[gene]], indptr[columns[gene] + 1]):
            index = indices[at]
            ascending &= index > previous
            previous = index
            value = np.float64(data[at])
            if value == 0.0:
                continue
            if of_all:
                total += value
                total_square += value * value
            line = lines[np.uintp(index)]
            if line < 0:
                continue
            if abs(value) >= too_large:
                large[gene] = True
            weight = weights[line]
            if carried < enough:
                count += 1
                carried += weight
            square += weight * value * value
            start = starts[line]
            for own in range(width):
                own_products[start + own] += weight * value * values[line, own]
            for own in range(n_extra):
                own_products[n_banded + own] += weight * value * values[line, width + own]
        statistics[gene, 0] += square
        statistics[gene, 1] += carried
        statistics[gene, 2] += total
        statistics[gene, 3] += total_square
        counts[gene] += count
        for own in range(products.shape[0]):
            products[own, gene] += own_products[own]
    return ascending
