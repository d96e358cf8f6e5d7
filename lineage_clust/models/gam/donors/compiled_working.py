"""Iterations of count models with donors as replicates, one gene at a time, compiled by numba.

Called by `working.py`, which describes the model and performs the same iterations by NumPy for other families. The data of
one gene fit into the cache of the processor. Places are nodes that differ only in their offsets.
"""

from __future__ import annotations

import numpy as np

from ....utils.compiling import compiled
from ..pirls.compiled import gamma_sums, newton
from ..smoothing.compiled_algebra import backward, decompose, forward, root
from .compiled_steps import Point, distance, logarithms, loss_of, raise_each, share_of
from .working import HIGHEST_PENALTY, LONG, SLOW

_RIDGE = 1e-9  # relative


@compiled
def iterate_each(problem, state, penalties, covariances, histograms, count, still):
    """Iterate each gene until its linear predictor changes by at most `still`, at most `count` times, in place.

    `penalties` `(n_genes, n_fixed)` are diagonals, and `histograms` tails, bins and values of a `Histogram`, without genes if
    theta is known.
    """
    places, nodes, bases = problem
    sums, theta, coefficients, deviations, information, moved = state
    curve, slots, curves, random, squared = bases
    tails, bins, bin_values = histograms
    sized = len(tails) > 0
    n_offsets, n_places = nodes.exposures.shape
    n_donors, (n_curves, n_columns, n_fixed), n_random = len(curve), curves.shape, random.shape[1]
    values, logs = np.zeros((n_offsets, n_places)), np.zeros(n_places)
    working, residual, height = np.zeros(n_places), np.zeros(n_places), np.zeros(n_places)
    step, level = np.zeros(n_places), np.zeros(n_places)
    plain, width = np.zeros((n_columns, n_donors, n_columns + 1)), n_columns + 1
    lower, turned = np.zeros((n_random, n_random)), np.zeros((width, n_random))
    half, inner = np.zeros((n_random, n_donors * width)), np.zeros((n_random * n_donors, n_random))
    rows, factors = np.zeros((n_donors, n_random, n_columns + 1)), np.zeros((n_donors, n_random, n_random))
    gram, right = np.zeros((n_fixed, n_fixed)), np.zeros(n_fixed)
    rest, left, splines = np.zeros((n_columns, width)), np.zeros((n_donors, n_random)), np.zeros(width)
    diagonal = np.zeros(n_fixed)
    for gene in range(len(sums)):
        arrange(sums[gene], values)
        rise(places, bases, coefficients[gene], deviations[gene], height)
        raise_each(height, level)
        root(covariances[gene], lower)
        np.dot(random, lower, turned[:n_columns])
        moved[gene] = np.inf
        for _ in range(count):
            at_places(level, nodes, values, theta[gene], working, residual)
            gather(places, working, residual, height, plain)
            np.dot(turned[:n_columns].T, plain.reshape(n_columns, n_donors * width), half)
            np.dot(half.reshape(n_random * n_donors, width), turned, inner)
            for donor in range(n_donors):
                at, factor = rows[slots[donor]], factors[donor]
                for row in range(n_random):
                    for column in range(row + 1):
                        factor[row, column] = inner[row * n_donors + donor, column]
                    factor[row, row] += 1.0
                at[:] = half[:, donor * width : (donor + 1) * width]
                decompose(factor)
                forward(factor, at)
            gram[:], right[:] = 0.0, 0.0
            determined, first = 0.0, 0
            for own_curve in range(n_curves):
                rest[:] = 0.0
                last = first
                for donor in range(n_donors):
                    if curve[donor] == own_curve:
                        last += 1
                        rest += plain[:, donor]
                for row in range(n_columns):
                    for column in range(n_columns):
                        determined += rest[row, column] * squared[own_curve, row, column]
                at = rows[first:last].reshape((last - first) * n_random, width)
                rest -= np.dot(at.T, at)[:n_columns]
                basis, first = curves[own_curve], last
                of_basis = np.dot(basis.T, rest)
                gram += np.dot(np.ascontiguousarray(of_basis[:, :n_columns]), basis)
                right += of_basis[:, n_columns]
            determined /= n_fixed
            for mode in range(n_fixed):
                diagonal[mode] = min(penalties[gene, mode], HIGHEST_PENALTY * determined) + _RIDGE * determined + 1e-300
                gram[mode, mode] += diagonal[mode]
            decompose(gram)
            forward(gram, right.reshape(n_fixed, 1))
            backward(gram, right)
            first = 0
            for own_curve in range(n_curves):
                splines[:n_columns] = -np.dot(curves[own_curve], right)
                splines[n_columns] = 1.0
                last = first + np.sum(curve == own_curve)
                at = rows[first:last].reshape((last - first) * n_random, width)
                left[first:last] = np.dot(at, splines).reshape(last - first, n_random)
                first = last
            for donor in range(n_donors):
                backward(factors[donor], left[slots[donor]])
            change, of_donors = right - coefficients[gene], np.dot(left, lower.T)[slots] - deviations[gene]
            rise(places, bases, change, of_donors, step)
            farthest = np.max(np.abs(step))
            share = 1.0 if np.isfinite(farthest) else np.nan
            if share == 1.0 and (farthest > LONG or farthest > SLOW * moved[gene]):
                share = share_of(
                    nodes, values, theta[gene], Point(height, coefficients[gene], deviations[gene]),
                    Point(step, change, of_donors), diagonal, covariances[gene],
                )  # fmt: skip
                farthest = distance(height, step)
            moved[gene] = farthest
            coefficients[gene] += share * change
            deviations[gene] += share * of_donors
            height += share * step
            raise_each(height, level)
            if sized:
                first_sum, second_sum = size_sums(level, nodes, values, theta[gene], logs)
                gamma_first, gamma_second = gamma_sums(tails[gene], bins[gene], bin_values, theta[gene])
                first_sum = gamma_first + nodes.total * (np.log(theta[gene]) + 1.0) - first_sum
                second_sum = gamma_second + nodes.total / theta[gene] + second_sum
                theta[gene], information[gene] = newton(theta[gene], first_sum, second_sum)
            if not farthest > still:
                break


