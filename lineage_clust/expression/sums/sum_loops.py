"""Sums over the stored values of sparse expression in one pass, compiled by numba; called by `fused.py`.

Both functions add to the following output arrays:

products
    `(n_columns, n_genes)`: weighted sums of the design times expression.
statistics
    `(n_genes, 6)`: weighted sum of squares; sum of the weights and number of nonzero values; sum of squares; weighted
    sums of third and fourth powers.
others
    `(n_genes, 2)`: sum over all rows, and sum of squares over rows outside the design; only if `of_all`.

`lines` contains the row of the design for each row of the matrix, or -1 for rows outside the design. `positions` contains
the position of each column among the genes, or -1 for columns that are not used (`None`: all are used). Row `i` of the
design has `width` columns starting at `starts[i]` and the columns after the first `n_banded`. Its first four values
times the weight are in `factors[i]`, see `factors_of`, the others in `rest[i]` `(n_rest,)`. The functions return
whether the indices of every row (column) ascend. If they do not, there may be duplicate entries, whose squares are
wrong.
"""

from __future__ import annotations

import numpy as np

from ...utils.compiling import compiled

N_COLUMNS = 4  # columns of the design stored next to the statistics
N_STATISTICS = 6
_N_SUMS = N_COLUMNS + N_STATISTICS


def factors_of(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the factors by which a value in each row of the design is multiplied in the first eight sums of its gene.

    They are the first four columns of `values` `(n_lines, n)` of the design times the weight; the weight, for the
    weighted sum of squares; the weight and 1, for nonzero values; 1, for the sum of squares.

    >>> factors_of(np.array([[0.25, 0.75]]), np.array([2.0])).tolist()
    [[0.5, 1.5, 0.0, 0.0, 2.0, 2.0, 1.0, 1.0]]
    """
    factors = np.zeros((len(weights), N_COLUMNS + 4))
    first = values[:, :N_COLUMNS]
    np.multiply(first, weights[:, None], out=factors[:, : first.shape[1]])
    factors[:, N_COLUMNS] = factors[:, N_COLUMNS + 1] = weights
    factors[:, N_COLUMNS + 2 :] = 1.0
    return factors


@compiled
def sum_rows(
    data, indices, indptr, rows, lines, positions, starts, factors, rest, width, n_banded, of_all, products, statistics,
    others,
):  # fmt: skip
    """Sum CSR expression over rows in the given order; those whose bands start at the same column should be adjacent."""
    n_genes, n_rest = statistics.shape[0], rest.shape[1]
    sums, rest_sums = np.zeros((n_genes, _N_SUMS)), np.zeros((n_genes, n_rest))
    start, ascending = 0, True
    for row in rows:
        line, first, last = lines[row], indptr[row], indptr[row + 1]
        if line >= 0 or of_all:
            ascending &= ascend(indices, first, last)
        if of_all:
            add_totals(data, indices, positions, first, last, line < 0, others)
        if line < 0:
            continue
        if starts[line] != start:
            for gene in range(n_genes):
                put(sums[gene], rest_sums[gene], start, width, n_banded, products, gene)
            start = starts[line]
        add_row(data, indices, positions, first, last, factors, line, sums)
        if n_rest > 0:
            add_rest(data, indices, positions, first, last, rest[line], rest_sums)
    for gene in range(n_genes):
        statistics[gene] += sums[gene, N_COLUMNS:]
        put(sums[gene], rest_sums[gene], start, width, n_banded, products, gene)
    return ascending


@compiled
def sum_columns(
    data, indices, indptr, columns, lines, starts, factors, rest, width, n_banded, of_all, products, statistics, others
):  # fmt: skip
    """Sum the given columns of CSC expression, one per gene."""
    n_rest = rest.shape[1]
    n_starts = max(n_banded - width, 0) + 1
    sums, rest_sums = np.zeros((n_starts, _N_SUMS)), np.zeros((n_starts, n_rest))
    ascending = True
    for gene in range(len(columns)):
        first, last = indptr[columns[gene]], indptr[columns[gene] + 1]
        ascending &= ascend(indices, first, last)
        for at in range(np.uintp(first), np.uintp(last)):
            row, value = np.uintp(indices[at]), np.float64(data[at])
            line = lines[row]
            if of_all:
                others[gene, 0] += value
            if line < 0:
                if of_all:
                    others[gene, 1] += value * value
                continue
            start = starts[line]
            add_value(value, factors[line], sums[start])
            for own in range(n_rest):
                rest_sums[start, own] += rest[line, own] * value
        for start in range(n_starts):
            statistics[gene] += sums[start, N_COLUMNS:]
            put(sums[start], rest_sums[start], start, width, n_banded, products, gene)
            sums[start] = 0.0
    return ascending


@compiled
def add_row(data, indices, positions, first, last, factors, line, sums):
    """Add the values of a row to the sums of its genes; a separate function, so that its operands stay in registers."""
    own = factors[line]
    for at in range(np.uintp(first), np.uintp(last)):  # unsigned indices need no wraparound check
        gene = indices[at] if positions is None else positions[np.uintp(indices[at])]
        if positions is None or gene >= 0:
            add_value(np.float64(data[at]), own, sums[np.uintp(gene)])


@compiled
def add_value(value, factors, sums):
    """Add a value to the ten sums of its gene; see :func:`factors_of`."""
    square, is_there = value * value, 1.0 if value != 0.0 else 0.0
    weighted = factors[4] * square
    for own in range(N_COLUMNS):
        sums[own] += factors[own] * value
    sums[4] += weighted
    sums[5] += factors[5] * is_there
    sums[6] += factors[6] * is_there
    sums[7] += factors[7] * square
    sums[8] += weighted * value
    sums[9] += weighted * square


@compiled
def add_rest(data, indices, positions, first, last, values, sums):
    """Add the values of a row, times those of some columns of the design, to the sums `(n_genes, n_rest)`."""
    for at in range(np.uintp(first), np.uintp(last)):
        gene = indices[at] if positions is None else positions[np.uintp(indices[at])]
        if positions is None or gene >= 0:
            for own in range(len(values)):
                sums[np.uintp(gene), own] += values[own] * data[at]


@compiled
def add_totals(data, indices, positions, first, last, with_squares, others):
    """Add the values of a row, and optionally their squares, to the sums `(n_genes, 2)`."""
    for at in range(np.uintp(first), np.uintp(last)):
        gene = indices[at] if positions is None else positions[np.uintp(indices[at])]
        if positions is None or gene >= 0:
            value = np.float64(data[at])
            others[np.uintp(gene), 0] += value
            if with_squares:
                others[np.uintp(gene), 1] += value * value


@compiled
def put(sums, rest_sums, start, width, n_banded, products, gene):
    """Add the sums of a gene to the corresponding rows of the products and reset them to 0."""
    for own in range(min(products.shape[0] - n_banded + width, N_COLUMNS + len(rest_sums))):
        column = start + own if own < width else n_banded + own - width
        if own < N_COLUMNS:
            products[column, gene] += sums[own]
            sums[own] = 0.0
        else:
            products[column, gene] += rest_sums[own - N_COLUMNS]
            rest_sums[own - N_COLUMNS] = 0.0


@compiled
def ascend(indices, first, last):
    """Return whether indices ascend; counts instead of returning early, so that the loop vectorises."""
    one, following = indices[first : max(last, 1) - 1], indices[first + 1 : last]
    n_descents = 0
    for at in range(len(following)):
        n_descents += following[at] <= one[at]
    return n_descents == 0
