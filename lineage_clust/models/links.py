"""Link functions: between the mean of expression and the linear predictor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

_TINY = 1e-10


@dataclass(frozen=True)
class Link:
    """A link function `g`, with `eta = g(mu)`.

    name : As in pyGAM: "identity", "log", "logit", "inverse" or "inv_squared".
    lower, upper : Bounds of the linear predictor that keep the mean and its derivative finite.
    """

    name: str
    lower: float = -np.inf
    upper: float = np.inf

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        """Return `eta = g(mu)`."""
        if self.name == "identity":
            return mu
        if self.name == "log":
            return np.log(mu)
        if self.name == "logit":
            return logit(mu)
        return 1.0 / mu if self.name == "inverse" else 1.0 / mu**2

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return `mu`, the inverse of the link."""
        if self.name == "identity":
            return eta
        eta = np.clip(eta, self.lower, self.upper)
        if self.name == "log":
            return np.exp(eta)
        if self.name == "logit":
            return expit(eta)
        return 1.0 / eta if self.name == "inverse" else eta**-0.5

    def slope(self, mu: np.ndarray) -> np.ndarray:
        """Return `d mu / d eta`, as a function of the mean."""
        if self.name == "identity":
            return np.ones_like(mu)
        if self.name == "log":
            return mu
        if self.name == "logit":
            return mu * (1.0 - mu)
        return -(mu**2) if self.name == "inverse" else -0.5 * mu**3


LINKS = {
    "identity": Link("identity"),
    "log": Link("log", -100.0, 100.0),
    "logit": Link("logit", -30.0, 30.0),
    "inverse": Link("inverse", _TINY, 1 / _TINY),
    "inv_squared": Link("inv_squared", _TINY, 1 / _TINY),
}
