"""Generalised additive model with a curve for every condition, batched over genes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ....errors import UnknownNameError, check_any_fitted, counted, did_you_mean, quoted
from ....utils.checking import MOST_CONDITIONS
from ....utils.types import Matrix, Predicted
from ...families import FAMILIES
from ...links import LINKS, Link
from .. import checks
from ..gam import GAM
from .fit import fit_conditions


class ConditionGAM(MultiOutputMixin, BaseEstimator):
    """Generalised additive model of many genes with a curve for every condition, and tests of their differences.

    This is the model of :func:`lineage_clust.compare_conditions` for arrays: a curve for every condition, and, with
    `groups`, a random level and curve of every sample (a donor in a condition). Donors that are in several conditions
    are compared within donors. Smoothing parameters are selected by restricted maximum likelihood.

    Parameters
    ----------
    family : str, default="gaussian"
        Distribution of expression around a curve, as in :class:`~lineage_clust.GAM`.
    link : {"identity", "log", "logit"}, default=None
        Link function: identity for the Gaussian family, log or logit for the others. `None` = that of the family.
    reference : label, default=None
        Condition with which the others are compared; `None` = the first of the sorted labels.
    dispersion, discretize, tolerance, max_iter, n_jobs
        As in :class:`~lineage_clust.GAM`, for other families than the Gaussian.

    Attributes
    ----------
    conditions_ : ndarray of shape (n_conditions,)
        Labels of the conditions: the reference, and the others, sorted.
    coef_ : ndarray of shape (n_conditions, n_genes, n_features) or (n_conditions, n_features)
        Coefficients of the curves; NaN for genes that failed.
    pvalues_, statistics_ : dict of str to ndarray of shape (n_genes,)
        Tests that the differences between conditions have mean zero ("level"), are constant ("shape"), and are zero
        ("both", a combination of the two [1]_). NaN for genes that failed or did not converge.
    lambda_ : ndarray of shape (n_genes,)
        Smoothing parameters of the mean of the curves, in units of `penalty`; differences are smoothed separately.
    edf_ : ndarray of shape (n_genes,)
        Effective degrees of freedom of all curves and covariates together.
    scale_ : ndarray of shape (n_genes,)
        Residual variance, within samples; 1 for counts.
    shift_variance_, curve_variance_ : ndarray of shape (n_genes,)
        Variances between samples of the level of a gene, and of its curve around the level; 0 without `groups`.
    shared_ : ndarray of shape (n_genes,)
        Fraction of these variances that samples of the same donor have in common; 0 if no donor is in two conditions.
    samples_ : DataFrame
        One row per sample: its `condition`, `donor` (empty without `groups`) and number of cells, `n_cells`.
    converged_ : ndarray of bool, shape (n_genes,)
        Whether the fit converged.
    note_ : list of str
        Remarks on genes that are fitted poorly.
    failed_ : dict of int to str
        Reasons by position, for genes without a finite fit.
    n_features_in_ : int
        Number of columns of the design.

    See Also
    --------
    lineage_clust.compare_conditions : Comparison of the conditions in an AnnData, with effect sizes and bands.

    Notes
    -----
    Curves of samples are random effects [2]_, whose variances are estimated from all genes: fit at least twenty at once.
    Other families than the Gaussian are fitted by penalised quasi-likelihood [3]_.

    References
    ----------
    .. [1] Liu & Xie (2020). Cauchy combination test. JASA 115, 393-402.
    .. [2] Laird & Ware (1982). Random-effects models for longitudinal data. Biometrics 38, 963-974.
    .. [3] Breslow & Clayton (1993). Approximate inference in generalized linear mixed models. JASA 88, 9-25.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.models import ConditionGAM
    >>> from lineage_clust.smoothers import BSplineSmoother
    >>> rng = np.random.default_rng(0)
    >>> t, donor = np.tile(np.linspace(0, 1, 50), 8), np.repeat(np.arange(8), 50)
    >>> treatment = np.where(donor < 4, "none", "drug")
    >>> y = rng.standard_normal((400, 30)) + rng.standard_normal((8, 30))[donor]
    >>> y[:, 0] += 3 * t * (treatment == "drug")
    >>> smoother = BSplineSmoother(n_splines=8)
    >>> B = smoother.fit_transform(t[:, None])
    >>> gam = ConditionGAM(reference="none").fit(B, y, treatment, groups=donor, penalty=smoother.penalty_)
    >>> gam.conditions_.tolist(), int(gam.pvalues_["shape"].argmin())
    (['none', 'drug'], 0)
    >>> difference, error = gam.difference(B[:50], "drug", return_std=True)
    >>> difference.shape, bool(difference[-1, 0] > 2 * error[-1, 0])
    ((50, 30), True)
    """

    _constraints = checks.CONDITION_CONSTRAINTS
    _link: Link

    def __init__(
        self,
        family: str = "gaussian",
        link: str | None = None,
        *,
        reference: Any = None,
        dispersion: str | float = "gene",
        discretize: bool | str = "auto",
        tolerance: float = 1e-3,
        max_iter: int = 100,
        n_jobs: int | None = None,
    ):
        self.family = family
        self.link = link
        self.reference = reference
        self.dispersion = dispersion
        self.discretize = discretize
        self.tolerance = tolerance
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    def fit(
        self,
        X: Matrix,
        y: Matrix,
        conditions: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        penalty: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        covariates: ArrayLike | None = None,
    ) -> Self:
        """Fit the curves of every column of `y`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_cells, n_features)
            Design of one curve; a combination of its columns has to be constant.
        y : array-like or sparse matrix of shape (n_cells, n_genes) or (n_cells,)
            Expression. Sparse `y` is not densified. A gene with NaN or infinite values fails; the others are fitted.
        conditions : array-like of shape (n_cells,)
            Label of the condition of each cell; two to ten different ones.
        groups : array-like of shape (n_cells,), default=None
            Donor (animal, patient) of each cell. At least four are required, and two in every condition. `None` =
            cells are the replicates.
        sample_weight : array-like of shape (n_cells,), default=None
            Weights; cells of weight 0 are ignored.
        penalty : ndarray of shape (n_features, n_features), default=None
            Penalty of each curve.
        offset : array-like of shape (n_cells,), default=None
            Known term of the linear predictor.
        covariates : array-like of shape (n_cells, n_covariates), default=None
            Further terms of the level, which are centred, so that predictions are at their means.

        Returns
        -------
        self

        Raises
        ------
        UnknownNameError
            If no cell is in the reference (a `ValueError`).
        ValueError
            If a parameter or shape is invalid, there are too few conditions, donors or cells, or a covariate is
            collinear with the conditions.
        NoTrendError
            If every gene fails (a `ValueError`).
        """
        checks.check_condition_parameters(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64)
        y, single = checks.check_targets(y, X.shape[0])
        weights = checks.check_weights(sample_weight, X)
        penalty, offset = checks.check_penalty(penalty, X.shape[1]), checks.check_offset(offset, X.shape[0])
        if penalty is not None and len(penalty) != X.shape[1]:
            raise ValueError(
                f"penalty must have a row for each of the {X.shape[1]} columns of X; got shape {penalty.shape}. Pass "
                "covariates as covariates=, not as columns of X."
            )
        terms = checks.check_covariates(covariates, X.shape[0])
        codes, names = self._coded(conditions, weights > 0)
        donors, names_of_donors = None, np.array([""])
        if groups is not None:
            donors, names_of_donors = checks.used_labels("groups", groups, weights > 0, sort=True)
        weights, X, y, offset, terms = checks.of_used(weights, X, y, offset, terms)
        if terms is not None:
            terms = terms - np.average(terms, axis=0, weights=weights)
            terms = terms[:, np.ptp(terms, axis=0) > 0]
            terms = terms if terms.shape[1] else None
        model = GAM(**{name: value for name, value in self.get_params().items() if name != "reference"})
        fit = fit_conditions(
            X, y, codes, donors, penalty=penalty, weights=weights, covariates=terms, model=model, offset=offset
        )
        check_any_fitted(fit.failed, y.shape[1])
        self.conditions_, self.curves_, self._single = names, fit, single
        self._link = LINKS[self.link or FAMILIES[self.family].default_link]
        self.samples_ = fit.table.assign(
            condition=names[fit.table["condition"].to_numpy()],
            donor="" if groups is None else names_of_donors[fit.table["donor"].to_numpy()],
        )
        coef = np.swapaxes(fit.of_conditions, 1, 2)
        self.coef_ = coef[:, 0] if single else coef
        self.statistics_, self.pvalues_ = (
            {name: np.where(fit.curves.converged, values, np.nan) for name, values in of.items()}
            for of in (fit.curves.statistics, fit.curves.pvalues)
        )
        for name in ("lambda_", "edf", "scale", "shift_variance", "curve_variance", "shared", "converged"):
            setattr(self, f"{name.rstrip('_')}_", getattr(fit.curves, name))
        self.note_, self.failed_ = fit.note, fit.failed
        return self

    def predict(self, X: Matrix, condition: Any = None, return_std: bool = False) -> Predicted:
        """Return the curves of one or all conditions on the response scale, for offset 0 and mean covariates.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Rows of the design.
        condition : label, default=None
            Condition; `None` = all, in the order of `conditions_`.
        return_std : bool, default=False
            Whether to return standard errors as well (by the delta method, unless the link is the identity).

        Returns
        -------
        mean : ndarray of shape (n_rows, n_genes) or (n_rows,)
            NaN for genes that failed. Without a `condition`, there is an axis of conditions before these.
        std : ndarray of the same shape
            Only with `return_std=True`.

        Raises
        ------
        UnknownNameError
            If the condition is not one of `conditions_` (a `ValueError`).
        """
        X = self._checked(X)
        positions = list(range(len(self.conditions_))) if condition is None else [self._position(condition)]
        with np.errstate(all="ignore"):
            mean = self._link.mean(np.stack([self.curves_.curve(X, position).T for position in positions]))
            slope = np.abs(self._link.slope(mean))
        found = self._shaped(mean, condition is None)
        if not return_std:
            return found
        std = slope * np.stack([self.curves_.error(X, position).T for position in positions])
        return found, self._shaped(std, condition is None)

    def difference(self, X: Matrix, condition: Any, reference: Any = None, return_std: bool = False) -> Predicted:
        """Return the curve of a condition minus that of another, on the link scale: log fold changes for counts.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Rows of the design.
        condition, reference : label
            Conditions; by default, the second is the first of `conditions_`.
        return_std : bool, default=False
            Whether to return standard errors as well.

        Returns
        -------
        difference : ndarray of shape (n_rows, n_genes) or (n_rows,)
            NaN for genes that failed.
        std : ndarray of the same shape
            Only with `return_std=True`.

        Raises
        ------
        UnknownNameError
            If a condition is not one of `conditions_` (a `ValueError`).
        """
        X = self._checked(X)
        other = 0 if reference is None else self._position(reference)
        both = self.curves_.difference(X, self._position(condition), other)
        found, std = (self._shaped(part.T[None], False) for part in both)
        return (found, std) if return_std else found

    def _coded(self, conditions: ArrayLike, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the codes of the conditions of used cells, and the labels, the reference first."""
        codes, names = checks.used_labels("conditions", conditions, used, sort=True)
        if not 2 <= len(names) <= MOST_CONDITIONS:
            raise ValueError(
                f"conditions has {counted(len(names), 'label')} ({quoted(names)}) in cells of positive "
                f"weight; two to {MOST_CONDITIONS} can be compared. Group them, or pass numbers as covariates."
            )
        first = 0 if self.reference is None else _position_of(self.reference, names, "reference")
        order = np.argsort(np.arange(len(names)) != first, kind="stable")
        return np.argsort(order)[codes], names[order]

    def _position(self, condition: Any) -> int:
        return _position_of(condition, self.conditions_, "condition")

    def _checked(self, X) -> Any:
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)

    def _shaped(self, values: np.ndarray, of_all: bool) -> np.ndarray:
        """Return values `(n_conditions, n_rows, n_genes)` without the axes that were not asked for."""
        values = values[..., 0] if self._single else values
        return values if of_all else values[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.target_tags.required = True
        tags.target_tags.positive_only = self.family in FAMILIES and FAMILIES[self.family].lowest >= 0
        return tags


def _position_of(label: Any, names: np.ndarray, role: str) -> int:
    known = pd.Index(names).tolist()  # of a date, an array's would be a number
    label = label.tolist() if isinstance(label, np.ndarray) else label
    if label not in known:
        raise UnknownNameError(f"{role} {label!r} is not one of {quoted(known)}.{did_you_mean(label, known)}")
    return known.index(label)
