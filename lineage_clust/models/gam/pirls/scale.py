"""REML estimates of the scale of gamma and inverse Gaussian models."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import digamma

from ...families import Family

_LOG_RANGE = (-12.0, 8.0)
_N_KNOTS = 160
_N_BISECTIONS = 50


class ScaleEquation:
    """Stationarity condition of the REML criterion with respect to the log scale, shared by all genes.

    ``-D_p / (2 phi) + sum_i h_i(phi) - M0 / 2 = 0`` with penalised deviance `D_p` (Wood 2011, JRSS B 73, 3-36, eq. 4). For
    the inverse Gaussian and the Gaussian, `h_i = 1/2`; for the gamma, ``h_i = v_i (log v_i - psi(v_i))`` with ``v_i = w_i /
    phi``. The sum over cells is the same function of `phi` for all genes and is tabulated once.
    """

    def __init__(self, family: Family, weights: np.ndarray, n_unpenalized: int):
        self.n_unpenalized = n_unpenalized
        self.table = None
        self.n_cells = len(weights)
        if family.name == "gamma":
            knots = np.linspace(*_LOG_RANGE, _N_KNOTS)
            unique, counts = np.unique(weights, return_counts=True)
            shapes = unique * np.exp(-knots)[:, None]
            self.table = CubicSpline(knots, (shapes * (np.log(shapes) - digamma(shapes))) @ counts)

    def solve(self, deviance: np.ndarray) -> np.ndarray:
        """Return the scale `(n_genes,)` for penalised deviances `(n_genes,)`."""
        deviance = np.maximum(np.nan_to_num(deviance, posinf=1e300), 1e-300)
        if self.table is None:
            return self.of_working_model(deviance)
        low, high = np.full(len(deviance), _LOG_RANGE[0]), np.full(len(deviance), _LOG_RANGE[1])
        for _ in range(_N_BISECTIONS):
            middle = 0.5 * (low + high)
            too_small = -0.5 * deviance * np.exp(-middle) + self.table(middle) - 0.5 * self.n_unpenalized < 0
            low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
        return np.exp(0.5 * (low + high))

    def of_working_model(self, deviance: np.ndarray) -> np.ndarray:
        """Return the scale of the Gaussian working model from its penalised Pearson statistic (Breslow & Clayton 1993)."""
        return np.maximum(deviance, 1e-300) / max(self.n_cells - self.n_unpenalized, 1)
