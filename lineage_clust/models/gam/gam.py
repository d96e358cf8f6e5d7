"""Generalised additive model, batched over genes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ...expression.passes import Fit, run_fits
from ...expression.storage.blocks import BlockedExpression
from ...utils.checking import check_seed
from ...utils.constraints import integer
from ...utils.matrices import dense
from ...utils.threads import few_threads
from ...utils.types import Matrix, Seed
from ..families import FAMILIES
from ..linked import LinkedModel
from ..links import LINKS
from . import checks
from .any_family import fit_family
from .design import make_design
from .estimates import store, subset
from .pirls.problem import Cells, Choices, Likelihood
from .pooled import PooledPosterior, fit_each, pool


class GAM(LinkedModel):
    """Generalised additive model of many genes, with a shared design and one smoothing parameter per gene.

    With a Gaussian family, the weighted Gram matrix of the design, the penalty and their common eigenvectors are the
    same for all genes. After one pass over the expression matrix and one small eigenproblem, the smoothing parameter,
    effective degrees of freedom, scale, covariance and test of every gene have closed forms. Without a penalty, the
    model is weighted least squares.

    Parameters
    ----------
    family : str, default="gaussian"
        Distribution of expression around the trend: "gaussian", "poisson", "negative_binomial", "gamma", "binomial" or
        "inverse_gaussian". Families other than the Gaussian are fitted iteratively, in batches of genes.
    link : {"identity", "log", "logit", "inverse", "inv_squared"}, default=None
        Link function; `None` = identity for the Gaussian family, logit for the binomial, log for the others.
    smoothing : {"reml", "gcv"} or float, default="reml"
        Criterion that selects the smoothing parameter of each gene (restricted maximum likelihood or generalised
        cross-validation), or one fixed non-negative value for all genes. With few cells, GCV can select curves that pass
        through all of them and oscillate in between: use fewer splines than cells.
    covariance : {"robust", "bayes", "cluster"}, default="robust"
        Covariance used for standard errors, intervals and tests. "bayes" is that of mgcv, in which weights are precisions.
        "robust" is also calibrated for degrees of membership such as fate probabilities. Its tests allow for the kurtosis
        of expression, so that p-values of rare genes are not too small (unless there is an offset). With unit weights, the
        standard errors of both are equal.
        "cluster" needs `groups`. It keeps the trend of the cells, with a cluster-robust covariance, gene by gene, and no
        model of the differences between donors (see
        :func:`lineage_clust.models.gam.donors.cluster_robust.gaussian_clusters`). It is for few genes, and has less power
        than the default with `groups`.
    fit_intercept : bool or "auto", default="auto"
        "auto" adds an intercept only if no unpenalised combination of the columns is constant (that of B-splines is).
    dispersion : {"gene", "shrunk"} or float, default="gene"
        Dispersion `1 / theta` of the negative binomial (variance `mu + mu^2 / theta`). "gene": estimated per gene by
        maximum likelihood. "shrunk": then shrunk towards its trend over the means of the genes. A number: fixed.
    expectile : float, default=None
        Level in (0, 1) of expectile regression with the Gaussian family; 0.5 gives the mean.
    discretize : bool or "auto", default="auto"
        Whether families other than the Gaussian are fitted from sums over a grid of pseudotime and offset, which need
        one pass over the expression. `False` fits the cells, which are read in every iteration. "auto" uses the grid for
        at least 2,000 cells, with at least five per node.
    tolerance : float, default=1e-3
        Largest error of a trend due to the grid, as a fraction of the range of the trend (or of its level, if that is
        larger). It determines the size of the grid. Genes with steeper trends are fitted from the cells.
    max_iter : int, default=100
        Maximum number of iterations for families other than the Gaussian.
    n_jobs : int, default=None
        Number of threads for non-Gaussian families. By default, all cores (or `OMP_NUM_THREADS`) for counts that are fitted
        from sums over a grid, otherwise one.

    Attributes
    ----------
    coef_ : ndarray of shape (n_genes, n_features) or (n_features,)
        Coefficients; NaN for genes that failed.
    intercept_ : ndarray of shape (n_genes,) or float
        Intercept; 0 if the design includes the constant.
    lambda_ : ndarray of shape (n_genes,)
        Smoothing parameters, in units of the penalty passed to `fit`.
    edf_ : ndarray of shape (n_genes,)
        Effective degrees of freedom, including the intercept.
    scale_ : ndarray of shape (n_genes,)
        Estimated residual variance: the weighted residual sum of squares divided by `n - edf` for "bayes" (as in mgcv),
        or by a bias-corrected `sum(w)` for "robust". 1 for counts; from Pearson residuals for the other families.
    theta_ : ndarray of shape (n_genes,)
        Size (inverse dispersion) of the negative binomial; only with that family.
    deviance_explained_ : ndarray of shape (n_genes,)
        Fraction of the weighted deviance around the weighted mean that the trend explains; with `groups`, around the
        mean of the trend, and 0 where it explains nothing.
    statistic_, pvalue_ : ndarray of shape (n_genes,)
        Wood's (2013) test that the centred smooth is zero. For penalties that are zero for constants only, his test of
        random effects (2013b), see :func:`lineage_clust.models.gam.inference.significance.penalised_test`. Gaussian fits
        compute them on first access. With `covariance="robust"` and cells as replicates, p-values that depend on single
        cells are larger than those of the statistic, see :func:`lineage_clust.models.gam.pirls.wald.bounded`.
    spread_ : ndarray of shape (n_genes,)
        Weighted standard deviation of expression minus the offset.
    shift_variance_, curve_variance_ : ndarray of shape (n_genes,)
        Variances between donors of the level of a gene, and of its curve around the level, averaged over the cells.
        Only with `groups`.
    n_iter_ : ndarray of int, shape (n_genes,)
        Number of iterations; 1 for the Gaussian family, which has a closed form.
    converged_ : ndarray of bool, shape (n_genes,)
        Whether coefficients, smoothing parameter and scale converged. Otherwise the p-value is NaN.
    note_ : list of str
        Remarks on genes: constant expression, few expressing cells, a trend that depends on one cell (Gaussian fits,
        see :func:`lineage_clust.models.gam.influence.remarks_on_single_cells`), overdispersed counts in a Poisson fit.
    failed_ : dict of int to str
        Reasons by position, for genes without a finite fit.
    n_features_in_ : int
        Number of columns of the design.

    See Also
    --------
    lineage_clust.smoothers.BSplineSmoother : Computes the design and the penalty.

    Notes
    -----
    For expression with many zeros, use "negative_binomial" (counts) or "gaussian" (log-normalised values). Under "gamma"
    and "inverse_gaussian", zeros have likelihood 0. Genes with zeros are then fitted by quasi-likelihood with Pearson's
    estimate of the scale. If no cell in an interval of pseudotime expresses such a gene, there may be no maximum, and the
    gene does not converge or fails.

    The REML criterion, profiled over the scale, is in :func:`lineage_clust.models.gam.smoothing.criteria.reml`, the
    covariances in :class:`lineage_clust.models.gam.inference.posterior.SharedPosterior`.

    References
    ----------
    Wood (2017). Generalized Additive Models: An Introduction with R, 2nd ed. Chapman & Hall.
    Eilers & Marx (1996). Flexible smoothing with B-splines and penalties. Statistical Science 11(2), 89-121.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.models import GAM
    >>> from lineage_clust.smoothers import BSplineSmoother
    >>> t = np.linspace(0, 1, 200)
    >>> y = np.column_stack([np.sin(5 * t), t]) + np.random.default_rng(0).normal(0, 0.1, (200, 2))
    >>> smoother = BSplineSmoother()
    >>> B = smoother.fit_transform(t[:, None])
    >>> gam = GAM().fit(B, y, penalty=smoother.penalty_)
    >>> trend, se = gam.predict(B, return_std=True)
    >>> trend.shape, bool(gam.edf_[0] > gam.edf_[1])
    ((200, 2), True)
    """

    reads = "design"
    takes_sparse_y = True
    reads_blocks = True
    fit_each, pool = staticmethod(fit_each), staticmethod(pool)

    _tests: Any  # statistics and p-values, or the tests that have not been run yet

    def __init__(
        self,
        family: str = "gaussian",
        link: str | None = None,
        *,
        smoothing: str | float = "reml",
        covariance: str = "robust",
        fit_intercept: bool | str = "auto",
        dispersion: str | float = "gene",
        expectile: float | None = None,
        discretize: bool | str = "auto",
        tolerance: float = 1e-3,
        max_iter: int = 100,
        n_jobs: int | None = None,
    ):
        self.family = family
        self.link = link
        self.smoothing = smoothing
        self.covariance = covariance
        self.fit_intercept = fit_intercept
        self.dispersion = dispersion
        self.expectile = expectile
        self.discretize = discretize
        self.tolerance = tolerance
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    def fit(
        self,
        X: Matrix,
        y: Matrix,
        sample_weight: ArrayLike | None = None,
        penalty: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit a model for every column of `y` on the design `X`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_cells, n_features)
            Design.
        y : array-like or sparse matrix of shape (n_cells, n_genes) or (n_cells,)
            Expression. Sparse `y` is not densified; expression in a file is read in blocks. A gene with NaN or infinite
            values fails; the others are fitted.
        sample_weight : array-like of shape (n_cells,), default=None
            Weights; cells of weight 0 are ignored.
        penalty : ndarray of shape (n_smooth, n_smooth), default=None
            Penalty on the coefficients of the first `n_smooth` columns, which are the smooth; further columns are
            unpenalised covariates. `None` = no penalty, all columns are the smooth.
        offset : array-like of shape (n_cells,), default=None
            Known term of the linear predictor.
        groups : array-like of shape (n_cells,), default=None
            Donor (animal, patient, sample) of each cell; `None` = cells are the replicates. Donors are then the
            replicates: tests, errors, intervals and draws refer to the population of donors (see
            :func:`lineage_clust.models.gam.donors.gaussian.fit_donors` and, for other families,
            :func:`lineage_clust.models.gam.donors.glm.add_donors`). An expectile, or a link other than the identity
            (Gaussian), log or logit, raises an error.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or shape is invalid, no weight is positive, or there are fewer than four groups.
        NoTrendError
            If every gene fails (a `ValueError`).
        """
        with self._threads():
            return run_fits([self._fitting(X, y, sample_weight, penalty, offset, groups)])[0]

    @property
    def _options(self) -> tuple[Likelihood, Choices]:
        """Likelihood and options of the fit."""
        family = FAMILIES[self.family]
        link = LINKS[self.link or family.default_link]
        return (
            Likelihood(family, link, self.expectile, self.dispersion, self.max_iter),
            Choices(self.smoothing, self.covariance, self.discretize, self.tolerance, self.n_jobs),
        )

    def _threads(self) -> AbstractContextManager:
        """Return a context with few BLAS threads, which would compete with those that sum blocks."""
        closed_form = self.family == "gaussian" and self.link in (None, "identity") and self.expectile is None
        return few_threads(0 if closed_form else np.inf)

    def _fitting(self, X, y, sample_weight, penalty, offset, groups) -> Fit:
        checks.check_parameters(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64)
        y, single = checks.check_targets(y, X.shape[0])
        weights = checks.check_weights(sample_weight, X)
        penalty = checks.check_penalty(penalty, X.shape[1])
        offset = checks.check_offset(offset, X.shape[0])
        likelihood, choices = self._options
        self._link = likelihood.link
        groups = checks.check_groups(self, likelihood.link.name, groups, weights > 0)
        if likelihood.closed_form and not isinstance(y, BlockedExpression):
            y = BlockedExpression(y, keeps_totals=False)
        weights, X, y, offset = checks.of_used(weights, X, y, offset)
        keep_sparse = likelihood.closed_form or self.discretize is not False
        design = make_design(X, penalty, weights, self.fit_intercept, keep_sparse)
        result = yield from fit_family(Cells(design, weights, offset, likelihood, choices), y, groups)
        store(self, design, result, single)
        return self

    def sample(
        self, X: Matrix, n_draws: int = 1, random_state: Seed = None, unconditional: bool = False
    ) -> Iterator[np.ndarray]:
        """Yield posterior samples of the trends, on the response scale at offset 0.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Rows of the design.
        n_draws : int, default=1
            Number of posterior samples.
        random_state : int, RandomState or None
            Seed.
        unconditional : bool, default=False
            Whether to draw the smoothing parameters too, from their posterior under REML and a uniform prior for the
            effective degrees of freedom (the term is mgcv's), or that of the last working model (other families). With
            other values of `smoothing` and with `covariance="cluster"`, they are known; other families with `groups` and
            another covariance always include them to first order.

        Yields
        ------
        ndarray of shape (n_rows, n_genes)
            One posterior sample of all trends; NaN for genes that failed.

        Examples
        --------
        >>> import numpy as np
        >>> t = np.linspace(0, 1, 40)
        >>> gam = GAM().fit(np.column_stack([t, t**2]), np.sin(3 * t)[:, None])
        >>> [draw.shape for draw in gam.sample(np.array([[0.5, 0.25]]), n_draws=2, random_state=0)]
        [(1, 1), (1, 1)]
        """
        check_seed("random_state", random_state)
        integer(0).check("n_draws", n_draws)
        (eta, _), rows = self._predictor(X, False), self._rows(X)
        generator = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
        for deviations in self.posterior_.draws(generator, n_draws, unconditional):
            yield self._link.mean(eta + rows @ deviations)

    def take_genes(self, genes: Any) -> GAM:
        """Return a fitted GAM of some genes.

        Parameters
        ----------
        genes : sequence of int
            Positions.

        Returns
        -------
        GAM
        """
        check_is_fitted(self)
        return subset(self, genes)

    @property
    def statistic_(self) -> np.ndarray:
        """Statistics `(n_genes,)` of the tests, computed on first access."""
        return self._tested()[0]

    @property
    def pvalue_(self) -> np.ndarray:
        """P-values `(n_genes,)` of the tests, computed on first access."""
        return self._tested()[1]

    def _tested(self) -> tuple[np.ndarray, np.ndarray]:
        """Return statistics and p-values, computed once (or once per thread: there is no lock)."""
        check_is_fitted(self, "lambda_")
        tests = self._tests
        if not isinstance(tests, tuple):
            self._tests = tests = tests.run()
        return tests

    def _predictor(self, X, return_std):
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        eta = X @ np.atleast_2d(self.coef_).T + np.atleast_1d(self.intercept_)
        if not return_std:
            return eta, None
        with few_threads(eta.size), np.errstate(over="ignore", invalid="ignore"):  # far outside, squares overflow
            std = self.posterior_.std(self._rows(X))
        std[:, list(self.failed_)] = np.nan
        return eta, std

    def _quantile(self, X, level):
        if isinstance(self.posterior_, PooledPosterior):
            return self.posterior_.quantile(self._rows(X), level)
        return super()._quantile(X, level)

    def _rows(self, X) -> np.ndarray:
        rows = np.asarray(dense(X), dtype=float)
        return np.column_stack([rows, np.ones(len(rows))]) if self._has_intercept else rows

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.positive_only = self.family in FAMILIES and FAMILIES[self.family].lowest >= 0
        return tags
