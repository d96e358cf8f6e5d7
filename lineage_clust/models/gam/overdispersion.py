"""Overdispersion of counts, which makes standard errors of a Poisson fit too small."""

from __future__ import annotations

import logging

import numpy as np

from ..notes import MANY, joined

_log = logging.getLogger(__name__)
_CLEAR, _NOTABLE = 5.0, 0.1  # standard deviations; share of the mean


def dispersion_of(
    squares: np.ndarray, cross: np.ndarray, second: np.ndarray, mean: np.ndarray, most: float
) -> np.ndarray:
    """Return by what factor the variance exceeds that of a Poisson distribution, 0 where that is not clear, `(n_genes,)`.

    Parameters
    ----------
    squares, cross, second, mean
        ``sum w y^2``, ``sum w y mu``, ``sum w mu^2`` and ``sum w mu``, `(n_genes,)`.
    most
        Largest weight.

    Notes
    -----
    The score for overdispersion is ``sum w [(y - mu)^2 - y]``, with variance ``2 sum w^2 mu^2`` without any [1]_. It must
    exceed five standard deviations, and a tenth of the sum of the means: standard errors are 5 % too small then.

    References
    ----------
    .. [1] Dean & Lawless (1989). Tests for detecting overdispersion in Poisson regression models. JASA 84, 467-472.

    Examples
    --------
    >>> y = np.array([0.0, 0.0, 40.0, 0.0])  # of means 10
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
    """Return what `dispersion_of` does, from sums over the nodes of a grid.

    Parameters
    ----------
    sums, mu
        `(n_nodes, n_genes)` weighted sums of counts, and means of exposure 1.
    squares
        `(n_genes,)` weighted sums of squared counts.
    weights, exposed
        `(n_nodes, 1)` sums of weights times exposures, and times squared exposures.
    most
        Largest weight.

    Notes
    -----
    Counts of a node are taken to be shared among its cells by exposure, as in the model on average.
    """
    mean_exposure = np.divide(exposed, weights, out=np.ones_like(weights), where=weights > 1e-9 * weights.max())
    cross = np.sum(sums * mean_exposure * mu, axis=0)
    return dispersion_of(squares, cross, np.sum(exposed * mu**2, axis=0), np.sum(weights * mu, axis=0), most)


def noted_dispersion(notes: list[str], dispersion: np.ndarray) -> list[str]:
    """Return notes on genes with those whose variance exceeds a Poisson distribution's; log a warning if they are many."""
    many = int(np.sum(dispersion > 0))
    if many > MANY * len(notes):
        _log.warning(
            "Counts of %d of %d genes vary more than a Poisson distribution says (their variance is %.2g times its, in the "
            "median; see the notes): standard errors and p-values are too small. Use family='negative_binomial'.",
            many, len(notes), np.median(dispersion[dispersion > 0]),
        )  # fmt: skip
    return [
        joined(note, f"variance {own:.2g} times that of a Poisson distribution: use 'negative_binomial'" if own else "")
        for note, own in zip(notes, dispersion, strict=True)
    ]
