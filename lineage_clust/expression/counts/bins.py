"""Columns of the arrays of a Table: statistics, extremes, and bins of a histogram of counts.

Small counts have a bin each, and larger ones are distributed among nodes.
"""

from __future__ import annotations

import numpy as np

SUM, SQUARES, SCALED_SUM, SCALED_SQUARES = 0, 1, 2, 3  # weighted; scaled values are those at offset 0
N_NONZERO, NONZERO_WEIGHT, LEAST_LOSS, N_NOT_COUNTS = 4, 5, 6, 7
TOTAL, TOTAL_SQUARES = 8, 9  # unweighted, over all cells, including those of weight 0
OFFSET_SUM = 10  # weighted sum of values times offsets
N_STATISTICS = 11
LEAST, MOST, MOST_SCALED = 0, 1, 2  # stored values: infinity and minus infinity if there are none
N_EXTREMES = 3
N_SMALL = 64  # values below have a bin of their own
PER_OCTAVE = 8  # nodes above
N_BINS = N_SMALL + 26 * PER_OCTAVE
LARGEST = 2.0**31


def values_of_bins() -> np.ndarray:
    """Return the value of each bin of a histogram `(N_BINS,)`."""
    above = np.arange(N_BINS - N_SMALL) / PER_OCTAVE
    return np.concatenate([np.arange(N_SMALL), N_SMALL * 2.0**above])