@compiled
def sums_each(problem, state, gram, products, cross, donor_grams, donor_products):
    """Write the sums of the working linear models of each gene: those of DonorSums, without a last axis of length 1."""
    places, nodes, bases = problem
    curve, curves, random = bases.curve, bases.curves, bases.random
    n_donors, (n_columns, n_random), n_places = len(curve), random.shape, nodes.exposures.shape[1]
    working, residual, height, level = np.zeros(n_places), np.zeros(n_places), np.zeros(n_places), np.zeros(n_places)
    values, width = np.zeros(nodes.exposures.shape), n_columns + 1
    plain, total = np.zeros((n_columns, n_donors, width)), np.zeros((n_columns, width))
    half, padded = np.zeros((n_random, n_donors * width)), np.zeros((width, n_random + curves.shape[2]))
    for gene in range(len(state.sums)):
        arrange(state.sums[gene], values)
        rise(places, bases, state.coefficients[gene], state.deviations[gene], height)
        raise_each(height, level)
        at_places(level, nodes, values, state.theta[gene], working, residual)
        gather(places, working, residual, height, plain)
        np.dot(random.T, plain.reshape(n_columns, n_donors * width), half)
        for number in range(len(curves)):
            basis = curves[number]
            padded[:n_columns, :n_random], padded[:n_columns, n_random:] = random, basis
            across = np.dot(half.reshape(n_random * n_donors, width), padded)
            total[:] = 0.0
            for donor in range(n_donors):
                if curve[donor] == number:
                    for row in range(n_random):
                        own = across[row * n_donors + donor]
                        donor_grams[gene, donor, row], cross[gene, donor, row] = own[:n_random], own[n_random:]
                        donor_products[gene, donor, row] = half[row, donor * width + n_columns]
                    total += plain[:, donor]
            of_basis = np.dot(basis.T, total)
            gram[gene] += np.dot(np.ascontiguousarray(of_basis[:, :n_columns]), basis)
            products[gene] += of_basis[:, n_columns]


@compiled
def losses_each(problem, sums, theta, coefficients, losses):
    """Write the losses of each gene at its population curve, and at a constant level, `(2, n_genes)`; see `Family.loss`."""
    places, nodes, bases = problem
    n_offsets, n_places = nodes.exposures.shape
    height, mean = np.zeros(n_places), np.zeros(n_places)
    values, logs = np.zeros(nodes.exposures.shape), np.zeros(n_places)
    none, offsets = np.zeros((len(bases.curve), bases.random.shape[1])), nodes.offsets.reshape(nodes.offsets.size)
    weights = np.zeros(n_places)
    for offset in range(n_offsets):
        weights += nodes.weights[offset]
    weights /= np.sum(weights)
    for gene in range(len(sums)):
        arrange(sums[gene], values)
        rise(places, bases, coefficients[gene], none, height)
        of_offsets = np.dot(values.reshape(values.size), offsets)
        for number in range(2):
            if number == 1:
                height[:] = np.dot(weights, height)
            raise_each(height, mean)
            losses[number, gene] = loss_of(height, mean, nodes.exposures, nodes.weights, values, theta[gene], logs)
            losses[number, gene] -= 2.0 * of_offsets


