"""Sums of expression over the nodes of a grid in one pass, compiled by numba; called by `table.py`.

Both functions add to the arrays that they are given:

table, squares
    `(n_genes, n_nodes)`: sums of weights, shares and values (or squared values). `squares` has no rows if not
    requested.
histogram
    `(n_genes, n_bins)`: weights of the cells with each value; no rows if not requested.
statistics, extremes
    `(n_genes, N_STATISTICS)` and `(n_genes, N_EXTREMES)`, see :class:`lineage_clust.expression.counts.table.Table`.

`lines` contains the position among the cells of the grid for each row, -1 for rows that are not cells of it. The values
of cell `i` are distributed over the nodes from `starts[i]` on in the proportions `shares[i]`, and each of these parts
in the proportions `across[i]`.
"""

from __future__ import annotations

import numpy as np

from ...utils.compiling import compiled
from . import bins

_FEWEST = 32  # most values are less
_N_LINEAR, _N_OTHER = 4, 8  # sums and extremes other than the sums at the nodes
_STEP = 16  # values added at a time; a remainder would be added one by one


@compiled
def tabulate_rows(
    data, least, indices, indptr, rows, lines, starts, shares, across, weights, units, offsets, of_all, table, squares,
    histogram, statistics, extremes,
):  # fmt: skip
    """Sum CSR expression over rows in the given order, in which rows with the same nodes should be adjacent."""
    n_genes, width, with_squares = table.shape[0], shares.shape[1] * across.shape[1], squares.shape[0] > 0
    counting, n_linear = histogram.shape[0] > 0, _STEP * ((width + _N_LINEAR + _STEP - 1) // _STEP)
    held = np.zeros((n_genes, n_linear + _N_OTHER + _FEWEST))
    sums_of_squares = np.zeros((n_genes if with_squares else 0, width))
    held[:, n_linear + 5 : n_linear + 8] = extremes
    linear, start = np.zeros(n_linear), 0
    for row in rows:
        line, first, last = lines[row], np.uintp(indptr[row]), np.uintp(indptr[row + 1])
        if line < 0:
            if of_all:
                for at in range(first, last):
                    value = np.float64(data[at])
                    statistics[indices[at], bins.TOTAL] += value
                    statistics[indices[at], bins.TOTAL_SQUARES] += value * value
            continue
        if starts[line] != start:
            put(held, width, start, table)
            put(sums_of_squares, width, start, squares)
            start = starts[line]
        weight, unit = weights[line], units[line]
        share(weight, shares, across, line, linear)
        linear[width], linear[width + 1], linear[width + 2] = weight, weight * unit, weight * offsets[line]
        linear[width + 3] = 1.0
        add_row(data, least, indices, first, last, linear, weight, unit, counting, held, histogram, statistics)
        if with_squares:
            for at in range(first, last):
                value = np.float64(data[at])
                for node in range(width):
                    sums_of_squares[np.uintp(indices[at]), node] += value * value * linear[node]
    put(held, width, start, table)
    put(sums_of_squares, width, start, squares)
    for gene in range(n_genes):
        own, others, few = held[gene, width:], held[gene, n_linear:], held[gene, n_linear + _N_OTHER :]
        statistics[gene, bins.SUM] += own[0]
        statistics[gene, bins.SCALED_SUM] += own[1]
        statistics[gene, bins.OFFSET_SUM] += own[2]
        statistics[gene, bins.SCALED_SQUARES] += others[0]
        statistics[gene, bins.N_NONZERO] += others[2]
        statistics[gene, bins.LEAST_LOSS] += others[4]
        if of_all:
            statistics[gene, bins.TOTAL] += own[3]
            statistics[gene, bins.TOTAL_SQUARES] += others[1]
        for value in range(1, _FEWEST):
            if few[value] != 0.0:
                others[3] += few[value] * value * value
                others[5], others[6] = min(others[5], value), max(others[6], value)
                histogram[gene, value] += few[value]
                few[0] += few[value]
        statistics[gene, bins.SQUARES] += others[3]
        statistics[gene, bins.NONZERO_WEIGHT] += few[0]
        extremes[gene] = others[5:8]


@compiled
def share(weight, shares, across, line, linear):
    """Write the proportions of the nodes of a cell, times its weight."""
    node = np.uintp(0)
    for along in range(shares.shape[1]):
        for beside in range(across.shape[1]):
            linear[node] = weight * shares[line, along] * across[line, beside]
            node += np.uintp(1)


@compiled
def add_row(data, least, indices, first, last, linear, weight, unit, counting, held, histogram, statistics):
    """Add the values of a row to the sums of their genes; a separate function, so that its operands stay in registers.

    `held` contains, for each gene: sums of values times `linear` (shares, weight, scaled weight, weight times offset,
    1); sums of squares times scaled weight and 1; the number of nonzero values; sums of squares times weight and of
    weighted minimum losses; the smallest, the largest, and the largest scaled value; the weights of nonzero values and
    of counts from 1 to 31. If values are counted, such counts are part of no other weights, squares times weight and
    extremes.
    """
    n, with_least, scaled = np.uintp(len(linear)), len(least) > 0, weight * unit * unit
    one, two, three, four = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4)
    least_of_all, most, most_scaled, few = np.uintp(5), np.uintp(6), np.uintp(7), n + np.uintp(_N_OTHER)
    for at in range(first, last):
        gene, value = np.uintp(indices[at]), np.float64(data[at])
        square, found = value * value, 1.0 if value != 0.0 else 0.0
        held[gene, n] += scaled * square
        held[gene, n + one] += square
        held[gene, n + two] += found
        if value * unit > held[gene, n + most_scaled]:
            held[gene, n + most_scaled] = value * unit
        if with_least:
            held[gene, n + four] += weight * least[at]
        if counting and 0.0 < value < _FEWEST and np.float64(np.int32(value)) == value:
            held[gene, few + np.uintp(np.int32(value))] += weight
        else:
            held[gene, n + three] += weight * square
            held[gene, few] += weight * found
            if value < held[gene, n + least_of_all]:
                held[gene, n + least_of_all] = value
            if value > held[gene, n + most]:
                held[gene, n + most] = value
            if counting and value != 0.0:
                count(value, weight, histogram, statistics, gene)
        for node in range(n):
            held[gene, node] += value * linear[node]


