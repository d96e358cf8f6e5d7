"""Iterations of count models with donors as replicates, one gene at a time, compiled by numba.

Called by `working.py`, which describes the model and performs the same iterations by NumPy for other families. The data of
one gene fit into the cache of the processor. Places are nodes that differ only in their offsets.
"""

from __future__ import annotations

import numpy as np

from ....utils.compiling import compiled
from ..pirls.compiled import gamma_sums, newton
from .compiled_cholesky import backward, decompose, forward, root
from .compiled_steps import distance, logarithms, loss_of, raise_each, share_of
from .steps import LONG, SLOW

_RIDGE = 1e-9  # relative


@compiled
def iterate_each(
    places, nodes, bases, count, still, sums, pulls, most, covariances, histograms, theta, coefficients, own,
    information, moved,
):  # fmt: skip
    """Iterate each gene until its linear predictor changes by at most `still`, at most `count` times, in place.

    places, nodes, bases : See :attr:`lineage_clust.models.gam.donors.working.WorkingProblem.compiled_arrays`.
    sums : `(n_genes, n_nodes)`.
    pulls, most : `(n_genes, n_fixed)` diagonals of the penalties, and their bound relative to the information of the cells.
    covariances : `(n_genes, n_random, n_random)`.
    histograms : Tails, bins and values of a `Histogram`; without genes if sizes are known.
    theta, coefficients, own, information, moved : As in :class:`lineage_clust.models.gam.donors.working.WorkingState`.
    """
    starts, exposures, total = places[0], nodes[0], nodes[3]
    curve, slots, curves, random, squared = bases
    tails, bins, bin_values = histograms
    sized = len(tails) > 0
    n_offsets, n_places = exposures.shape
    n_donors, (n_curves, n_columns, n_fixed), n_random = len(starts) - 1, curves.shape, random.shape[1]
    values, logs = np.zeros((n_offsets, n_places)), np.zeros(n_places)
    working, residual, height = np.zeros(n_places), np.zeros(n_places), np.zeros(n_places)
    step, level = np.zeros(n_places), np.zeros(n_places)
    plain, spline = np.zeros((n_columns, n_donors, n_columns)), np.zeros((n_donors, n_columns))
    lower, turned = np.zeros((n_random, n_random)), np.zeros((n_columns, n_random))
    half, inner = np.zeros((n_columns * n_donors, n_random)), np.zeros((n_random, n_donors * n_random))
    rows, factors = np.zeros((n_donors, n_random, n_columns + 1)), np.zeros((n_donors, n_random, n_random))
    gram, right = np.zeros((n_fixed, n_fixed)), np.zeros(n_fixed)
    rest, response = np.zeros((n_columns, n_columns)), np.zeros(n_columns)
    left, splines = np.zeros((n_donors, n_random)), np.zeros(n_columns + 1)
    diagonal = np.zeros(n_fixed)
    for gene in range(len(sums)):
        arrange(sums[gene], values)
        rise(places, bases, coefficients[gene], own[gene], height)
        raise_each(height, level)
        root(covariances[gene], lower)
        np.dot(random, lower, turned)
        moved[gene] = np.inf
        for _ in range(count):
            at_places(level, nodes, values, theta[gene], working, residual)
            gather(places, working, residual, height, plain, spline)
            np.dot(plain.reshape(n_columns * n_donors, n_columns), turned, half)
            np.dot(turned.T, half.reshape(n_columns, n_donors * n_random), inner)
            for donor in range(n_donors):
                at, factor = rows[slots[donor]], factors[donor]
                for row in range(n_random):
                    for column in range(row + 1):
                        factor[row, column] = inner[row, donor * n_random + column]
                    factor[row, row] += 1.0
                    at[row, n_columns] = 0.0
                for column in range(n_columns):
                    for row in range(n_random):
                        at[row, column] = half[column * n_donors + donor, row]
                        at[row, n_columns] += spline[donor, column] * turned[column, row]
                decompose(factor)
                forward(factor, at)
            gram[:], right[:] = 0.0, 0.0
            told, first = 0.0, 0
            for own_curve in range(n_curves):
                rest[:], response[:] = 0.0, 0.0
                last = first
                for donor in range(n_donors):
                    if curve[donor] == own_curve:
                        last += 1
                        for row in range(n_columns):
                            response[row] += spline[donor, row]
                            for column in range(n_columns):
                                rest[row, column] += plain[row, donor, column]
                at = rows[first:last].reshape((last - first) * n_random, n_columns + 1)
                explained = np.dot(at.T, at)
                for row in range(n_columns):
                    response[row] -= explained[row, n_columns]
                    for column in range(n_columns):
                        told += rest[row, column] * squared[own_curve, row, column] / n_fixed
                        rest[row, column] -= explained[row, column]
                basis, first = curves[own_curve], last
                gram += np.dot(basis.T, np.dot(rest, basis))
                right += np.dot(basis.T, response)
            for mode in range(n_fixed):
                diagonal[mode] = min(pulls[gene, mode], most * told) + _RIDGE * told + 1e-300
                gram[mode, mode] += diagonal[mode]
            decompose(gram)
            forward(gram, right.reshape(n_fixed, 1))
            backward(gram, right)
            first = 0
            for own_curve in range(n_curves):
                splines[:n_columns] = -np.dot(curves[own_curve], right)
                splines[n_columns] = 1.0
                last = first + np.sum(curve == own_curve)
                at = rows[first:last].reshape((last - first) * n_random, n_columns + 1)
                left[first:last] = np.dot(at, splines).reshape(last - first, n_random)
                first = last
            for donor in range(n_donors):
                backward(factors[donor], left[slots[donor]])
            deviations = np.dot(left, lower.T)[slots] - own[gene]
            right -= coefficients[gene]
            rise(places, bases, right, deviations, step)
            farthest = np.max(np.abs(step))
            share = 1.0 if np.isfinite(farthest) else np.nan
            if share == 1.0 and (farthest > LONG or farthest > SLOW * moved[gene]):
                share = share_of(
                    nodes, values, theta[gene], height, step, coefficients[gene], right, diagonal, own[gene], deviations,
                    covariances[gene], level, logs,
                )  # fmt: skip
                farthest = distance(height, step)
            moved[gene] = farthest
            coefficients[gene] += share * right
            own[gene] += share * deviations
            height += share * step
            raise_each(height, level)
            if sized:
                first_sum, second_sum = size_sums(level, nodes, values, theta[gene], logs)
                gamma_first, gamma_second = gamma_sums(tails[gene], bins[gene], bin_values, theta[gene])
                first_sum = gamma_first + total * (np.log(theta[gene]) + 1.0) - first_sum
                second_sum = gamma_second + total / theta[gene] + second_sum
                theta[gene], information[gene] = newton(theta[gene], first_sum, second_sum)
            if not farthest > still:
                break


