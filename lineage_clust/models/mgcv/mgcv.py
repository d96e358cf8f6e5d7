"""R's mgcv, fitted separately per gene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from ...utils.constraints import Constraint, Constraints, check_constraints, integer, number, one_of
from ...utils.types import Matrix
from ..families import FAMILIES, check_family
from ..links import LINKS
from ..per_gene import PerGeneModel
from .session import GeneFitter, session

# R's name of each family, and the links that R supports for it
_R_FAMILIES = {
    "gaussian": ("gaussian", ("identity", "log", "inverse")),
    "poisson": ("poisson", ("log", "identity")),
    "negative_binomial": ("nb", ("log", "identity")),
    "gamma": ("Gamma", ("log", "inverse", "identity")),
    "binomial": ("binomial", ("logit", "log")),
    "inverse_gaussian": ("inverse.gaussian", ("log", "inv_squared", "inverse", "identity")),
}
_R_LINKS = {"inv_squared": "1/mu^2"}
_METHODS = ("REML", "ML", "P-REML", "P-ML", "GCV.Cp", "GACV.Cp")
_KNOTS_AT_QUANTILES = ("cr", "cs", "cc", "tp", "ts")
_N_SPLINES = 20


class MgcvGAM(PerGeneModel):
    """R's `mgcv::gam`, fitted separately per gene: the reference for :class:`lineage_clust.models.GAM`.

    The model of a gene is `y ~ s(t, bs, k, m) + offset(offset)`. It requires R, mgcv and rpy2 (`pip install
    'lineage_clust[mgcv]'`), and takes 0.05 to 0.6 seconds per gene.

    Parameters
    ----------
    k : int, default=None
        Dimension of the basis; `None` = `n_splines` of the smoother, or 20, at most the number of distinct times.
    bs : str, default="cr"
        mgcv's name of the basis: "cr" cubic regression spline, "cc" cyclic, "ps" P-spline, "tp" thin plate, "gp", ...
    family : str, default="gaussian"
        "gaussian", "poisson", "negative_binomial" (mgcv's `nb`, theta estimated), "gamma", "binomial" or
        "inverse_gaussian".
    link : {"identity", "log", "logit", "inverse", "inv_squared"}, default=None
        `None` = identity for the Gaussian family, logit for the binomial, log for the others.
    method : str, default="REML"
        Criterion for the smoothing parameter: "REML", "ML", "P-REML", "P-ML", "GCV.Cp" or "GACV.Cp".
    sp : float, default=None
        Fixed smoothing parameter in mgcv's units (mgcv rescales penalties); `None` = estimated by `method`.
    knots : None, "density" or array-like, default=None
        Position of the knots: `None` = mgcv's default; "density" = quantiles of pseudotime; or an array.
    m : int or sequence of int, default=None
        Order of the penalty (for "ps": of the splines, then of the penalty); `None` = mgcv's default.
    gamma : float, default=1.0
        Values above 1 give smoother curves.
    select : bool, default=False
        Whether the linear part of the curve is also penalised.
    control : dict, default=None
        Arguments of `mgcv::gam.control`, such as `dict(maxit=500)`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_genes, n_coefs)
        Coefficients, the intercept first; NaN for genes that failed.
    covariance_ : ndarray of shape (n_genes, n_coefs, n_coefs)
        Bayesian covariances of the coefficients (mgcv's `Vp`).
    smooth_ : bytes
        mgcv's basis, which is the same for all genes, as returned by R's `serialize`.
    lambda_ : ndarray of shape (n_genes,)
        mgcv's `sp` (the first, if the basis has several).
    edf_ : ndarray of shape (n_genes,)
        Effective degrees of freedom, including the intercept.
    scale_ : ndarray of shape (n_genes,)
        mgcv's `sig2`, 1 for counts.
    theta_ : ndarray of shape (n_genes,)
        Size (inverse dispersion) of the negative binomial; NaN for other families.
    deviance_explained_ : ndarray of shape (n_genes,)
        `summary.gam`'s `dev.expl`.
    statistic_, pvalue_ : ndarray of shape (n_genes,)
        F or chi-square statistic of the smooth, and p-value, as in `summary.gam`'s `s.table`.
    converged_ : ndarray of bool, shape (n_genes,)
        Whether the fit converged, according to mgcv.
    note_ : list of str
        Notes on genes with little information, and warnings of mgcv.
    failed_ : dict of int to str
        Reasons by position, for genes without a finite fit.
    mgcv_version_ : str
        Version of mgcv.
    n_features_in_ : int
        1.

    Notes
    -----
    mgcv interprets weights as precisions. Fate probabilities are degrees of membership; with them, its standard errors
    and p-values for the Gaussian family are too small. :class:`lineage_clust.models.GAM` with `covariance="robust"` is
    calibrated in this case as well. If expression is constant, mgcv finds no smoothing parameter, and the trend is a
    straight line.

    A process has one R session, which runs one call at a time; there is therefore no `n_jobs`. A fitted model contains
    no R objects and can be pickled. `predict` requires R and mgcv to evaluate the basis at new times. The bases "tp",
    "ts", "ds" and "gp" store up to 2000 pseudotimes of cells, the others only their knots.

    References
    ----------
    Wood (2017). Generalized Additive Models: An Introduction with R, 2nd ed. Chapman & Hall.
    Wood (2011). Fast stable restricted maximum likelihood and marginal likelihood estimation of semiparametric
    generalized linear models. Journal of the Royal Statistical Society B 73(1), 3-36.

    Examples
    --------
    Not run as a test, because R may be missing:

    >>> import numpy as np
    >>> from lineage_clust.models.mgcv import MgcvGAM
    >>> t = np.linspace(0, 1, 100)
    >>> y = np.random.default_rng(0).poisson(np.exp(1 + np.sin(5 * t)))
    >>> model = MgcvGAM(k=10, family="negative_binomial").fit(t, y)  # doctest: +SKIP
    >>> model.predict(t).shape  # doctest: +SKIP
    (100,)
    """

    # mgcv constructs its own basis from `bs` and `k`, so that another smoother would be ignored
    needs_smoother = "BSplineSmoother"
    _results = {
        "lambda_": "sp", "edf_": "edf", "scale_": "scale", "theta_": "theta", "deviance_explained_": "explained",
        "statistic_": "statistic", "pvalue_": "pvalue", "spread_": "spread",
    }  # fmt: skip

    _constraints: ClassVar[Constraints] = {
        "k": integer(2, or_none=True),
        "method": one_of(_METHODS, f"one of {', '.join(_METHODS)}"),
        "sp": number("a non-negative number", lambda value: 0 <= value < np.inf, or_none=True),
        "gamma": number("a positive number", lambda value: value > 0),
        "control": Constraint("None or a dict", lambda value: value is None or isinstance(value, dict)),
    }

    def __init__(
        self,
        k: int | None = None,
        bs: str = "cr",
        family: str = "gaussian",
        link: str | None = None,
        *,
        method: str = "REML",
        sp: Any = None,
        knots: Any = None,
        m: Any = None,
        gamma: float = 1.0,
        select: bool = False,
        control: Mapping[str, Any] | None = None,
    ):
        self.k = k
        self.bs = bs
        self.family = family
        self.link = link
        self.method = method
        self.sp = sp
        self.knots = knots
        self.m = m
        self.gamma = gamma
        self.select = select
        self.control = control

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
            Expression. One column is dense at a time.
        sample_weight : array-like of shape (n_cells,), default=None
            Weights; cells with weight 0 are ignored.
        smoother : object, default=None
            Its `n_splines`, if any, is the default of `k`. With `bs` "ps", "cp" or "cc" and `knots=None`, the knots
            span its `domain`. Otherwise it is not used, as mgcv constructs the basis.
        offset : array-like of shape (n_cells,), default=None
            Known term of the linear predictor.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If rpy2, R or mgcv is missing.
        ValueError
            If a parameter or shape is invalid, or no weight is positive.
        NoTrendError
            If every gene fails (a `ValueError`).
        """
        check_constraints(self)
        self._check_together()
        times, y, weights, offset = self._check_data(X, y, sample_weight, offset)
        r = session()
        fitter = GeneFitter(r, FAMILIES[self.family], self._link, self._arguments(smoother, times, weights, offset))
        results = self._fit_genes(fitter, y, weights)
        n_coefs = max(len(result.coefficients) for result in results if result is not None)
        self.coef_ = np.full((len(results), n_coefs), np.nan)
        self.covariance_ = np.full((len(results), n_coefs, n_coefs), np.nan)
        self.statistic_[~self.converged_] = self.pvalue_[~self.converged_] = np.nan
        for gene, result in enumerate(results):
            if result is not None:
                self.coef_[gene] = result.coefficients
                self.covariance_[gene] = result.covariance.reshape(n_coefs, n_coefs)
        self.smooth_, self.mgcv_version_ = fitter.smooth, r.mgcv_version
        return self

    @property
    def _link(self):
        return LINKS[self.link or FAMILIES[self.family].default_link]

    def _at(self, times):
        rows = session().call("rows", smooth=self.smooth_, t=times)["rows"].reshape(len(times), -1, order="F")
        variance = np.einsum("pi,gij,pj->pg", rows, self.covariance_, rows, optimize=True)
        return rows @ self.coef_.T, np.sqrt(np.maximum(variance, 0.0))

    def _arguments(self, smoother, times, weights, offset) -> dict:
        """Return the arguments of `gam`, which are the same for all genes."""
        k = self.k
        if k is None:
            n_splines = getattr(smoother, "n_splines", None)
            k = min(_N_SPLINES if n_splines is None else n_splines, len(np.unique(times)))
        family, _ = _R_FAMILIES[self.family]
        return {
            "t": times, "w": weights, "off": offset, "bs": self.bs, "k": k, "m": self.m, "sp": self.sp,
            "knots": self._place_knots(times, int(k), getattr(smoother, "domain", None)), "family": family,
            "link": _R_LINKS.get(self._link.name, self._link.name), "method": self.method, "gamma": self.gamma,
            "select": bool(self.select), "control": self.control or {},
        }  # fmt: skip

    def _place_knots(self, times, k: int, domain):
        """Return the positions of the knots, or `None` for mgcv's default."""
        if isinstance(self.knots, str):
            levels = np.linspace(0, 1, k)
            knots = np.quantile(times, levels)
            return knots if np.all(np.diff(knots) > 0) else np.quantile(np.unique(times), levels)
        if self.knots is not None or domain is None:
            return self.knots
        if self.bs in ("cp", "cc"):
            return np.asarray(domain, dtype=float)
        order = 2 if self.m is None else int(np.ravel(self.m)[0])
        if self.bs == "ps" and k > order + 1:  # as mgcv places them, but without widening the domain
            step = (domain[1] - domain[0]) / (k - order - 1)
            return domain[0] + step * np.arange(-order - 1, k + 1)
        return None

    def _check_together(self) -> None:
        check_family(self.family, self.link)
        _, links = _R_FAMILIES[self.family]
        if self._link.name not in links:
            raise ValueError(
                f"mgcv's {self.family} family supports the links {', '.join(links)}; got {self.link!r}. Use one of them, or "
                "GAM(...)."
            )
        if isinstance(self.knots, str) and (self.knots != "density" or self.bs not in _KNOTS_AT_QUANTILES):
            raise ValueError(
                f"knots must be None, 'density' (with bs one of {', '.join(_KNOTS_AT_QUANTILES)}) or numbers; got "
                f"{self.knots!r} with bs={self.bs!r}."
            )
