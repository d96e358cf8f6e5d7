"""Vectors along the eigenvectors of many small symmetric matrices, compiled by numba; see `significance` for who calls it.

Eigenvectors themselves are never made: what they would be turned by is applied to one vector, which leaves a third of the
work. Eight matrices go through the same steps at once, one in each lane; one that is done before the others stays as it is.
"""

from __future__ import annotations

import numpy as np

from ...utils.compiling import compiled
from ...utils.lanes import N_LANES, choose, holds_anywhere, line_up, load, magnitude, root, spread, store

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
    matrix, vector, sizes = line_up(n * n), line_up(n), np.ones(N_LANES)
    diagonal, beside = line_up(n), line_up(n)
    for first in range(0, n_matrices, N_LANES):
        n_here = min(N_LANES, n_matrices - first)
        for lane in range(n_here):
            size = np.trace(matrices[first + lane])
            sizes[lane] = size if size > 0.0 else 1.0  # squares of very small numbers would vanish
            for line in range(n):
                vector[line, lane] = vectors[first + lane, line]
                for other in range(line + 1):
                    matrix[line * n + other, lane] = matrices[first + lane, line, other] / sizes[lane]
        make_tridiagonal(matrix, vector, diagonal, beside)
        if not make_diagonal(diagonal, beside, vector):
            return False
        for lane in range(n_here):
            for line in range(n):
                values[first + lane, line] = diagonal[line, lane] * sizes[lane]
                scores[first + lane, line] = vector[line, lane]
            put_in_order(values[first + lane], scores[first + lane])
    return True


@compiled
def make_tridiagonal(matrix, vector, diagonal, beside):
    """Reflect matrices `(n * n, 8)` to ones of a diagonal and a subdiagonal `(n, 8)` each; the vectors `(n, 8)` likewise."""
    n = len(vector)
    normal, image = line_up(n), line_up(n)
    nothing, one = spread(0.0), spread(1.0)
    for column in range(n - 1):
        first = column + 1
        rest = nothing
        for line in range(first + 1, n):
            below = load(matrix, line * n + column)
            rest = rest + below * below
        leading = load(matrix, first * n + column)
        reflected = rest > nothing
        length = root(leading * leading + rest)
        length = choose(reflected, choose(leading > nothing, nothing - length, length), leading)
        store(beside, column, length)
        for line in range(first, n):
            store(normal, line, load(matrix, line * n + column))
            store(image, line, nothing)
        leading = leading - length
        store(normal, first, leading)
        factor = choose(reflected, spread(2.0) / choose(reflected, rest + leading * leading, one), nothing)
        along, half = nothing, nothing
        for line in range(first, n):
            own, own_image = load(normal, line), load(image, line)
            along = along + own * load(vector, line)
            for other in range(first, line):
                entry = load(matrix, line * n + other)
                own_image = own_image + entry * load(normal, other)
                store(image, other, load(image, other) + entry * own)
            store(image, line, own_image + load(matrix, line * n + line) * own)
        for line in range(first, n):
            own_image = factor * load(image, line)
            store(image, line, own_image)
            half = half + own_image * load(normal, line)
        half, along = half * factor * spread(0.5), along * factor
        for line in range(first, n):
            own = load(normal, line)
            store(image, line, load(image, line) - half * own)
            store(vector, line, load(vector, line) - along * own)
        for line in range(first, n):
            own, own_image = load(normal, line), load(image, line)
            for other in range(first, line + 1):
                entry = load(matrix, line * n + other)
                store(matrix, line * n + other, entry - own * load(image, other) - own_image * load(normal, other))
    for line in range(n):
        store(diagonal, line, load(matrix, line * n + line))


@compiled
def make_diagonal(diagonal, beside, vector):
    """Rotate tridiagonal matrices, and the vectors with them, until they are diagonal; return whether that succeeded."""
    n = len(diagonal)
    precision = spread(_PRECISION)
    for first in range(n - 1):
        n_steps = 0
        while True:
            # up to which line each matrix holds together, and what its diagonal is there
            last, ending, following = spread(n - 1), load(diagonal, n - 1), load(diagonal, n - 1)
            for line in range(n - 2, first - 1, -1):
                here = load(diagonal, line)
                apart = magnitude(load(beside, line)) <= precision * (magnitude(here) + magnitude(following))
                last, ending = choose(apart, spread(line), last), choose(apart, here, ending)
                following = here
            if not holds_anywhere(last > spread(first)):
                break
            if n_steps == _MOST_STEPS:
                return False
            n_steps += 1
            step_back(diagonal, beside, vector, first, last, ending)
    return True


@compiled
def step_back(diagonal, beside, vector, first, last, ending):
    """Do one implicit QL step with Wilkinson's shift on the lines from `first` to `last`, whose diagonal is `ending`."""
    nothing, one, two = spread(0.0), spread(1.0), spread(2.0)
    going = last > spread(first)
    start, next_to = load(diagonal, first), choose(going, load(beside, first), one)
    ratio = (load(diagonal, first + 1) - start) / (two * next_to)
    length = root(ratio * ratio + one)
    bulge = ending - start + next_to / (ratio + choose(ratio >= nothing, length, nothing - length))
    sine, cosine, moved = one, one, nothing
    lower, below = load(vector, len(diagonal) - 1), load(diagonal, len(diagonal) - 1)
    for line in range(len(diagonal) - 2, first - 1, -1):
        upper, own, side = load(vector, line), load(diagonal, line), load(beside, line)
        here = going & (spread(line) < last)
        across, along = sine * side, cosine * side
        length = root(across * across + bulge * bulge)
        turns = here & (length > nothing)
        inverse = one / choose(turns, length, one)
        new_sine, new_cosine = choose(turns, across * inverse, nothing), choose(turns, bulge * inverse, one)
        base = below - choose(here, moved, nothing)
        turned = (own - base) * new_sine + two * new_cosine * along
        new_moved = new_sine * turned
        old = load(beside, line + 1)
        store(beside, line + 1, choose(here, choose(spread(line + 1) == last, nothing, length), old))
        store(diagonal, line + 1, base + new_moved)
        store(vector, line + 1, new_sine * upper + new_cosine * lower)
        lower = new_cosine * upper - new_sine * lower
        bulge = choose(turns, new_cosine * turned - along, bulge)
        sine, cosine = choose(turns, new_sine, sine), choose(turns, new_cosine, cosine)
        moved = choose(turns, new_moved, moved)
        last = choose(here & (length == nothing), spread(-1.0), last)  # it falls apart here, and is left as it is
        going = last > spread(first)
        below = own
    store(vector, first, lower)
    store(diagonal, first, load(diagonal, first) - choose(going, moved, nothing))
    store(beside, first, choose(going, bulge, load(beside, first)))


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