@compiled
def sums_each(places, nodes, bases, sums, theta, coefficients, own, gram, products, cross, inner, donor_products):
    """Write the sums of the working linear models of each gene.

    gram, products : `(n_genes, n_fixed, n_fixed)` and `(n_genes, n_fixed)`.
    cross, inner, donor_products : `cross`, `own` and `donor_products` of DonorSums, `(n_genes, n_donors, n_random, ...)`.
    """
    curve, curves, random, exposures = bases[0], bases[2], bases[3], nodes[0]
    n_donors, (n_columns, n_random), n_places = len(curve), random.shape, exposures.shape[1]
    working, residual, height, level = np.zeros(n_places), np.zeros(n_places), np.zeros(n_places), np.zeros(n_places)
    values, total, response = np.zeros(exposures.shape), np.zeros((n_columns, n_columns)), np.zeros(n_columns)
    plain, spline = np.zeros((n_columns, n_donors, n_columns)), np.zeros((n_donors, n_columns))
    half = np.zeros((n_columns * n_donors, n_random))
    for gene in range(len(sums)):
        arrange(sums[gene], values)
        rise(places, bases, coefficients[gene], own[gene], height)
        raise_each(height, level)
        at_places(level, nodes, values, theta[gene], working, residual)
        gather(places, working, residual, height, plain, spline)
        np.dot(plain.reshape(n_columns * n_donors, n_columns), random, half)
        rows = half.reshape(n_columns, n_donors * n_random).T
        inner[gene] = np.dot(rows, random).reshape(n_donors, n_random, n_random)
        donor_products[gene] = np.dot(spline, random)
        for number in range(len(curves)):
            basis = curves[number]
            across = np.dot(rows, basis).reshape(n_donors, n_random, basis.shape[1])
            total[:], response[:] = 0.0, 0.0
            for donor in range(n_donors):
                if curve[donor] == number:
                    cross[gene, donor] = across[donor]
                    total += plain[:, donor]
                    response += spline[donor]
            gram[gene] += np.dot(basis.T, np.dot(total, basis))
            products[gene] += np.dot(basis.T, response)


