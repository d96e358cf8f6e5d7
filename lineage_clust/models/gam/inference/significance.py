"""Wood's (2013) tests of smooth terms, and of smooth terms that are penalised as a whole."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy import special

from ....utils.compiling import compiled_module
from ....utils.matrices import chunks
from ....utils.threads import few_threads, in_threads
from ..design import Design
from ..smoothing.spectral import diagonalise
from .posterior import GenePosterior, SharedPosterior
from .weighted_tails import weighted_tail

load_compiled = compiled_module("..smoothing.compiled_algebra", __package__)

_CHUNK = 256  # genes per chunk
_NEGLIGIBLE = 30.0  # difference of logarithms
_N_RADIAL, _N_ANGULAR = 5, 8  # relative error below 1e-3 down to p = 1e-12


@dataclass(frozen=True)
class SmoothTests:
    """Input of the tests of the centred smooths; the tests take longer than a Gaussian fit, so that they run on request.

    effects : `(n_genes, n)` smooths in coordinates in which their weighted sum of squares over the cells is Euclidean.
    to_effects : Map from coefficients to these coordinates, `(n, n_columns)`, or one per gene.
    rank, residual_df, factors : `(n_genes,)` each, see :func:`smooth_test`.
    varies : `(n_genes,)` whether expression varies, in enough cells for a test.
    failed : Positions of genes without a fit.
    fast : Whether to use compiled loops, see :func:`along_modes`.
    others : Positions of genes, and further tests of them: each gets the test with the larger p-value.
    metric : `(n_genes, n)` if smooths are penalised as a whole, see :func:`is_penalised`. The tests are then those of
        :func:`penalised_test`, with squares of effects multiplied by it, and the posterior has sampling covariances.
    """

    effects: np.ndarray
    to_effects: np.ndarray
    posterior: SharedPosterior | GenePosterior
    rank: np.ndarray
    residual_df: np.ndarray | None
    varies: np.ndarray
    failed: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    fast: bool = False
    factors: np.ndarray | None = None
    others: tuple[np.ndarray, SmoothTests] | None = None
    metric: np.ndarray | None = None

    def take(self, genes: np.ndarray) -> SmoothTests:
        """Return the tests of some genes that have a fit and share one map to effects."""
        df, factors, metric = (
            None if of is None else of[genes] for of in (self.residual_df, self.factors, self.metric)
        )
        return SmoothTests(
            self.effects[genes], self.to_effects, self.posterior.take(genes), self.rank[genes], df, self.varies[genes],
            fast=self.fast, factors=factors, metric=metric,
        )  # fmt: skip

    def run(self) -> tuple[np.ndarray, np.ndarray]:
        """Return statistics and p-values: 0 and 1 where expression does not vary, NaN for genes without a fit."""
        statistic, pvalue = np.zeros(len(self.effects)), np.ones(len(self.effects))
        varying = np.flatnonzero(self.varies & (self.effects.shape[1] > 0))

        def test(genes: np.ndarray) -> None:
            rows = self.to_effects if self.to_effects.ndim == 2 else self.to_effects[genes]
            covariances, effects = self.posterior.covariances(rows, genes), self.effects[genes]
            if self.metric is not None:
                root = np.sqrt(self.metric[genes])
                covariances, effects = covariances * (root[:, :, None] * root[:, None, :]), effects * root
            modes = along_modes(covariances, effects, self.fast)
            df, factors = (None if of is None else of[genes] for of in (self.residual_df, self.factors))
            if self.metric is not None:
                statistic[genes], pvalue[genes] = penalised_test(*modes, df, factors)
            else:
                statistic[genes], pvalue[genes] = smooth_test(*modes, self.rank[genes], df, factors)

        parts = [varying[some] for some in chunks(len(varying), _CHUNK)]
        with few_threads(0):  # threads of linear algebra would compete with these
            deque(in_threads(test, parts), maxlen=0)
        if self.others is not None:
            genes, tests = self.others
            other_statistic, other_pvalue = tests.run()
            larger = other_pvalue > pvalue[genes]
            statistic[genes[larger]], pvalue[genes[larger]] = other_statistic[larger], other_pvalue[larger]
        statistic[self.failed] = pvalue[self.failed] = np.nan
        return statistic, pvalue


def is_penalised(design: Design, gram: np.ndarray) -> bool:
    """Return whether the penalty of the smooth is zero for constants only; `gram` is that of the design.

    Such are cyclic splines, penalties of first differences, and Gaussian processes.
    """
    if not design.penalty.any():
        return False
    own = slice(design.n_smooth)
    n_free = diagonalise(gram[own, own], design.penalty[own, own]).n_unpenalized
    return n_free <= (design.constant is not None and not design.has_intercept)


def run_smooth_tests(
    design: Design, to_effects, coefficients, covariances, rank, residual_df, varies, fast: bool = False,
    penalised: bool = False,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Test the smooths of genes that have a covariance matrix each; return statistics and p-values.

    `rank` are effective degrees of freedom of all columns; without `residual_df`, the scale is known.
    """
    effects = np.einsum("guc,cg->gu", to_effects, np.nan_to_num(coefficients))
    rank = rank - (len(design.penalty) - design.n_smooth + (not design.has_intercept))
    residual_df = None if residual_df is None else np.maximum(residual_df, 1.0)
    posterior = GenePosterior(np.nan_to_num(covariances))
    return SmoothTests(
        effects, to_effects, posterior, rank, residual_df, varies, fast=fast,
        metric=np.ones_like(effects) if penalised else None,
    ).run()  # fmt: skip


