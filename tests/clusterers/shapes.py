"""Data with known clusters, and posterior samples of them, for the tests of the clusterers."""

import numpy as np

TIME = np.linspace(0, 1, 40)


def bumps(n_shapes):
    """Return `n_shapes` peaks of one width, far enough apart to be distinct, `(n_shapes, 40)`."""
    peaks = np.linspace(0, 1, n_shapes)[:, None]
    return np.exp(-(((TIME - peaks) / (0.3 / n_shapes)) ** 2))


def smooth_noise(rng, n_rows, size):
    """Return smooth curves of standard deviation `size`, `(n_rows, 40)`."""
    waves = np.sqrt(2) * np.cos(np.pi * np.arange(1, 6)[:, None] * TIME)
    return size / np.sqrt(5) * rng.normal(size=(n_rows, 5)) @ waves


def zscored(X):
    return (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)


def noisy(shapes, sizes, noise, seed=0, n_draws=8):
    """Return rows around shapes, draws that are as uncertain as the rows are, and the shape of each row.

    With `noise` a number, this is what is known of genes whose own trend is exactly that of their module.
    """
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    X = zscored(shapes)[truth] + smooth_noise(rng, len(truth), noise)
    return X, [X + smooth_noise(rng, len(truth), noise) for _ in range(n_draws)], truth