@compiled
def tabulate_columns(
    data, least, indices, indptr, columns, lines, starts, shares, across, weights, units, offsets, of_all, table, squares,
    histogram, statistics, extremes,
):  # fmt: skip
    """Sum the given columns of CSC expression, one per gene."""
    with_squares, n_across = squares.shape[0] > 0, np.uintp(across.shape[1])
    counting, with_least = histogram.shape[0] > 0, len(least) > 0
    for gene in columns:
        for at in range(indptr[gene], indptr[gene + 1]):
            line, value = lines[indices[at]], np.float64(data[at])
            if of_all:
                statistics[gene, bins.TOTAL] += value
                statistics[gene, bins.TOTAL_SQUARES] += value * value
            if line < 0:
                continue
            start, weight = np.uintp(starts[line]), weights[line]
            for along in range(np.uintp(shares.shape[1])):
                own = weight * value * shares[line, along]
                for beside in range(n_across):
                    table[gene, start + along * n_across + beside] += own * across[line, beside]
                    if with_squares:
                        squares[gene, start + along * n_across + beside] += own * value * across[line, beside]
            take_note(
                value, least[at] if with_least else 0.0, weight, units[line], offsets[line], statistics, extremes, gene
            )
            if counting and value != 0.0:
                count(value, weight, histogram, statistics, gene)


@compiled
def take_note(value, least, weight, unit, offset, statistics, extremes, gene):
    """Add one value to the statistics and extremes of its gene."""
    weighted, scaled = weight * value, value * unit
    statistics[gene, bins.SUM] += weighted
    statistics[gene, bins.SQUARES] += weighted * value
    statistics[gene, bins.SCALED_SUM] += weight * scaled
    statistics[gene, bins.SCALED_SQUARES] += weight * scaled * scaled
    found = 1.0 if value != 0.0 else 0.0
    statistics[gene, bins.N_NONZERO] += found
    statistics[gene, bins.NONZERO_WEIGHT] += weight * found
    statistics[gene, bins.LEAST_LOSS] += weight * least
    statistics[gene, bins.OFFSET_SUM] += weighted * offset
    extremes[gene, bins.LEAST] = min(extremes[gene, bins.LEAST], value)
    extremes[gene, bins.MOST] = max(extremes[gene, bins.MOST], value)
    extremes[gene, bins.MOST_SCALED] = max(extremes[gene, bins.MOST_SCALED], scaled)


@compiled
def count(value, weight, histogram, statistics, gene):
    """Add one nonzero value to the histogram of its gene; a value that is not a count is recorded in `statistics`.

    Above `N_SMALL`, a value is distributed over the four nearest nodes of a logarithmic scale by the weights of cubic
    interpolation, which preserves sums over the values of any smooth function of the logarithm.
    """
    if 0.0 < value < bins.N_SMALL:
        small = np.int32(value)
        if np.float64(small) == value:
            histogram[gene, np.uintp(small)] += weight
            return
    if not 0.0 < value < bins.LARGEST or value != np.floor(value):
        statistics[gene, bins.N_NOT_COUNTS] += 1.0
        return
    x = bins.PER_OCTAVE * np.log2(value / bins.N_SMALL)
    first = max(int(x) - 1, 0)
    x -= first
    histogram[gene, bins.N_SMALL + first] += weight * (x - 1) * (x - 2) * (x - 3) / -6
    histogram[gene, bins.N_SMALL + first + 1] += weight * x * (x - 2) * (x - 3) / 2
    histogram[gene, bins.N_SMALL + first + 2] += weight * x * (x - 1) * (x - 3) / -2
    histogram[gene, bins.N_SMALL + first + 3] += weight * x * (x - 1) * (x - 2) / 6


@compiled
def look_up(values, table, found):
    """Write the table entry of each value; return whether all values are integers within the table."""
    for at in range(len(values)):
        value = np.float64(values[at])
        if not 0.0 <= value < len(table):
            return False
        whole = np.int32(value)
        if np.float64(whole) != value:
            return False
        found[at] = table[np.uintp(whole)]
    return True


@compiled
def put(sums, width, start, table):
    """Add the first `width` sums of each gene to the nodes from `start` on, and reset them to 0."""
    for gene in range(sums.shape[0]):
        for node in range(width):
            table[gene, start + node] += sums[gene, node]
            sums[gene, node] = 0.0
