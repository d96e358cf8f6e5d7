"""Exponential families: the distribution of expression around its mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from .links import LINKS

_LARGEST = 1e150


@dataclass(frozen=True)
class Family:
    """A distribution of the response, by its variance function and deviance.

    known_scale : Whether the scale is 1 (counts) or estimated.
    lowest, highest : Range of the response; genes with values outside fail.
    """

    name: str
    default_link: str
    known_scale: bool
    lowest: float
    highest: float = np.inf

    def variance(self, mu: np.ndarray, theta: np.ndarray | None = None) -> np.ndarray:
        """Return the variance function `V(mu)`; `theta` is the size of the negative binomial."""
        if self.name == "poisson":
            return mu
        if self.name == "negative_binomial":
            return mu + mu**2 / theta
        if self.name == "gamma":
            return mu**2
        if self.name == "inverse_gaussian":
            return mu**3
        return mu * (1.0 - mu) if self.name == "binomial" else np.ones_like(mu)

    def loss(
        self,
        y: np.ndarray,
        mu: np.ndarray,
        theta: np.ndarray | None = None,
        weight=1.0,
        log_mu: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the deviance of each value without the part that does not depend on the mean.

        It is finite for zeros in all families and is minimised by the iterations. With a `weight` it is the sum over
        values with the same mean, where `y` is their weighted sum and `weight` the sum of their weights (a single value
        for the Gaussian family). `log_mu` is the log mean, if known.
        """
        if self.name == "poisson":
            return 2 * (weight * mu - y * (np.log(mu) if log_mu is None else log_mu))
        if self.name == "negative_binomial":
            return 2 * ((y + weight * theta) * np.log(mu + theta) - y * (np.log(mu) if log_mu is None else log_mu))
        if self.name == "gamma":
            return 2 * (weight * np.log(mu) + y / mu)
        if self.name == "inverse_gaussian":
            return y / mu**2 - 2 * weight / mu
        if self.name == "binomial":
            return -2 * (y * np.log(mu) + (weight - y) * np.log(1 - mu))
        return weight * (y / weight - mu) ** 2

    def least_loss(self, y: np.ndarray, theta: np.ndarray | None = None) -> np.ndarray:
        """Return the loss at `mu = y`: the deviance is the loss minus this value."""
        if self.name == "poisson":
            return 2 * (y - xlogy(y, y))
        if self.name == "negative_binomial":
            return 2 * ((y + theta) * np.log(y + theta) - xlogy(y, y))
        if self.name == "gamma":
            return 2 * (np.log(y) + 1)
        if self.name == "inverse_gaussian":
            return -1 / y
        return -2 * (xlogy(y, y) + xlogy(1 - y, 1 - y)) if self.name == "binomial" else np.zeros_like(y)

    @property
    def positive(self) -> bool:
        """Whether a value of zero has no likelihood for any mean."""
        return self.name in ("gamma", "inverse_gaussian")

    def without_likelihood(self, y: np.ndarray) -> np.ndarray:
        """Return which genes contain zeros outside the support of the family; they are fitted by quasi-likelihood."""
        return np.asarray((y <= 0).any(axis=0)) if self.positive else np.zeros(y.shape[1], dtype=bool)

    def best_loss(self, y: np.ndarray, level: np.ndarray, theta: np.ndarray | None = None) -> np.ndarray:
        """Return the loss relative to which a deviance is reported, for genes with mean `level`.

        It is the minimum of the loss of each value. For zeros under a gamma or inverse Gaussian there is no minimum;
        they are replaced by half of the smallest positive value of the gene, or by the gene's mean if that is smaller.
        """
        if not self.positive:
            return self.least_loss(y, theta)
        reached = np.minimum(self.floored(y), np.where(y > 0, np.inf, level))
        return np.where(y > 0, self.least_loss(reached), self.loss(np.zeros_like(y), reached))

    def floored(self, y: np.ndarray) -> np.ndarray:
        """Return values with unsupported zeros replaced by half of the smallest positive value of the gene."""
        if not self.positive:
            return y
        positive = np.where(y > 0, y, np.inf).min(axis=0)
        return np.maximum(y, 0.5 * np.where(np.isfinite(positive), positive, 1.0))

    def bounded(self, mu: np.ndarray, level: np.ndarray, link: str) -> np.ndarray:
        """Return starting means moved into the range of family and link; `level` is the mean of each gene."""
        if self.name == "binomial":
            return np.clip(mu, 0.02, 0.98)
        return mu if self.name == "gaussian" and link == "identity" else np.maximum(mu, 0.05 * level)

    def refuse(self, least: float, most: float, link: str) -> str | None:
        """Return why a gene with values from `least` to `most` cannot be fitted, or `None`."""
        if not (np.isfinite(least) and np.isfinite(most)):
            return "expression holds NaN or infinite values"
        if max(most, -least) > _LARGEST:
            return "expression so large that its squares overflow"
        if least < self.lowest or most > self.highest:
            allowed = "between 0 and 1" if self.name == "binomial" else "of at least 0"
            value = least if least < self.lowest else most
            return f"family {self.name!r} needs expression {allowed}; found {value:g}"
        if link in ("log", "logit") and most <= 0:
            return f"no expression in any cell: no finite trend under a {link} link"
        if link == "logit" and least >= 1:
            return "expression is 1 in every cell: no finite trend under a logit link"
        if link in ("inverse", "inv_squared") and most <= 0:
            return f"no expression in any cell: no finite trend under an {link} link"
        return None


FAMILIES = {
    "gaussian": Family("gaussian", "identity", False, -np.inf),
    "poisson": Family("poisson", "log", True, 0.0),
    "negative_binomial": Family("negative_binomial", "log", True, 0.0),
    "gamma": Family("gamma", "log", False, 0.0),
    "binomial": Family("binomial", "logit", True, 0.0, 1.0),
    "inverse_gaussian": Family("inverse_gaussian", "log", False, 0.0),
}


def check_family(family: object, link: object) -> None:
    """Raise a ValueError unless family and link are known."""
    if not isinstance(family, str) or family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}; got {family!r}.")
    if link is not None and (not isinstance(link, str) or link not in LINKS):
        raise ValueError(f"link must be None or one of {', '.join(LINKS)}; got {link!r}.")
