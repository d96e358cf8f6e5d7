"""The cells of `make_golden.py`."""

import numpy as np


def data(paired):
    rng = np.random.default_rng(7 + paired)
    n, n_donors = 360, 8
    donor = np.sort(rng.choice(n_donors, n, p=np.arange(4, 12) / np.arange(4, 12).sum()))
    condition = rng.integers(0, 2, n) if paired else donor % 2
    time = rng.beta(0.8 + 0.15 * donor, 1.2)
    levels = 0.8 * rng.standard_normal((n_donors, 3))[donor]
    samples = 0.4 * rng.standard_normal((2 * n_donors, 3))[2 * donor + condition]
    Y = 0.7 * rng.standard_normal((n, 3)) + levels + (samples if paired else 0)
    Y[:, 1] += 0.8 * condition + 1.0 * condition * time
    return donor, condition, time, Y
