"""Overdispersion of counts relative to a Poisson distribution."""

from __future__ import annotations

import logging

import numpy as np

from ....errors import counted
from ...notes import MANY, joined

_log = logging.getLogger(__name__)
_CLEAR, _NOTABLE = 5.0, 0.1  # standard deviations; fraction of the mean


def dispersion_at_nodes(
    sums: np.ndarray, squares: np.ndarray, mu: np.ndarray, weights: np.ndarray, exposed: np.ndarray, most: float
) -> np.ndarray:
    """Return the ratio of the variance to that of a Poisson distribution, 0 unless clearly larger than 1, `(n_genes,)`.

    sums, mu, squares : Weighted sums of counts, means for exposure 1, and `(n_genes,)` weighted sums of squared counts.
    weights, exposed : `(n_nodes, 1)` sums of weights times exposures, and of weights times squared exposures.

    The score for overdispersion is ``sum w [(y - mu)^2 - y]``, with variance ``2 sum w^2 mu^2`` under a Poisson
    distribution (Dean & Lawless 1989, JASA 84, 467-472). It must exceed five standard deviations, and a tenth of the sum of
    the means: Poisson standard errors are then too small by at least 5 %. The counts of a node are divided among its cells in
    proportion to exposure, their expectation under the model; `most` is the largest weight.

    >>> y, one = np.array([[0.0], [0.0], [40.0], [0.0]]), np.ones((4, 1))  # mean 10
    >>> dispersion_at_nodes(y, np.sum(y**2, axis=0), 10 * one, one, one, 1.0).tolist()
    [30.0]
    """
    mean_exposure = np.divide(exposed, weights, out=np.ones_like(weights), where=weights > 1e-9 * weights.max())
    cross, mean = np.sum(sums * mean_exposure * mu, axis=0), np.sum(weights * mu, axis=0)
    second = np.sum(exposed * mu**2, axis=0)
    excess = squares - 2 * cross + second - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        clear = (excess > _CLEAR * np.sqrt(2 * most * second)) & (excess > _NOTABLE * mean)
        return np.where(clear, 1 + excess / mean, 0.0)


def noted_dispersion(notes: list[str], dispersion: np.ndarray) -> list[str]:
    """Add notes on overdispersed genes to `notes`; log a warning if there are many."""
    many = int(np.sum(dispersion > 0))
    if many > MANY * len(notes):
        _log.warning(
            "Counts of %s are overdispersed relative to a Poisson distribution (median variance ratio %.2g; "
            "see the notes): standard errors and p-values are too small. Use family='negative_binomial'.",
            counted(many, "gene", of=len(notes)), np.median(dispersion[dispersion > 0]),
        )  # fmt: skip
    return [
        joined(note, f"variance {own:.2g} times that of a Poisson distribution: use 'negative_binomial'" if own else "")
        for note, own in zip(notes, dispersion, strict=True)
    ]
