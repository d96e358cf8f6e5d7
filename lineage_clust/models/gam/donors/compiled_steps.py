"""Means, losses and sizes of steps of count models of one gene, compiled by numba; see `working.py`."""

from __future__ import annotations

from math import factorial
from typing import NamedTuple

import numpy as np

from ....utils.compiling import compiled
from ..smoothing.compiled_algebra import decompose, forward
from .working import DEEP, FARTHEST, HALVINGS, INCREASE, RIDGE

_LOG_2 = float(np.log(2.0))
_LOG_2_HIGH, _LOG_2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # sum to log 2; `k` times the first is exact
_ROUNDS = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer
_LAST, _SERIES = 1.0 / factorial(13), tuple(1.0 / factorial(power) for power in range(12, -1, -1))
_TO_EXPONENT = -0x3FE6A09E667F3BCD  # bits of the root of 1/2


class Point(NamedTuple):
    """Linear predictor of the places, coefficients and the donors' deviations `(n_donors, n_random)`, or their steps."""

    height: np.ndarray
    coefficients: np.ndarray
    deviations: np.ndarray


@compiled
def share_of(nodes, sums, theta, start, step, diagonal, covariance):
    """Return the share of a step of one gene that does not increase the penalised loss, see :func:`.working.shares`.

    `start` and `step` are Points; `diagonal` is that of the penalty, and `covariance` that of a donor's deviations.
    """
    n_random, n_places = len(covariance), len(start.height)
    at, level, logs = np.zeros(n_places), np.zeros(n_places), np.zeros(n_places)
    factor, whitened = covariance.copy(), np.empty((2, n_random, len(start.deviations)))
    for row in range(n_random):
        factor[row, row] += RIDGE * np.trace(covariance) + 1e-300
    decompose(factor)
    whitened[0], whitened[1] = start.deviations.T, step.deviations.T
    forward(factor, whitened[0])
    forward(factor, whitened[1])
    # interpolation may give a node with few cells sums outside their range, and its loss would have no minimum
    raise_each(start.height, level)
    weights = np.abs(nodes.weights)
    kept = np.where(nodes.weights > 0.0, sums, weights * nodes.exposures * level)
    most, share = np.inf, 0.0
    for trial in range(HALVINGS + 2):
        at[:] = start.height + share * step.height
        found = np.inf
        if np.max(at) <= FARTHEST:
            raise_each(at, level)
            found = loss_of(at, level, nodes.exposures, weights, kept, theta, logs) / nodes.unit
            found += np.sum(diagonal * (start.coefficients + share * step.coefficients) ** 2)
            found += np.sum((whitened[0] + share * whitened[1]) ** 2)
        if trial == 0:
            most = found + INCREASE * (abs(found) + nodes.total / nodes.unit)
            share = 1.0
        elif found <= most:
            break
        elif trial <= HALVINGS:
            share *= 0.5
    return share


@compiled
def loss_of(height, level, exposures, weights, sums, theta, logs):
    """Return the loss of one gene, see `Family.loss`, without the part of the offsets."""
    n_places = np.uintp(len(height))
    part = np.zeros(n_places)  # vectorised, unlike sums
    for offset in range(np.uintp(len(sums))):
        if theta == np.inf:
            for place in range(n_places):
                mean = weights[offset, place] * level[place] * exposures[offset, place]
                part[place] += mean - sums[offset, place] * height[place]
        else:
            for place in range(n_places):
                logs[place] = level[place] * exposures[offset, place] + theta
            logarithms(logs)
            for place in range(n_places):
                value = sums[offset, place]
                part[place] += (value + weights[offset, place] * theta) * logs[place] - value * height[place]
    return 2.0 * np.sum(part)


@compiled
def distance(height, step):
    """Return the largest change of a bounded linear predictor, see :func:`.working.distance`."""
    low, most = min(np.max(height), 0.0) - DEEP, 0.0
    for place in range(np.uintp(len(height))):
        change = max(height[place] + step[place], low) - max(height[place], low)
        most = max(most, abs(change))
    return most


@compiled
def raise_each(height, level):
    """Write the means for exposure 1, in a loop that is vectorised.

    With the multiple `k` of log 2 nearest to `x`, the exponential is `2**k` times that of the rest, whose series is short.
    """
    for place in range(np.uintp(len(height))):
        # `k` is in the last bits
        level[place] = min(max(height[place], -FARTHEST), FARTHEST) * (1.0 / _LOG_2) + _ROUNDS
    bits = level.view(np.int64)
    for place in range(np.uintp(len(height))):
        exponent = level[place] - _ROUNDS
        rest = min(max(height[place], -FARTHEST), FARTHEST) - exponent * _LOG_2_HIGH - exponent * _LOG_2_LOW
        series = _LAST
        for coefficient in _SERIES:
            series = coefficient + series * rest
        bits[place] = (bits[place] + 1023) << 52
        level[place] *= series


@compiled
def logarithms(values):
    """Replace positive numbers by their logarithms, in a loop that is vectorised.

    The exponent is split off, and the logarithm of the rest `m`, between the roots of 1/2 and 2, is ``2 atanh((m - 1) / (m +
    1))``, whose series converges fast.
    """
    bits = values.view(np.int64)
    for place in range(np.uintp(len(values))):
        exponent = (bits[place] + _TO_EXPONENT) >> 52
        bits[place] -= exponent << 52
        ratio = (values[place] - 1.0) / (values[place] + 1.0)
        square = ratio * ratio
        series = 0.0
        for power in (19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0):
            series = series * square + 2.0 / power
        values[place] = exponent * _LOG_2 + ratio * series
