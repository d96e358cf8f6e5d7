"""Vectors along the eigenvectors of many small symmetric matrices, compiled by numba; see `significance` for who calls it.

Eigenvectors themselves are never made: what they would be turned by is applied to one vector, which leaves a third of the
work.
"""

from __future__ import annotations

import numpy as np

from ...utils.compiling import compiled

_MOST_STEPS = 60  # an eigenvalue takes two or three


@compiled
def project(matrices, vectors, values, scores):
    """Write eigenvalues, largest first, and the vectors' components along the eigenvectors, whose signs are arbitrary.

    `matrices` `(n_matrices, n, n)` symmetric, the other arrays `(n_matrices, n)`. Returns how many did not converge.

    References
    ----------
    Golub & Van Loan (2013). Matrix Computations, 4th ed., algorithms 8.3.1 (tridiagonalisation) and 8.3.3 (implicit QR).
    """
    n = matrices.shape[1]
    matrix, beside = np.empty((n, n)), np.empty(n)
    n_failed = 0
    for number in range(matrices.shape[0]):
        size = np.trace(matrices[number])
        if not size > 0.0:
            size = 1.0
        matrix[:] = matrices[number] / size  # squares of very small numbers would vanish
        scores[number] = vectors[number]
        make_tridiagonal(matrix, scores[number], beside)
        for line in range(n):
            values[number, line] = matrix[line, line]
        if not make_diagonal(values[number], beside, scores[number]):
            n_failed += 1
        values[number] *= size
        put_in_order(values[number], scores[number])
    return n_failed


@compiled
def make_tridiagonal(matrix, vector, beside):
    """Reflect the matrix, in place, to one whose diagonal stays in it and whose subdiagonal is `beside`; vector likewise."""
    n = len(vector)
    normal, image = np.zeros(n), np.zeros(n)
    for column in range(n - 1):
        first = column + 1
        rest = 0.0
        for line in range(first + 1, n):
            rest += matrix[line, column] * matrix[line, column]
        leading = matrix[first, column]
        if rest == 0.0:
            beside[column] = leading
            continue
        length = np.sqrt(leading * leading + rest)
        beside[column] = -length if leading > 0 else length
        for line in range(first, n):
            normal[line], image[line] = matrix[line, column], 0.0
        normal[first] -= beside[column]
        factor = 2.0 / (rest + normal[first] * normal[first])
        along = 0.0
        for line in range(first, n):
            own = normal[line]
            along += own * vector[line]
            for other in range(first, n):
                image[other] += own * matrix[line, other]
        half = 0.0
        for line in range(first, n):
            image[line] *= factor
            half += image[line] * normal[line]
        half *= 0.5 * factor
        for line in range(first, n):
            image[line] -= half * normal[line]
            vector[line] -= factor * along * normal[line]
        for line in range(first, n):
            own, own_image = normal[line], image[line]
            for other in range(first, n):
                matrix[line, other] -= own * image[other] + own_image * normal[other]


@compiled
def make_diagonal(diagonal, beside, vector):
    """Rotate a tridiagonal matrix, and the vector with it, until it is diagonal; return whether that succeeded."""
    n = len(diagonal)
    precision = np.finfo(np.float64).eps
    for first in range(n):
        n_steps = 0
        while True:
            last = first
            while last < n - 1:
                if abs(beside[last]) <= precision * (abs(diagonal[last]) + abs(diagonal[last + 1])):
                    break
                last += 1
            if last == first:
                break
            if n_steps == _MOST_STEPS:
                return False
            n_steps += 1
            step_back(diagonal, beside, vector, first, last)
    return True


@compiled
def step_back(diagonal, beside, vector, first, last):
    """Do one implicit QL step with Wilkinson's shift on the lines from `first` to `last`."""
    ratio = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first])
    root = np.sqrt(ratio * ratio + 1.0)
    bulge = diagonal[last] - diagonal[first] + beside[first] / (ratio + (root if ratio >= 0 else -root))
    sine, cosine, moved = 1.0, 1.0, 0.0
    for line in range(last - 1, first - 1, -1):
        across, along = sine * beside[line], cosine * beside[line]
        length = np.sqrt(across * across + bulge * bulge)
        beside[line + 1] = length
        if length == 0.0:  # the matrix falls apart here
            diagonal[line + 1] -= moved
            beside[last] = 0.0
            return
        sine, cosine = across / length, bulge / length
        bulge = diagonal[line + 1] - moved
        turned = (diagonal[line] - bulge) * sine + 2.0 * cosine * along
        moved = sine * turned
        diagonal[line + 1] = bulge + moved
        bulge = cosine * turned - along
        upper, lower = vector[line], vector[line + 1]
        vector[line + 1] = sine * upper + cosine * lower
        vector[line] = cosine * upper - sine * lower
    diagonal[first] -= moved
    beside[first], beside[last] = bulge, 0.0


@compiled
def put_in_order(values, vector):
    """Sort eigenvalues, largest first, and the vector with them."""
    for place in range(1, len(values)):
        value, component = values[place], vector[place]
        before = place - 1
        while before >= 0 and values[before] < value:
            values[before + 1], vector[before + 1] = values[before], vector[before]
            before -= 1
        values[before + 1], vector[before + 1] = value, component
