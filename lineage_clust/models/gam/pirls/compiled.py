"""Fits of count models from sums over a grid, one gene at a time, compiled by numba; `iterations.py` uses NumPy.

The data of one gene fit into the cache of the processor. Nodes at the same place differ only in their offset: they
share the value of the curve, its exponential, and their part of the gram matrix.
"""

from __future__ import annotations

import numpy as np

from ....utils.compiling import compiled
from ..smoothing.compiled import smooth
from .size import LARGEST_STEP, LEAST, MOST

_FARTHEST = 100.0  # of a linear predictor


@compiled
def fit_each(
    indptr, indices, values, offsets, weights, basis, penalty, total, sums, tails, bins, bin_values, choose, sized, max_iter,
    schedule, heights, log_lambda, theta, coefficients, information, converged, n_iter,
):  # fmt: skip
    """Fit Poisson (`theta` infinite) and negative binomial models with a log link.

    indptr, indices, values : Rows of the design at the places, CSR; each place has nodes with the `offsets`.
    weights, sums : Sums of weights and of weighted counts at the nodes, `(n_places * n_offsets,)` and `(n_genes,
        n_places * n_offsets)`; `total` is the sum of the weights.
    basis, penalty : `(n_columns, n_modes)`, and `(n_modes,)` the diagonal of the penalty.
    tails, bins, bin_values : `(n_genes, n_tails)` and `(n_genes, n_bins)` of a `Histogram`, values of bins.
    choose, sized : Whether lambda is chosen by REML, and theta by maximum likelihood.
    heights : `(n_genes, n_places)` initial linear predictors; overwritten.
    log_lambda, theta, coefficients, information, converged, n_iter : As in a `State`, but by gene; updated in place.
    """
    n_places, n_modes = len(indptr) - 1, len(penalty)
    working, residual, exposures = np.zeros(n_places), np.zeros(n_places), np.exp(offsets)
    spline, proposal = np.zeros(len(basis)), np.zeros(n_modes)
    grams, cross, plain = np.zeros((1, n_modes, n_modes)), np.zeros((1, n_modes)), np.zeros((len(basis), len(basis)))
    half, lines = np.zeros((len(basis), n_modes)), np.zeros((3, n_modes))
    factor, matrix = np.zeros((n_modes, n_modes)), np.zeros((n_modes, n_modes))
    for gene in range(len(sums)):
        own, height, own_coefficients = sums[gene], heights[gene], coefficients[gene]
        for iteration in range(max_iter):
            n_iter[gene] = iteration + 1
            nodes = (offsets, exposures, weights, own, theta[gene], working, residual)
            loss = at_nodes(height, *nodes)[0]
            gather(indptr, indices, values, working, residual, height, basis, plain, spline, half, grams, cross)
            if not (np.trace(grams[0]) > 0.0 and np.isfinite(np.sum(grams)) and np.isfinite(np.sum(cross))):
                own_coefficients[:] = np.nan
                break
            before_lambda = log_lambda[gene]
            log_lambda[gene] = smooth(
                grams, cross, 0, penalty, 1.0, choose and iteration < schedule.freeze,
                iteration == schedule.searched, schedule.n_steps[min(iteration, 2)], before_lambda, factor, matrix,
                lines, proposal,
            )  # fmt: skip
            lam = np.exp(log_lambda[gene])
            if iteration == 0:
                rise(indptr, indices, values, basis, own_coefficients, spline, height)
                loss = at_nodes(height, *nodes)[0]
            before = loss + lam * np.sum(penalty * own_coefficients**2)
            magnitude = abs(before) + total
            for halving in range(schedule.n_halvings + 1):
                rise(indptr, indices, values, basis, proposal, spline, height)
                loss, logs, first, second = at_nodes(height, *nodes)
                after = loss + lam * np.sum(penalty * proposal**2)
                if after <= before + 1e-9 * magnitude or halving == schedule.n_halvings:
                    break
                proposal[:] = 0.5 * (proposal + own_coefficients)
            own_coefficients[:] = proposal
            change = abs(after - before) / magnitude
            settled = abs(log_lambda[gene] - before_lambda) < schedule.still_lambda
            settled = settled or change < 1e-15 or iteration >= schedule.freeze
            if sized:
                old = theta[gene]
                gamma_first, gamma_second = gamma_sums(tails[gene], bins[gene], bin_values, old)
                first = gamma_first + total * (np.log(old) + 1.0) - first - logs
                second = gamma_second + total / old + second
                theta[gene], information[gene] = newton(old, first, second)
                step = abs(np.log(theta[gene] / old))
                settled = settled and (step < schedule.still_scale or theta[gene] >= MOST or theta[gene] <= LEAST)
            if change < schedule.tolerance and settled and iteration > 0:
                converged[gene] = True
                break


