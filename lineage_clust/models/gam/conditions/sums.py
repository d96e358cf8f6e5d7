"""Sums over the cells of every sample, arranged for the curves of several conditions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from ..design import Design
from ..donors.bases import random_columns, scaled_basis
from ..donors.curves import DonorSums
from ..donors.samples import Samples
from ..smoothing.spectral import diagonalise

_RIDGE = 1e-8


@dataclass(frozen=True)
class ConditionSums:
    """Sufficient statistics of the curves of conditions and of the samples' deviations from them.

    by_sample : Sums with samples treated as uncorrelated.
    penalty, constant : Penalty of one curve, and coefficients of the constant function 1.
    inner : `(n_smooth, n_smooth)` matrix `H`: ``d'Hd`` is the sum of squares of a difference over the cells that inform
        it.
    n_covariates : Number of covariate columns, after those of the curves.
    """

    by_sample: DonorSums
    samples: Samples
    penalty: np.ndarray
    inner: np.ndarray
    constant: np.ndarray
    n_covariates: int

    def full_penalty(self, ratio: float = 1.0) -> np.ndarray:
        """Return the penalty `(n_columns, n_columns)` of all curves; that of the differences is multiplied by `ratio`."""
        return _full_penalty(self.penalty, self.samples.n_conditions, self.n_covariates, ratio)

    def by_donor(self) -> DonorSums:
        """Return the sums per donor, over all samples of the donor."""
        return self.samples.joined(self.by_sample)


def condition_sums(
    design: Design, grams: np.ndarray, products: np.ndarray, sample_products: np.ndarray, squares: np.ndarray,
    samples: Samples, n_cells: float,
) -> ConditionSums:  # fmt: skip
    """Return ConditionSums from sums over the columns of a plain design: one curve, with the constant, and covariates.

    The sums are as in :func:`lineage_clust.models.gam.donors.bases.donor_sums`, by sample; weights sum to `n_cells`.
    """
    n_smooth, n_covariates = design.n_smooth, len(design.penalty) - design.n_smooth
    penalty = design.penalty[:n_smooth, :n_smooth]
    wide = [widened(samples.curve(condition), n_smooth, n_covariates) for condition in samples.condition]
    gram = sum(one.T @ part @ one for one, part in zip(wide, grams, strict=True))
    whole = np.concatenate([
        sum(
            np.kron(samples.curve(condition)[:, None], part[:n_smooth])
            for condition, part in zip(samples.condition, sample_products, strict=True)
        ),
        products[n_smooth:],
    ])  # fmt: skip
    by_condition = np.zeros((samples.n_conditions, n_smooth, n_smooth))
    np.add.at(by_condition, samples.condition, grams[:, :n_smooth, :n_smooth])
    assert design.constant is not None
    spectrum = diagonalise(gram, _full_penalty(penalty, samples.n_conditions, n_covariates, 1.0))
    fixed, n_determined = scaled_basis(spectrum, n_cells)
    random = random_columns(design, grams.sum(axis=0), n_cells)
    cross = np.stack([random.T @ part @ one @ fixed for one, part in zip(wide, grams, strict=True)])
    donor_grams = random.T @ grams @ random
    by_sample = DonorSums(
        fixed, random, (fixed.T @ gram @ fixed)[None], cross[None], donor_grams[None], (fixed.T @ whole)[None],
        np.einsum("cr,scg->srg", random, sample_products, optimize=True)[None], squares[None], n_cells,
        n_determined, donor_grams.sum(axis=0)[0, 1:] / n_cells,
    )  # fmt: skip
    return ConditionSums(by_sample, samples, penalty, _inner(by_condition), design.constant[:n_smooth], n_covariates)


def _full_penalty(penalty: np.ndarray, n_conditions: int, n_covariates: int, ratio: float) -> np.ndarray:
    factors = np.r_[float(n_conditions), np.full(n_conditions - 1, ratio)]
    return np.pad(np.kron(np.diag(factors), penalty), (0, n_covariates))


def widened(curve: np.ndarray, n_smooth: int, n_covariates: int) -> np.ndarray:
    """Return the map from mean, differences and covariates to the columns of the plain design, for one condition."""
    return linalg.block_diag(np.kron(curve[None], np.eye(n_smooth)), np.eye(n_covariates))


def _inner(grams: np.ndarray) -> np.ndarray:
    """Return the harmonic mean of the conditions' gram matrices, which is small where a condition has no cells.

    These are overlap weights: Li, Morgan & Zaslavsky (2018), JASA 113, 390-400.
    """
    ridge = _RIDGE * np.trace(grams.sum(axis=0)) / grams.shape[1] * np.eye(grams.shape[1])
    inner = len(grams) * np.linalg.inv(sum(np.linalg.inv(gram + ridge) for gram in grams))
    return 0.5 * (inner + inner.T)
