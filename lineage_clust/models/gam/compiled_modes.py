"""Vectors along the eigenvectors of many small symmetric matrices, compiled by numba; see `significance` for who calls it.

Eigenvectors are never formed: the rotations are applied to one vector, which leaves a third of the
work.
"""

from __future__ import annotations

import numpy as np

from ...utils.compiling import compiled

_MOST_STEPS = 60  # an eigenvalue takes two or three
_PRECISION = float(np.finfo(np.float64).eps)


@compiled
def project(matrices, vectors, values, scores):
    """Write eigenvalues, largest first, and the vectors' components along the eigenvectors, whose signs are arbitrary.

    `matrices` `(n_matrices, n, n)` symmetric, of which the lower half is read, the other arrays `(n_matrices, n)`. Returns
    whether all converged.

    References
    ----------
    Golub & Van Loan (2013). Matrix Computations, 4th ed., algorithms 8.3.1 (tridiagonalisation) and 8.3.3 (implicit QR).
    """
    n_matrices, n = vectors.shape
    matrix, beside = np.empty((n, n)), np.zeros(n)
    for gene in range(n_matrices):
        size = np.trace(matrices[gene])
        if not size > 0.0:
            size = 1.0
        for line in range(n):
            scores[gene, line] = vectors[gene, line]
            for other in range(line + 1):
                matrix[line, other] = matrices[gene, line, other] / size  # squares of very small numbers would vanish
        make_tridiagonal(matrix, scores[gene], values[gene], beside)
        if not make_diagonal(values[gene], beside, scores[gene]):
            return False
        for line in range(n):
            values[gene, line] *= size
        put_in_order(values[gene], scores[gene])
    return True


@compiled
def make_tridiagonal(matrix, vector, diagonal, beside):
    """Reflect a matrix to one of a diagonal and a subdiagonal, and the vector with it."""
    n = len(vector)
    normal, image = np.zeros(n), np.zeros(n)
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
        along = half = 0.0
        for line in range(first, n):
            own, own_image = normal[line], 0.0
            along += own * vector[line]
            for other in range(first, line):
                own_image += matrix[line, other] * normal[other]
                image[other] += matrix[line, other] * own
            image[line] = own_image + matrix[line, line] * own
        for line in range(first, n):
            image[line] *= factor
            half += image[line] * normal[line]
        half, along = half * factor * 0.5, along * factor
        for line in range(first, n):
            image[line] -= half * normal[line]
            vector[line] -= along * normal[line]
            own, own_image = normal[line], image[line]
            for other in range(first, line + 1):
                matrix[line, other] -= own * image[other] + own_image * normal[other]
    for line in range(n):
        diagonal[line] = matrix[line, line]


@compiled
def make_diagonal(diagonal, beside, vector):
    """Rotate a tridiagonal matrix, and the vector with it, until it is diagonal; return whether that succeeded."""
    n = len(diagonal)
    for first in range(n - 1):
        for n_steps in range(_MOST_STEPS + 1):
            last = first  # up to which line the matrix holds together
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
    """Do one implicit QL step with Wilkinson's shift on the lines from `first` to `last`."""
    ratio = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first])
    length = np.sqrt(ratio * ratio + 1.0)
    bulge = diagonal[last] - diagonal[first] + beside[first] / (ratio + (length if ratio >= 0.0 else -length))
    sine, cosine, moved = 1.0, 1.0, 0.0
    for line in range(last - 1, first - 1, -1):
        across, along = sine * beside[line], cosine * beside[line]
        length = np.sqrt(across * across + bulge * bulge)
        beside[line + 1] = length
        base = diagonal[line + 1] - moved
        if length == 0.0:  # it falls apart here, and is left as it is
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
    """Sort eigenvalues, largest first, and the vector with them."""
    for place in range(1, len(values)):
        value, component = values[place], vector[place]
        before = place - 1
        while before >= 0 and values[before] < value:
            values[before + 1], vector[before + 1] = values[before], vector[before]
            before -= 1
        values[before + 1], vector[before + 1] = value, component
