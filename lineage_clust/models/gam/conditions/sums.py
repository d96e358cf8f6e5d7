"""Sums over the cells of every sample, arranged for the curves of several conditions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from ....utils.matrices import dense
from ..design import Design
from ..donors.bases import DETERMINED, random_columns
from ..donors.curves import DonorSums
from ..donors.pairs import Pairs
from ..smoothing.spectral import diagonalise

_RIDGE = 1e-8


@dataclass(frozen=True)
class Arms:
    """Assignment of samples to conditions and donors, and the contrasts between conditions.

    The curve of condition `c` is ``m + sum_k contrasts[c, k] d_k``, where `m` is the mean of the curves of all
    conditions.

    condition, donor : `(n_samples,)` codes from 0. A sample consists of the cells of one donor in one condition.
    contrasts : `(n_conditions, n_conditions - 1)`, orthonormal columns with sum zero.
    """

    condition: np.ndarray
    donor: np.ndarray
    contrasts: np.ndarray

    @property
    def n_conditions(self) -> int:
        """Number of conditions."""
        return len(self.contrasts)

    @property
    def is_paired(self) -> bool:
        """Whether any donor is in more than one condition."""
        return len(np.unique(self.donor)) < len(self.donor)

    @property
    def pairs(self) -> Pairs:
        """Assignment of samples to donors."""
        return Pairs(self.condition, self.donor, self.n_conditions)

    def curve(self, condition: int) -> np.ndarray:
        """Return the factors `(n_conditions,)` of the mean and of the differences in a condition's curve."""
        return np.r_[1.0, self.contrasts[condition]]

    def rows(self, basis, condition: int, n_covariates: int = 0) -> np.ndarray:
        """Return rows `(n_rows, n_columns)` that map coefficients to a condition's curve with covariates at 0."""
        basis = dense(basis)
        return np.hstack([np.kron(self.curve(condition)[None], basis), np.zeros((len(basis), n_covariates))])


def make_arms(condition: np.ndarray, donor: np.ndarray) -> Arms:
    """Return the Arms of samples with the given codes of conditions and donors.

    >>> arms = make_arms(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]))
    >>> arms.contrasts.round(3).tolist(), arms.is_paired
    ([[-0.707], [0.707]], False)
    """
    return Arms(condition, donor, linalg.helmert(int(condition.max()) + 1).T * -1.0)


@dataclass(frozen=True)
class ConditionSums:
    """Sufficient statistics of the curves of conditions and of the samples' deviations from them.

    by_sample : Sums with samples treated as uncorrelated.
    arms : Assignment of samples to conditions and donors.
    penalty : `(n_smooth, n_smooth)` penalty of one curve.
    inner : `(n_smooth, n_smooth)` matrix `H`: ``d'Hd`` is the sum of squares of a difference over the cells that inform
        it.
    constant : `(n_smooth,)` coefficients of the constant function 1.
    n_covariates : Number of covariate columns, after those of the curves.
    """

    by_sample: DonorSums
    arms: Arms
    penalty: np.ndarray
    inner: np.ndarray
    constant: np.ndarray
    n_covariates: int

    def full_penalty(self, ratio: float = 1.0) -> np.ndarray:
        """Return the penalty `(n_columns, n_columns)` of all curves; that of the differences is multiplied by `ratio`."""
        return _full_penalty(self.penalty, self.arms.n_conditions, self.n_covariates, ratio)

    def by_donor(self) -> DonorSums:
        """Return the sums per donor, over all samples of the donor."""
        return self.arms.pairs.joined(self.by_sample)


def condition_sums(
    design: Design, grams: np.ndarray, products: np.ndarray, sample_products: np.ndarray, squares: np.ndarray,
    arms: Arms, n_cells: float,
) -> ConditionSums:  # fmt: skip
    """Return ConditionSums from sums over the columns of a plain design: one curve and covariates.

    design : Design of all cells; its smooth contains the constant.
    grams : `Z_s'WZ_s`, `(n_samples, n_columns, n_columns)`.
    products, sample_products : `Z'Wy`, `(n_columns, n_genes)`, and `Z_s'Wy`, `(n_samples, n_columns, n_genes)`; the
        covariate columns of the latter are not used.
    squares : `y'Wy`, `(n_genes,)`.
    arms : Assignment of samples to conditions and donors.
    n_cells : Effective number of cells, to which the weights are scaled to sum.
    """
    n_smooth, n_covariates = design.n_smooth, len(design.penalty) - design.n_smooth
    penalty = design.penalty[:n_smooth, :n_smooth]
    wide = [widened(arms.curve(condition), n_smooth, n_covariates) for condition in arms.condition]
    gram = sum(one.T @ own @ one for one, own in zip(wide, grams, strict=True))
    whole = np.concatenate([
        sum(
            np.kron(arms.curve(condition)[:, None], own[:n_smooth])
            for condition, own in zip(arms.condition, sample_products, strict=True)
        ),
        products[n_smooth:],
    ])  # fmt: skip
    by_condition = np.zeros((arms.n_conditions, n_smooth, n_smooth))
    np.add.at(by_condition, arms.condition, grams[:, :n_smooth, :n_smooth])
    assert design.constant is not None
    spectrum = diagonalise(gram, _full_penalty(penalty, arms.n_conditions, n_covariates, 1.0))
    shares = spectrum.gram[:, 0]
    fixed = spectrum.basis * np.sqrt(n_cells / np.maximum(shares, DETERMINED))
    random = random_columns(design, grams.sum(axis=0), n_cells)
    cross = np.stack([random.T @ own @ one @ fixed for one, own in zip(wide, grams, strict=True)])
    own = random.T @ grams @ random
    by_sample = DonorSums(
        fixed, random, (fixed.T @ gram @ fixed)[None], cross[None], own[None], (fixed.T @ whole)[None],
        np.einsum("cr,scg->srg", random, sample_products, optimize=True)[None], squares[None], n_cells,
        int(np.sum(shares > DETERMINED)), own.sum(axis=0)[0, 1:] / n_cells,
    )  # fmt: skip
    return ConditionSums(by_sample, arms, penalty, _inner(by_condition), design.constant[:n_smooth], n_covariates)


def _full_penalty(penalty: np.ndarray, n_conditions: int, n_covariates: int, ratio: float) -> np.ndarray:
    factors = np.r_[float(n_conditions), np.full(n_conditions - 1, ratio)]
    return np.pad(np.kron(np.diag(factors), penalty), (0, n_covariates))


def widened(curve: np.ndarray, n_smooth: int, n_covariates: int) -> np.ndarray:
    """Return the map from mean, differences and covariates to the columns of the plain design, for one condition."""
    return linalg.block_diag(np.kron(curve[None], np.eye(n_smooth)), np.eye(n_covariates))


def _inner(grams: np.ndarray) -> np.ndarray:
    """Return the harmonic mean of the conditions' gram matrices, which is small where a condition has no cells.

    References
    ----------
    Li, Morgan & Zaslavsky (2018). Balancing covariates via propensity score weighting. JASA 113, 390-400: overlap weights.
    """
    ridge = _RIDGE * np.trace(grams.sum(axis=0)) / grams.shape[1] * np.eye(grams.shape[1])
    inner = len(grams) * np.linalg.inv(sum(np.linalg.inv(gram + ridge) for gram in grams))
    return 0.5 * (inner + inner.T)
