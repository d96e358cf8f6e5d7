"""Overdispersion of counts relative to a Poisson distribution."""

from __future__ import annotations

import logging

import numpy as np

from ...notes import MANY, joined

_log = logging.getLogger(__name__)
_CLEAR, _NOTABLE = 5.0, 0.1  # standard deviations; fraction of the mean


def dispersion_of(
    squares: np.ndarray, cross: np.ndarray, second: np.ndarray, mean: np.ndarray, most: float
) -> np.ndarray:
    """Return the ratio of the variance to that of a Poisson distribution, 0 unless clearly larger than 1, `(n_genes,)`.

    squares, cross, second, mean : ``sum w y^2``, ``sum w y mu``, ``sum w mu^2`` and ``sum w mu``, `(n_genes,)`.
    most : Largest weight.

    The score for overdispersion is ``sum w [(y - mu)^2 - y]``, with variance ``2 sum w^2 mu^2`` under a Poisson
    distribution [1]_. It must exceed five standard deviations, and a tenth of the sum of the means: Poisson standard
    errors are then too small by at least 5 %.

    References
    ----------
    .. [1] Dean & Lawless (1989). Tests for detecting overdispersion in Poisson regression models. JASA 84, 467-472.

    >>> y = np.array([0.0, 0.0, 40.0, 0.0])  # mean 10
    >>> dispersion_of(y @ y[:, None], 10 * y.sum()[None], np.array([400.0]), np.array([40.0]), 1.0).tolist()
    [30.0]
    """
    excess = squares - 2 * cross + second - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        clear = (excess > _CLEAR * np.sqrt(2 * most * second)) & (excess > _NOTABLE * mean)
        return np.where(clear, 1 + excess / mean, 0.0)


def dispersion_at_nodes(
    sums: np.ndarray, squares: np.ndarray, mu: np.ndarray, weights: np.ndarray, exposed: np.ndarray, most: float
) -> np.ndarray:
    """Return the same ratio as `dispersion_of`, from sums over the nodes of a grid.

    sums, mu : `(n_nodes, n_genes)` weighted sums of counts, and means for exposure 1.
    squares : `(n_genes,)` weighted sums of squared counts.
    weights, exposed : `(n_nodes, 1)` sums of weights times exposures, and of weights times squared exposures.
    most : Largest weight.

    The counts of a node are divided among its cells in proportion to exposure, their expectation under the model.
    """
    mean_exposure = np.divide(exposed, weights, out=np.ones_like(weights), where=weights > 1e-9 * weights.max())
    cross = np.sum(sums * mean_exposure * mu, axis=0)
    return dispersion_of(squares, cross, np.sum(exposed * mu**2, axis=0), np.sum(weights * mu, axis=0), most)


def noted_dispersion(notes: list[str], dispersion: np.ndarray) -> list[str]:
    """Add notes on overdispersed genes to `notes`; log a warning if there are many."""
    many = int(np.sum(dispersion > 0))
    if many > MANY * len(notes):
        _log.warning(
            "Counts of %d of %d genes are overdispersed relative to a Poisson distribution (median variance ratio %.2g; "
            "see the notes): standard errors and p-values are too small. Use family='negative_binomial'.",
            many, len(notes), np.median(dispersion[dispersion > 0]),
        )  # fmt: skip
    return [
        joined(note, f"variance {own:.2g} times that of a Poisson distribution: use 'negative_binomial'" if own else "")
        for note, own in zip(notes, dispersion, strict=True)
    ]