def penalised_test(
    values: np.ndarray, scores: np.ndarray, residual_df: np.ndarray | None, factors: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Test the hypothesis that a smooth is zero that is penalised as a whole; return statistics and p-values `(n_genes,)`.

    All effects `u` are shrunken to zero, much more than their Bayesian covariance, by which :func:`smooth_test` divides: of
    flat genes, only 1 % would have p < .05. The statistic is therefore ``b'(A + lambda S)b`` with the coefficients `b` of the
    smooth, from which constants and covariates are projected out, and effects `u` are such that it is `u'u`. Under the null
    hypothesis, it is a sum of squared normals weighted by the eigenvalues `v` of the sampling covariance of `u` (Wood
    2013, A simple test for random effects in regression models, Biometrika 100, 1005-1010), as in mgcv. It is returned
    as ``u'u sum(v) / sum(v^2)``, which has the first two moments of a chi-square with ``sum(v)^2 / sum(v^2)`` degrees of
    freedom. For the arguments see :func:`smooth_test`.
    """
    values = np.maximum(values, 0.0)
    largest = values[:, :1]
    weights = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    square = np.divide((scores**2).sum(axis=1), largest[:, 0], out=np.zeros(len(values)), where=largest[:, 0] > 0)
    weights[largest[:, 0] <= 0, 0] = 1.0
    total, squares = weights.sum(axis=1), (weights**2).sum(axis=1)
    statistic = square * total / squares
    pvalue = weighted_tail(square, weights.T, np.inf if residual_df is None else residual_df)
    if factors is not None:
        pvalue = with_variance(pvalue, statistic, total**2 / squares, factors, residual_df)
    return statistic, np.minimum(pvalue, 1.0)


def smooth_test(
    values: np.ndarray, scores: np.ndarray, rank: np.ndarray, residual_df: np.ndarray | None,
    factors: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Test the hypothesis that a centred smooth is zero, batched over genes; return statistics and p-values.

    values, scores : `(n_genes, n)` each, as returned by :func:`along_modes`: eigenvalues of the covariance `V` of the
        effects `u` in decreasing order, and the components of `u` along the eigenvectors.
    rank : `(n_genes,)` effective degrees of freedom of the smooth, `2 tr F - tr FF`, without the intercept.
    residual_df : `(n_genes,)` for an estimated scale (F), or `None` for a known one (chi-square).
    factors : `(n_genes,)` factors `c` by which the variance of the statistic exceeds that for normal expression, see
        :mod:`lineage_clust.models.gam.inference.kurtosis`, and :func:`with_variance`.

    The statistic is `u' V^(r-) u`, with a pseudo-inverse of `V` of fractional rank `r`: its leading `k - 1` modes enter
    fully, and modes `k` and `k + 1` through the 2 x 2 matrix `[[1, b], [b, nu]]`, `nu = r - k`, `b^2 = nu (1 - nu) / 2`
    (Wood 2013, Biometrika 100, 221-228, section 2). Statistic and p-value are averaged over the two signs of `b`; mgcv uses
    one of the two, which depends on the arbitrary signs of the eigenvectors. Under the null hypothesis each of the two is a
    weighted sum of squared normals with weights 1 (`k - 1` times) and the eigenvalues of that matrix. Its tail is an
    integral of F or chi-square tails over the direction of these normals. All terms of the quadrature are positive, so that
    small p-values keep their relative accuracy.
    """
    usable, rank = usable_rank(values, rank)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.where(usable, scores / np.sqrt(values), 0.0)
    whole = np.maximum(np.floor(rank).astype(int), 1)
    part = np.maximum(rank - whole, 0.0)
    square = np.cumsum(scores**2, axis=1)
    index = np.arange(len(rank))
    last, following = whole - 1, np.minimum(whole, scores.shape[1] - 1)
    base = square[index, last] + part * scores[index, following] ** 2
    cross = 2 * np.sqrt(0.5 * part * (1 - part)) * scores[index, last] * scores[index, following]
    df = None if residual_df is None else np.r_[residual_df, residual_df]
    tails = _tail(np.r_[base + cross, base - cross], np.r_[whole, whole], np.r_[part, part], df)
    pvalue = 0.5 * (tails[: len(rank)] + tails[len(rank) :])
    if factors is not None:
        pvalue = with_variance(pvalue, base, rank, factors, residual_df)
    return base, np.where(usable.any(axis=1), np.minimum(pvalue, 1.0), 1.0)


def with_variance(pvalue: np.ndarray, statistic, rank, factors: np.ndarray, residual_df=None) -> np.ndarray:
    """Return p-values multiplied by the ratio of tails with `rank / factors` and with `rank` degrees of freedom."""
    plain = _upper_tail(statistic, rank, residual_df)
    wider = _upper_tail(statistic / factors, rank / factors, residual_df)
    return np.where(plain > 0, pvalue * (wider / np.where(plain > 0, plain, 1.0)), wider)


def usable_rank(values: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which eigenvalues `(n_genes, n)`, in decreasing order, are not rounding errors, and the rank of the test."""
    usable = values > values[:, :1] * np.finfo(float).eps ** 0.9
    rank = np.minimum(np.maximum(rank, 1.0), usable.sum(axis=1))
    return usable, np.where(np.abs(rank - np.round(rank)) < 1e-4, np.round(rank), rank)


def along_modes(covariances: np.ndarray, effects: np.ndarray, fast: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues in decreasing order, and the effects' components along the eigenvectors, `(n_genes, n)` each.

    Compiled loops are worthwhile for very many genes, or if numba is loaded anyway.
    """
    functions = load_compiled() if fast else None
    if functions is not None:
        values, scores = np.empty(effects.shape), np.empty(effects.shape)
        if functions.project(covariances, effects, values, scores):
            return values, scores
    values, vectors = np.linalg.eigh(covariances)
    return values[:, ::-1], np.einsum("gij,gi->gj", vectors, effects)[:, ::-1]


def _tail(statistic: np.ndarray, whole: np.ndarray, part: np.ndarray, residual_df: np.ndarray | None) -> np.ndarray:
    """Return `P(sum of weighted squared normals > statistic)` for `whole - 1` weights of 1 and two others, `(n_genes,)`."""
    whole = np.broadcast_to(whole, statistic.shape)
    tails, genes = _upper_tail(statistic, whole, residual_df), np.flatnonzero(part > 0)
    if len(genes) == 0:
        return tails
    df, part, whole = None if residual_df is None else residual_df[genes], part[genes], whole[genes]
    spread = np.sqrt((1 + part) * (1 - part))
    larger, smaller = (1 + part + spread) / 2, (1 + part - spread) / 2
    cosines = np.cos(np.pi * (np.arange(_N_ANGULAR) + 0.5) / _N_ANGULAR)  # Gauss-Chebyshev: uniform angles
    kinds, kind = np.unique(whole - 1, return_inverse=True)
    shares, weights = (np.stack(both)[kind].T for both in zip(*map(_radial_nodes, kinds.tolist()), strict=True))
    plane = 0.5 * (larger + smaller) + 0.5 * cosines[:, None] * (larger - smaller)
    length = 1 - shares[:, None] * (1 - plane)  # (radial, angular, gene)
    every = _upper_tails(statistic[genes] / length, whole + 1, df)
    tails[genes] = np.einsum("rag,rg->g", every, weights) / _N_ANGULAR
    return tails


def _upper_tails(statistic: np.ndarray, df: np.ndarray, residual_df: np.ndarray | None) -> np.ndarray:
    """Return upper tails `(radial, angular, gene)`, without those that are negligible beside the largest of a gene.

    The logarithm of a tail is close to that of the density.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size = (df / 2 - 1) * np.log(statistic)
    size -= statistic / 2 if residual_df is None else (df + residual_df) / 2 * np.log1p(statistic / residual_df)
    needed = ~(size < size.max(axis=(0, 1)) - _NEGLIGIBLE)
    tails, gene = np.zeros(statistic.shape), np.nonzero(needed)[2]
    tails[needed] = _upper_tail(statistic[needed], df[gene], None if residual_df is None else residual_df[gene])
    return tails


def _upper_tail(statistic: np.ndarray, df: np.ndarray, residual_df: np.ndarray | None) -> np.ndarray:
    """Return the upper tail of chi-square, or of `df` times F."""
    return special.chdtrc(df, statistic) if residual_df is None else special.fdtrc(df, residual_df, statistic / df)


@cache
def _radial_nodes(ones: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of the quadrature over the fraction of the squared length that lies in the plane.

    Its distribution is Beta(1, ones / 2): the plane belongs to the two weights other than 1, and `ones` weights are 1.
    """
    if ones == 0:
        return np.ones(_N_RADIAL), np.eye(_N_RADIAL)[0]
    nodes, weights = special.roots_jacobi(_N_RADIAL, ones / 2 - 1, 0.0)
    return (1 + nodes) / 2, weights / weights.sum()