@compiled
def losses_each(places, nodes, bases, offsets, sums, theta, coefficients, levels, losses):
    """Write the losses of each gene at its population curve, and at a constant level, `(2, n_genes)`; see `Family.loss`.

    levels : `(n_genes,)`, written: means of the linear predictor.
    """
    exposures, weights = nodes[0], nodes[1]
    n_offsets, n_places, n_donors = len(exposures), np.uintp(exposures.shape[1]), len(places[0]) - 1
    height, mean = np.zeros(n_places), np.zeros(n_places)
    values, logs, own = np.zeros(exposures.shape), np.zeros(n_places), np.zeros((n_donors, bases[3].shape[1]))
    for gene in range(len(sums)):
        arrange(sums[gene], values)
        rise(places, bases, coefficients[gene], own, height)
        levels[gene], total = 0.0, 0.0
        for offset in range(n_offsets):
            levels[gene], total = levels[gene] + np.sum(weights[offset] * height), total + np.sum(weights[offset])
        levels[gene] /= total
        of_offsets = np.sum(values * offsets)
        for number in range(2):
            if number == 1:
                height[:] = levels[gene]
            raise_each(height, mean)
            losses[number, gene] = loss_of(height, mean, exposures, weights, values, theta[gene], logs)
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
    exposures, weights, unit = nodes[0], nodes[1], nodes[2]
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
    exposures, weights = nodes[0], nodes[1]
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
def gather(places, working, residual, height, plain, spline):
    """Write each donor's gram matrix `(n_columns, n_donors, n_columns)` and its products with the working response."""
    starts, ends, columns, _, pairs, row_of_pairs, _ = places
    width, n_wide, one = np.uintp(columns.shape[1]), np.uintp(pairs.shape[1]), np.uintp(1)
    total = np.zeros(pairs.shape[1])
    plain[:], spline[:] = 0.0, 0.0
    place, donor = np.uintp(0), 0
    for group in range(np.uintp(len(ends))):
        total[:] = 0.0
        for at in range(place, np.uintp(ends[group])):
            weight, fitted, row = working[at], working[at] * height[at] + residual[at], np.uintp(row_of_pairs[at])
            for pair in range(n_wide):
                total[pair] += (fitted if pair < width else weight) * pairs[row, pair]
        place = np.uintp(ends[group])
        while ends[group] > starts[donor + 1]:
            donor += 1
        pair = width
        for first in range(width):
            row = np.uintp(columns[group, first])
            spline[donor, row] += total[first]
            for second in range(first + one):
                column = np.uintp(columns[group, second])
                plain[row, donor, column] += total[pair]
                if second < first:
                    plain[column, donor, row] += total[pair]
                pair += one


@compiled
def rise(places, bases, coefficients, own, height):
    """Write the linear predictors of the places, of the population curve and the donors' deviations from it."""
    starts, values, indices = places[0], places[3], places[6]
    curve, curves, random = bases[0], bases[2], bases[3]
    n_places, n_donors = np.uintp(len(height)), len(starts) - 1
    splines, at_places = np.dot(own, random.T), np.zeros(n_places)
    for number in range(len(curves)):
        of_curve = np.dot(curves[number], coefficients)
        for donor in range(n_donors):
            if curve[donor] == number:
                splines[donor] += of_curve
    flat = splines.reshape(splines.size)
    height[:] = 0.0
    for row in range(np.uintp(len(values))):
        for place in range(n_places):
            at_places[place] = flat[np.uintp(indices[row, place])]
        for place in range(n_places):
            height[place] += values[row, place] * at_places[place]
