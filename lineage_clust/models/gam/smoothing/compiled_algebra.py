"""Factors, triangular solves and eigenvalues of small matrices, inside compiled loops."""

from __future__ import annotations

import numpy as np

from ....utils.compiling import compiled

_MOST_STEPS = 60  # usually two or three per eigenvalue
_PRECISION = float(np.finfo(np.float64).eps)


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


@compiled
def project(matrices, vectors, values, scores):
    """Write decreasing eigenvalues, and the components of vectors along the eigenvectors, whose signs are arbitrary.

    Only lower triangles are read. The rotations are applied to one vector and the eigenvectors are never formed, which takes
    a third of the time of a full eigendecomposition. Returns whether all converged. See Golub & Van Loan (2013), Matrix
    Computations, algorithms 8.3.1 (tridiagonalisation) and 8.3.3 (implicit QR).
    """
    n_matrices, n = vectors.shape
    matrix, beside = np.empty((n, n)), np.zeros(n)
    for gene in range(n_matrices):
        size = np.trace(matrices[gene])
        if not size > 0.0:
            size = 1.0
        scores[gene] = vectors[gene]
        matrix[:] = matrices[gene] / size  # avoids underflow of squares
        make_tridiagonal(matrix, scores[gene].reshape((-1, 1)), values[gene], beside)
        if not make_diagonal(values[gene], beside, scores[gene]):
            return False
        values[gene] *= size
        put_in_order(values[gene], scores[gene])
    return True


@compiled
def make_tridiagonal(matrix, rows, diagonal, beside):
    """Reduce a symmetric matrix, of which the lower triangle is overwritten, to tridiagonal form by Householder reflections.

    They are also applied to `rows` `(n, width)`.
    """
    n, width = rows.shape
    normal, image, along = np.zeros(n), np.zeros(n), np.zeros(width)
    for first in range(1, n):
        rest = 0.0
        for line in range(first, n):
            normal[line], image[line] = matrix[line, first - 1], 0.0
            if line > first:
                rest += normal[line] * normal[line]
        leading = normal[first]
        beside[first - 1] = leading
        if not rest > 0.0:
            continue
        length = np.sqrt(leading * leading + rest)
        beside[first - 1] = -length if leading > 0.0 else length
        normal[first] = leading - beside[first - 1]
        factor = 2.0 / (rest + normal[first] * normal[first])
        along[:] = 0.0
        half = 0.0
        for line in range(first, n):
            own, own_image = normal[line], 0.0
            for column in range(width):
                along[column] += own * rows[line, column]
            for other in range(first, line):
                own_image += matrix[line, other] * normal[other]
                image[other] += matrix[line, other] * own
            image[line] = own_image + matrix[line, line] * own
        for line in range(first, n):
            image[line] *= factor
            half += image[line] * normal[line]
        half *= factor * 0.5
        for line in range(first, n):
            image[line] -= half * normal[line]
            own, own_image, scaled = normal[line], image[line], factor * normal[line]
            for column in range(width):
                rows[line, column] -= scaled * along[column]
            for other in range(first, line + 1):
                matrix[line, other] -= own * image[other] + own_image * normal[other]
    for line in range(n):
        diagonal[line] = matrix[line, line]


@compiled
def make_diagonal(diagonal, beside, vector):
    """Diagonalise a tridiagonal matrix, and apply the rotations to the vector; return whether that converged."""
    n = len(diagonal)
    for first in range(n - 1):
        for n_steps in range(_MOST_STEPS + 1):
            last = first  # end of the unreduced block that starts at `first`
            while last < n - 1:
                if abs(beside[last]) <= _PRECISION * (abs(diagonal[last]) + abs(diagonal[last + 1])):
                    break
                last += 1
            if last == first:
                break
            if n_steps == _MOST_STEPS:
                return False
            step_back(diagonal, beside, vector, first, last)
    return True


@compiled
def step_back(diagonal, beside, vector, first, last):
    """Perform one implicit QL step with Wilkinson's shift on the rows from `first` to `last`."""
    ratio = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first])
    length = np.sqrt(ratio * ratio + 1.0)
    bulge = diagonal[last] - diagonal[first] + beside[first] / (ratio + (length if ratio >= 0.0 else -length))
    sine, cosine, moved = 1.0, 1.0, 0.0
    for line in range(last - 1, first - 1, -1):
        across, along = sine * beside[line], cosine * beside[line]
        length = np.sqrt(across * across + bulge * bulge)
        beside[line + 1] = length
        base = diagonal[line + 1] - moved
        if length == 0.0:  # the matrix splits here
            diagonal[line + 1], beside[last] = base, 0.0
            return
        inverse = 1.0 / length
        sine, cosine = across * inverse, bulge * inverse
        turned = (diagonal[line] - base) * sine + 2.0 * cosine * along
        moved = sine * turned
        diagonal[line + 1] = base + moved
        bulge = cosine * turned - along
        upper, lower = vector[line], vector[line + 1]
        vector[line + 1], vector[line] = sine * upper + cosine * lower, cosine * upper - sine * lower
    diagonal[first] -= moved
    beside[first], beside[last] = bulge, 0.0


@compiled
def put_in_order(values, vector):
    """Sort eigenvalues in decreasing order, and the components accordingly."""
    for at in range(1, len(values)):
        value, component = values[at], vector[at]
        before = at - 1
        while before >= 0 and values[before] < value:
            values[before + 1], vector[before + 1] = values[before], vector[before]
            before -= 1
        values[before + 1], vector[before + 1] = value, component
