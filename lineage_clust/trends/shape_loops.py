"""Compiled loop for shape statistics of many samples of trends, see `shapes.py`."""

from __future__ import annotations

import numpy as np

from ..utils.compiling import compiled
from .shapes import CODES


@compiled
def find_direction(values, turn_share, rounding):
    """Return the direction of a trend `(n_points,)`, the position of its maximum, and its range."""
    lowest, highest, largest, top = values[0], values[0], abs(values[0]), 0
    for point in range(1, len(values)):
        value = values[point]
        if value > highest:
            highest, top = value, point
        lowest = min(lowest, value)
        largest = max(largest, abs(value))
    span = highest - lowest
    if not span > rounding * largest:
        return 0, top, span
    turn = turn_share * span
    high, low, heading, first, pieces = values[0], values[0], 0, 0, 0
    for point in range(1, len(values)):
        value = values[point]
        high, low = max(high, value), min(low, value)
        turned = 0
        if heading <= 0 and value - low >= turn:
            turned = 1
        elif heading >= 0 and high - value >= turn:
            turned = -1
        if turned != 0:
            first = turned if heading == 0 else first
            heading = turned
            high, low = value, value
            pieces += 1
    return CODES[min(2 * pieces - (1 if first > 0 else 0), len(CODES) - 1)], top, span


@compiled
def measure(
    values, draws, turn_share, rounding, extreme, onset, own, ways, peak, least, most, spans, risen, risen_sd, moved, along
):  # fmt: skip
    """Compute shape statistics from samples `(n_draws, n_genes, n_points)` of trends `(n_genes, n_points)`.

    Writes the directions of the trends to `own` `(n_genes,)`; directions, peaks (as grid points) and ranges of the
    samples (two as in `uncertainty`, and plain) to `ways`, `peak`, `least`, `most` and `spans` `(n_draws, n_genes)`; and,
    as `(n_genes, n_points)`, the largest distance from the start up to each point, minus the fraction `onset` of the
    range and corrected for bias, to `risen`, its standard deviation to `risen_sd`, the mean square of the error of the
    distance to `moved`, and its mean product with the error of the range to `along`.
    """
    n_draws, n_genes, n_points = draws.shape
    high, low, reached = np.empty(n_points), np.empty(n_points), np.empty(n_points)
    tops, bottoms = np.empty(n_points, dtype=np.int64), np.empty(n_points, dtype=np.int64)
    for gene in range(n_genes):
        trend = values[gene]
        own[gene] = find_direction(trend, turn_share, rounding)[0]
        top, bottom = np.argmax(trend), np.argmin(trend)
        span = trend[top] - trend[bottom]
        high[:], low[:], moved[gene], along[gene], risen[gene], risen_sd[gene] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        largest = -np.inf
        for point in range(n_points):
            largest = max(largest, abs(trend[point] - trend[0]) - onset * span)
            reached[point] = largest
        for draw in range(n_draws):
            drawn = draws[draw, gene]
            ways[draw, gene], peak[draw, gene], spans[draw, gene] = find_direction(drawn, turn_share, rounding)
            at_top, at_bottom, at_start = drawn[top] - trend[top], drawn[bottom] - trend[bottom], drawn[0] - trend[0]
            most[draw, gene] = span + at_top - at_bottom
            largest = -np.inf
            for point in range(n_points):
                largest = max(largest, abs(drawn[point] - drawn[0]) - onset * most[draw, gene])
                risen[gene, point] += largest - reached[point]
                risen_sd[gene, point] += (largest - reached[point]) ** 2
                error = drawn[point] - trend[point]
                high[point] += (at_top - error) ** 2
                low[point] += (error - at_bottom) ** 2
                moved[gene, point] += (error - at_start) ** 2
                along[gene, point] += (error - at_start) * (at_top - at_bottom)
        n_tops, n_bottoms = 0, 0
        for point in range(n_points):
            bias = risen[gene, point] / n_draws
            risen[gene, point] = reached[point] - bias
            risen_sd[gene, point] = np.sqrt(max(risen_sd[gene, point] / n_draws - bias**2, 0.0))
            moved[gene, point] /= n_draws
            along[gene, point] /= n_draws
            if trend[top] - trend[point] <= extreme * np.sqrt(high[point] / n_draws):
                tops[n_tops] = point
                n_tops += 1
            if trend[point] - trend[bottom] <= extreme * np.sqrt(low[point] / n_draws):
                bottoms[n_bottoms] = point
                n_bottoms += 1
        for draw in range(n_draws):
            drawn = draws[draw, gene]
            upper, lower = drawn[top] - trend[top], drawn[bottom] - trend[bottom]
            for number in range(n_tops):
                upper = min(upper, drawn[tops[number]] - trend[tops[number]])
            for number in range(n_bottoms):
                lower = max(lower, drawn[bottoms[number]] - trend[bottoms[number]])
            least[draw, gene] = span + upper - lower