@compiled
def arrange(sums, values):
    """Copy sums at the nodes to `(n_offsets, n_places)`, so that loops over places are vectorised."""
    n_offsets, n_places = np.uintp(values.shape[0]), np.uintp(values.shape[1])
    for place in range(n_places):
        for offset in range(n_offsets):
            values[offset, place] = sums[place * n_offsets + offset]


@compiled
def at_places(level, nodes, sums, theta, working, residual):
    """Write working weights and residuals of the places, summed over their nodes."""
    exposures, weights, unit = nodes.exposures, nodes.weights, nodes.unit
    n_places, known = np.uintp(len(level)), theta == np.inf
    working[:], residual[:] = 0.0, 0.0
    for offset in range(np.uintp(len(sums))):
        for place in range(n_places):
            mu, weight = level[place] * exposures[offset, place], weights[offset, place]
            precision = 1.0 / unit if known else theta / ((theta + mu) * unit)
            # interpolation may give a node with few cells a negative weight, and the information would not be positive
            working[place] += max(weight, 0.0) * precision * mu
            residual[place] += precision * (sums[offset, place] - weight * mu)


@compiled
def size_sums(level, nodes, sums, theta, whole):
    """Return two sums over the nodes for the likelihood of theta, see :func:`.pirls.compiled.at_nodes`."""
    exposures, weights = nodes.exposures, nodes.weights
    n_places = np.uintp(len(level))
    first, second = np.zeros(n_places), np.zeros(n_places)  # vectorised, unlike sums
    for offset in range(np.uintp(len(sums))):
        for place in range(n_places):
            whole[place] = level[place] * exposures[offset, place] + theta
        for place in range(n_places):
            weight, inverse = weights[offset, place], 1.0 / whole[place]
            ratio = (sums[offset, place] + weight * theta) * inverse
            first[place] += ratio
            second[place] += (ratio - 2.0 * weight) * inverse
        logarithms(whole)
        for place in range(n_places):
            first[place] += weights[offset, place] * whole[place]
    return np.sum(first), np.sum(second)


@compiled
def gather(places, working, residual, height, plain):
    """Write `(n_columns, n_donors, n_columns + 1)`: each donor's gram matrix, and products with the working response last."""
    starts, ends, columns, _, pairs, row_of_pairs, _ = places
    width, n_wide, one = np.uintp(columns.shape[1]), np.uintp(pairs.shape[1]), np.uintp(1)
    total = np.zeros(pairs.shape[1])
    plain[:] = 0.0
    place, donor = np.uintp(0), 0
    for group in range(np.uintp(len(ends))):
        total[:] = 0.0
        for at in range(place, np.uintp(ends[group])):
            weight, row = working[at], np.uintp(row_of_pairs[at])
            fitted = weight * height[at] + residual[at]
            for pair in range(n_wide):
                total[pair] += (fitted if pair < width else weight) * pairs[row, pair]
        place = np.uintp(ends[group])
        while ends[group] > starts[donor + 1]:
            donor += 1
        pair = width
        for first in range(width):
            row = np.uintp(columns[group, first])
            plain[row, donor, np.uintp(len(plain))] += total[first]
            for second in range(first + one):
                column = np.uintp(columns[group, second])
                plain[row, donor, column] += total[pair]
                if second < first:
                    plain[column, donor, row] += total[pair]
                pair += one


@compiled
def rise(places, bases, coefficients, deviations, height):
    """Write the linear predictors of the places, of the population curve and the donors' deviations from it."""
    values, indices, n_places = places.values, places.indices, np.uintp(len(height))
    splines, at_places = np.dot(deviations, bases.random.T), np.zeros(n_places)
    for number in range(len(bases.curves)):
        of_curve = np.dot(bases.curves[number], coefficients)
        for donor in range(len(bases.curve)):
            if bases.curve[donor] == number:
                splines[donor] += of_curve
    flat = splines.reshape(splines.size)
    height[:] = 0.0
    for row in range(np.uintp(len(values))):
        for place in range(n_places):
            at_places[place] = flat[np.uintp(indices[row, place])]
        for place in range(n_places):
            height[place] += values[row, place] * at_places[place]
