"""Cholesky factors and triangular solves of small matrices, inside compiled loops."""

from __future__ import annotations

import numpy as np

from ....utils.compiling import compiled


@compiled
def root(matrix, lower):
    """Write a lower triangular root of a positive semi-definite matrix."""
    n = len(matrix)
    lower[:] = 0.0
    for row in range(n):
        for column in range(row + 1):
            entry = matrix[row, column]
            for before in range(column):
                entry -= lower[row, before] * lower[column, before]
            if row == column:
                lower[row, row] = np.sqrt(entry) if entry > 1e-14 * matrix[row, row] else 0.0
            elif lower[column, column] > 0.0:
                lower[row, column] = entry / lower[column, column]


@compiled
def decompose(matrix):
    """Replace a lower triangle by its Cholesky factor, with reciprocals on the diagonal; return the log determinant."""
    n, logs, product = np.uintp(len(matrix)), 0.0, 1.0
    for row in range(n):
        whole = matrix[row, row]
        left = whole
        for column in range(row):
            entry = matrix[row, column]
            for before in range(column):
                entry -= matrix[row, before] * matrix[column, before]
            entry *= matrix[column, column]
            matrix[row, column] = entry
            left -= entry * entry
        left = max(left, 1e-14 * abs(whole) + 1e-290)
        product *= left
        if not 1e-200 < product < 1e200:
            logs, product = logs + np.log(product), 1.0
        matrix[row, row] = 1.0 / np.sqrt(left)
    return logs + np.log(product)


@compiled
def forward(factor, right):
    """Solve `factor @ x = right` in place, for right-hand sides `(n, m)`."""
    n, m = np.uintp(len(right)), np.uintp(right.shape[1])
    for row in range(n):
        for before in range(row):
            entry = factor[row, before]
            for column in range(m):
                right[row, column] -= entry * right[before, column]
        inverse = factor[row, row]
        for column in range(m):
            right[row, column] *= inverse


@compiled
def backward(factor, right):
    """Solve `factor.T @ x = right` in place, for a right-hand side `(n,)`."""
    n = np.uintp(len(right))
    for back in range(n):
        row = n - np.uintp(1) - back
        entry = right[row]
        for after in range(row + np.uintp(1), n):
            entry -= factor[after, row] * right[after]
        right[row] = entry * factor[row, row]
