"""Bins of a histogram of counts: one for each small count, and nodes among which larger counts are distributed."""

from __future__ import annotations

import numpy as np

N_STATISTICS, N_EXTREMES = 11, 3  # per gene, in addition to its histogram
N_SMALL = 64  # values below have a bin of their own
PER_OCTAVE = 8  # nodes above
N_BINS = N_SMALL + 26 * PER_OCTAVE
LARGEST = 2.0**31


def values_of_bins() -> np.ndarray:
    """Return the value of each bin of a histogram `(N_BINS,)`.

    >>> values_of_bins()[[0, 1, 63, 64, 72]].tolist()
    [0.0, 1.0, 63.0, 64.0, 128.0]
    """
    above = np.arange(N_BINS - N_SMALL) / PER_OCTAVE
    return np.concatenate([np.arange(N_SMALL), N_SMALL * 2.0**above])