@compiled
def at_nodes(height, offsets, exposures, weights, sums, theta, working, residual):
    """Write working weights and residuals of the places, summed over their nodes.

    Returns the loss, and three sums over the nodes for the likelihood of theta: weights times `log(mu + theta)`,
    `(T + W theta) / (mu + theta)`, and the derivative of their sum with respect to theta.
    """
    n_offsets = np.uintp(len(offsets))
    loss, logs, first, second = 0.0, 0.0, 0.0, 0.0
    for place in range(np.uintp(len(height))):
        curve = np.exp(min(max(height[place], -_FARTHEST), _FARTHEST))
        working[place], residual[place] = 0.0, 0.0
        for step in range(n_offsets):
            node = place * n_offsets + step
            mu, weight, value = curve * exposures[step], weights[node], sums[node]
            if theta == np.inf:
                loss += weight * mu
                working[place] += weight * mu
                residual[place] += value - weight * mu
            else:
                inverse, whole, log = 1.0 / (mu + theta), value + weight * theta, np.log(mu + theta)
                precision, ratio = theta * inverse, whole * inverse
                working[place] += weight * precision * mu
                residual[place] += precision * (value - weight * mu)
                loss += whole * log
                logs += weight * log
                first += ratio
                second += (ratio - 2.0 * weight) * inverse
            loss -= value * (height[place] + offsets[step])
    return 2.0 * loss, logs, first, second


@compiled
def gather(indptr, indices, values, working, residual, height, basis, plain, spline, half, grams, cross):
    """Write gram matrix and right-hand side of the working model, in the modes."""
    plain[:], spline[:] = 0.0, 0.0
    for place in range(len(height)):
        fitted = working[place] * height[place] + residual[place]
        for one in range(indptr[place], indptr[place + 1]):
            row, own = np.uintp(indices[one]), working[place] * values[one]
            spline[row] += fitted * values[one]
            for other in range(indptr[place], one + 1):
                plain[row, np.uintp(indices[other])] += own * values[other]
    for row in range(len(plain)):
        for column in range(row):
            plain[column, row] = plain[row, column]
    np.dot(basis.T, spline, cross[0])
    np.dot(plain, basis, half)
    np.dot(basis.T, half, grams[0])


@compiled
def rise(indptr, indices, values, basis, coefficients, spline, height):
    """Write the linear predictors of the places."""
    np.dot(basis, coefficients, spline)
    for place in range(len(height)):
        entry = 0.0
        for at in range(indptr[place], indptr[place + 1]):
            entry += values[at] * spline[np.uintp(indices[at])]
        height[place] = entry


@compiled
def gamma_sums(tails, bins, bin_values, theta):
    """Return the same as :meth:`lineage_clust.models.gam.pirls.size.Histogram.sums`, for one gene."""
    first, second, n_small = 0.0, 0.0, len(tails)
    for below in range(n_small):
        if tails[below] == 0.0 and not np.any(bins[n_small:]):
            break
        inverse = 1.0 / (theta + below)
        first += tails[below] * inverse
        second -= tails[below] * inverse * inverse
    for value in range(n_small, len(bins)):
        if bins[value] != 0.0:
            (one, one_slope), (other, other_slope) = digammas(bin_values[value] + theta), digammas(n_small + theta)
            first += bins[value] * (one - other)
            second += bins[value] * (one_slope - other_slope)
    return first, second


@compiled
def digammas(x):
    """Return digamma and trigamma of a number of at least 64, by their series (Abramowitz & Stegun, 6.3.18 and 6.4.12)."""
    y = 1.0 / (x * x)
    series = y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y / 240.0)))
    slope = 1.0 / 6.0 - y * (1.0 / 30.0 - y * (1.0 / 42.0 - y / 30.0))
    return np.log(x) - 0.5 / x - series, 1.0 / x + 0.5 * y + slope * y / x


@compiled
def newton(theta, first, second):
    """Return the same as :func:`lineage_clust.models.gam.pirls.size.newton_size`, for one gene."""
    slope = theta * first
    curvature = theta * theta * second + slope
    step = -slope / min(curvature, -1e-12) if curvature < 0.0 else np.sign(slope) * LARGEST_STEP
    step = min(max(step, -LARGEST_STEP), LARGEST_STEP)
    return min(max(theta * np.exp(step), LEAST), MOST), max(-curvature, 0.0)
