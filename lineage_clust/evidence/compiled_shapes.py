"""The shapes of very many trends in one compiled loop; what they are is said in `shapes`."""

from __future__ import annotations

import numpy as np

from ..utils.compiling import compiled


@compiled
def find_shapes(values, onset_share, turn_share, rounding, peak, onset, half_max, amplitude, ways):
    """Write the shape of each trend `(n_trends, n_points)` into the arrays `(n_trends,)`, times as points of the grid."""
    n_trends, n_points = values.shape
    for trend in range(n_trends):
        start = values[trend, 0]
        lowest, highest, largest, top = start, start, abs(start), 0
        for point in range(1, n_points):
            value = values[trend, point]
            if value > highest:
                highest, top = value, point
            lowest = min(lowest, value)
            largest = max(largest, abs(value))
        span = highest - lowest
        farthest = max(highest - start, start - lowest)
        peak[trend], amplitude[trend] = top, span
        asked_onset, asked_half = min(onset_share * span, farthest), min(0.5 * span, farthest)
        onset[trend] = half_max[trend] = -1
        turn = turn_share * span
        if not span > rounding * largest:
            turn = np.inf
        high, low, heading, first, pieces = start, start, 0, 0, 0
        for point in range(n_points):
            value = values[trend, point]
            away = abs(value - start)
            if onset[trend] < 0 and away >= asked_onset:
                onset[trend] = point
            if half_max[trend] < 0 and away >= asked_half:
                half_max[trend] = point
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
        if pieces == 0:
            ways[trend] = 0
        elif pieces > 2:
            ways[trend] = 5
        else:
            ways[trend] = 2 * pieces - (1 if first > 0 else 0)
