"""Penalised likelihood problems of non-Gaussian families, batched over genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...families import Family
from ...links import Link
from . import size
from .grouped_design import GroupedDesign
from .scale import ScaleEquation


@dataclass(frozen=True)
class Likelihood:
    """Likelihood to be maximised: family, link and their options.

    family, link : The exponential family and its link.
    expectile : Level of expectile regression, or `None`.
    dispersion : `"gene"`, `"shrunk"` or a fixed dispersion `1 / theta` of the negative binomial.
    max_iter : Maximum number of iterations.
    """

    family: Family
    link: Link
    expectile: float | None = None
    dispersion: str | float = "gene"
    max_iter: int = 100

    @property
    def closed_form(self) -> bool:
        """Whether the fit has a closed form."""
        return self.family.name == "gaussian" and self.link.name == "identity" and self.expectile is None

    @property
    def estimates_size(self) -> bool:
        """Whether sizes of the negative binomial are estimated."""
        return self.family.name == "negative_binomial" and isinstance(self.dispersion, str)

    def fixed_size(self) -> float:
        """Return theta if it is not estimated (not used by other families)."""
        number = not isinstance(self.dispersion, str) and self.dispersion > 0
        return 1.0 / self.dispersion if number else size.MOST

    def impossible(self, eta: np.ndarray, mu: np.ndarray) -> Any:
        """Return which genes `(n_genes,)` have a predictor or mean that link or family cannot have, `False` for none."""
        if self.link.name in ("log", "logit"):
            return False if self.family.highest == np.inf or self.link.name == "logit" else (mu >= 1).any(axis=0)
        outside = (eta < self.link.lower) | (eta > self.link.upper)
        if self.family.name != "gaussian":
            outside |= (mu <= self.family.lowest) | (mu >= self.family.highest)
        return outside.any(axis=0)

    def asymmetry(self, y: np.ndarray, mu: np.ndarray) -> Any:
        """Return the weight of each residual in expectile regression, 1 otherwise.

        References
        ----------
        Newey & Powell (1987). Asymmetric least squares estimation and testing. Econometrica 55, 819-847.
        """
        return 1.0 if self.expectile is None else np.where(y > mu, self.expectile, 1.0 - self.expectile)

    def loss(self, y, mu, theta, weights) -> np.ndarray:
        """Return the weighted deviance of each gene up to a constant, `(n_genes,)`."""
        values = self.family.loss(y, mu, theta)
        return weights @ (values if self.expectile is None else values * self.asymmetry(y, mu))


@dataclass(frozen=True)
class Problem:
    """Quantities shared by all genes in an iterative fit, with rows in the order of the grouped design."""

    grouped: GroupedDesign
    penalty: np.ndarray
    penalty_root: np.ndarray  # R with R'R = S; |R b|^2 is more precise than b'Sb for huge lambda
    constant: np.ndarray | None
    n_unpenalized: int
    weights: np.ndarray
    offset: np.ndarray  # (n_cells, 1), zeros without one
    likelihood: Likelihood
    smoothing: str | float
    scale_equation: ScaleEquation | None  # for families with unknown scale


@dataclass
class State:
    """Current state of the fits of some genes: arrays `(n_cells, n_genes)`, `(n_columns, n_genes)` or `(n_genes,)`."""

    genes: np.ndarray
    y: np.ndarray
    mu: np.ndarray
    eta: np.ndarray
    coefficients: np.ndarray
    lambda_: np.ndarray
    theta: np.ndarray
    scale: np.ndarray  # NaN until estimated
    quasi: np.ndarray  # whether the gene has values without a likelihood
    information: np.ndarray  # about log theta
    converged: np.ndarray
    n_iter: int
    table: size.DistinctCounts | None

    def take(self, chosen: np.ndarray) -> State:
        """Return the state of some genes, by mask."""
        if chosen.all():
            return self
        arrays = {
            name: getattr(self, name)[..., chosen]
            for name in (
                "genes",
                "y",
                "mu",
                "eta",
                "coefficients",
                "lambda_",
                "theta",
                "scale",
                "quasi",
                "information",
                "converged",
            )
        }
        return State(
            **arrays,
            n_iter=self.n_iter,
            table=None if self.table is None else self.table.subset(np.flatnonzero(chosen)),
        )
