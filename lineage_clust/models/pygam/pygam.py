"""pyGAM's generalised additive models, fitted separately per gene."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ...utils.types import Matrix
from ..links import LINKS
from ..notes import warn_of_zeros
from ..per_gene import PerGeneModel, collected


class PyGAM(PerGeneModel):
    """P-spline models of pyGAM with all of its distributions, links, penalties and constraints, fitted per gene.

    For most uses, :class:`lineage_clust.models.GAM` fits the same model to all genes at once, with smoothing parameters
    estimated by REML; with `penalties="derivative"`, a normal distribution and the same `lam` the two agree. `PyGAM`
    is intended for models specified for pyGAM, for constraints and for ridge penalties.

    Parameters
    ----------
    distribution : {"normal", "gaussian", "binomial", "poisson", "gamma", "inv_gauss"}, default="normal"
        Distribution of expression around the trend; "gaussian" is another name of "normal".
    link : {"identity", "logit", "log", "inverse", "inv_squared"}, default="identity"
        Link function. pyGAM's "logit" exists for the binomial distribution only.
    lam : float or sequence of float, default=0.6
        Smoothing parameter, or one per penalty.
    penalties : str, callable, None, or a sequence of them, default="auto"
        "derivative" (differences of order `penalty_order` of the smoother, as in :class:`~lineage_clust.models.GAM`),
        "periodic", "l2" (ridge), "none"; "auto" = "derivative" or, with a cyclic basis, "periodic". Several add up.
    grid : None, "default", sequence or dict, default=None
        Candidates of `lam` for each gene: "default" = eleven values from 0.001 to 1000, a sequence, or
        `dict(lam=sequence)`. A candidate may be a sequence with one `lam` per penalty. `None` = no search.
    expectile : float, default=None
        Level in (0, 1) of expectile regression, with normal distribution and identity link.
    constraints : str, callable, None, or a sequence of them, default=None
        "monotonic_inc", "monotonic_dec", "convex", "concave".
    basis : {"ps", "cp"}, default="ps"
        B-splines, or cyclic B-splines with the smoother's domain as period.
    fit_intercept : bool, default=True
        Whether to add an unpenalised constant to the basis.
    max_iter : int, default=100
        Maximum number of iterations.
    tol : float, default=1e-4
        Relative change of the coefficients at which the iterations stop.
    n_jobs : int, default=None
        Parallel jobs over genes. Results do not depend on it.
    backend : str, default="loky"
        joblib backend.

    Attributes
    ----------
    estimators_ : list of pygam.GAM or None
        The fitted pyGAM objects, `None` for genes that failed.
    lambda_ : ndarray of shape (n_genes,)
        Smoothing parameter (of the first penalty, if they differ).
    edf_ : ndarray of shape (n_genes,)
        Effective degrees of freedom, including the intercept.
    scale_ : ndarray of shape (n_genes,)
        Dispersion: Pearson's statistic over `n - edf`, 1 for Poisson and binomial.
    deviance_explained_ : ndarray of shape (n_genes,)
        Proportion of the weighted deviance around the weighted mean explained by the trend.
    pvalue_ : ndarray of shape (n_genes,)
        NaN: according to pyGAM's documentation, its p-values are far too small if `lam` is estimated.
    n_iter_ : ndarray of int, shape (n_genes,)
        Iterations of the fit, 0 for genes that failed.
    spread_ : ndarray of shape (n_genes,)
        Weighted standard deviation of expression.
    converged_ : ndarray of bool, shape (n_genes,)
        Whether the iterations ended before `max_iter`.
    note_ : list of str
        Notes on genes with little information.
    failed_ : dict of int to str
        Reasons by position, for genes without a finite fit.
    n_features_in_ : int
        1.

    See Also
    --------
    GAM : Fits all genes at once, with REML and calibrated intervals and tests.

    Notes
    -----
    The search over `grid` minimises, per gene, GCV if the scale is estimated and UBRE if it is known [1]_, as pyGAM's
    `gridsearch` does [2]_. In pyGAM, the deviance of a gamma or inverse Gaussian response with a zero is infinite. Here
    the criterion replaces zeros by half of the smallest positive value (the fit itself does not), so that the search
    works in this case too.

    Standard errors are those of pyGAM, for the penalised estimate around its expectation. They do not include smoothing
    bias, so that intervals are narrower than those of :class:`lineage_clust.models.GAM`. pyGAM stores weights in single
    precision.

    References
    ----------
    .. [1] Wood (2017). Generalized Additive Models, 2nd ed., section 6.2.
    .. [2] Servén & Brummitt (2018). pyGAM: Generalized Additive Models in Python. doi:10.5281/zenodo.1208723

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.models.pygam import PyGAM
    >>> t = np.linspace(0, 1, 100)
    >>> y = np.random.default_rng(0).poisson(np.exp(1 + 2 * np.sin(3 * t[:, None]) * [1.0, 0.5]))
    >>> model = PyGAM("poisson", "log", grid="default").fit(t, y)
    >>> model.predict(t).shape, bool(model.converged_.all())
    ((100, 2), True)
    >>> type(model.estimators_[0]).__name__
    'PoissonGAM'
    """

    needs_smoother = "BSplineSmoother"
    has_test = False
    _results = {
        "lambda_": "lam", "edf_": "edf", "scale_": "scale", "deviance_explained_": "deviance_explained",
        "spread_": "spread",
    }  # fmt: skip

    def __init__(
        self,
        distribution: str = "normal",
        link: str = "identity",
        *,
        lam: Any = 0.6,
        penalties: Any = "auto",
        grid: Any = None,
        expectile: float | None = None,
        constraints: Any = None,
        basis: str = "ps",
        fit_intercept: bool = True,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_jobs: int | None = None,
        backend: str = "loky",
    ):
        self.distribution = distribution
        self.link = link
        self.lam = lam
        self.penalties = penalties
        self.grid = grid
        self.expectile = expectile
        self.constraints = constraints
        self.basis = basis
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.backend = backend

    def fit(
        self,
        X: Matrix,
        y: Matrix,
        sample_weight: ArrayLike | None = None,
        smoother: Any = None,
        offset: ArrayLike | None = None,
    ) -> Self:
        """Fit every column of `y` along pseudotime.

        Parameters
        ----------
        X : array-like of shape (n_cells, 1) or (n_cells,)
            Pseudotime.
        y : array-like or sparse matrix of shape (n_cells, n_genes) or (n_cells,)
            Expression. Only a few columns are dense at a time.
        sample_weight : array-like of shape (n_cells,), default=None
            Weights; cells of weight 0 are ignored.
        smoother : BSplineSmoother, default=None
            Fitted or unfitted; defines number and degree of the splines, the order of the penalty and, by its domain,
            the range of the knots. `None` = `BSplineSmoother()`, with fewer splines if there are fewer distinct times.
        offset : array-like of shape (n_cells,), default=None
            Known term of the linear predictor; requires normal distribution and identity link.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If the smoother is not a `BSplineSmoother`.
        ValueError
            If a parameter or shape is invalid, no weight is positive, or pyGAM does not support the combination.
        NoTrendError
            If every gene fails (a `ValueError`).
        """
        from .recipe import fit_gene, make_recipe  # pyGAM is loaded only if it is used

        times, y, weights, offset = self._check_data(X, y, sample_weight, offset)
        recipe = make_recipe(self, smoother, times)
        if offset is not None and not recipe.is_linear:
            raise ValueError(
                f"pyGAM does not support an offset with a {self.distribution} distribution and {self.link} link. Use "
                "GAM(...), which does."
            )
        fit_one = partial(fit_gene, recipe, times, weights, offset)
        results = self._fit_genes(fit_one, y, weights, self.n_jobs, self.backend)
        self.estimators_ = [None if result is None else result.estimator for result in results]
        self.pvalue_ = np.full(len(results), np.nan)
        self.n_iter_ = collected(results, "n_iter", 0)
        warn_of_zeros(recipe.family.name, int(collected(results, "zeros", False).sum()), len(results))
        return self

    def _at(self, times):
        fitted = [gene for gene, estimator in enumerate(self.estimators_) if estimator is not None]
        design = self.estimators_[fitted[0]].terms.build_columns(times[:, None])  # the basis is the same for all genes
        eta, std = np.full((2, len(times), len(self.estimators_)), np.nan)
        rows = design.toarray()
        for gene in fitted:
            estimator = self.estimators_[gene]
            eta[:, gene] = rows @ estimator.coef_
            variance = np.einsum("ij,ij->i", rows @ estimator.statistics_["cov"], rows)
            std[:, gene] = np.sqrt(np.maximum(variance, 0.0))
        return eta, std

    @property
    def _link(self):
        return replace(LINKS[self.link], lower=-np.inf, upper=np.inf)  # pyGAM does not bound linear predictors

    def _quantile(self, X, level):
        from .recipe import FAMILY_OF

        if FAMILY_OF[self.distribution].known_scale:
            return super()._quantile(X, level)
        n_cells = next(one for one in self.estimators_ if one is not None).statistics_["n_samples"]
        return stats.t.ppf(0.5 + level / 2, np.maximum(n_cells - self.edf_, 1.0))
