"""Pooling of fits to posterior samples of an uncertain pseudotime by Rubin's rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from ...expression.passes import run_fits
from ...utils.combining import cauchy_combination
from ..notes import joined
from .donors.posterior import DonorPosterior
from .estimates import with_coefficients
from .inference.posterior import GenePosterior, SharedPosterior

Posterior = SharedPosterior | GenePosterior | DonorPosterior
_GEOMETRIC = ("lambda_", "theta_")
_MEAN = ("edf_", "scale_", "deviance_explained_", "spread_", "shift_variance_", "curve_variance_")


@dataclass(frozen=True)
class PooledPosterior:
    """Posterior of the mean coefficients of fits to samples of pseudotime.

    within : Posterior of each fit.
    deviations : `(n_draws, n_columns, n_genes)` coefficients of each fit minus their mean.
    residual_df : Residual degrees of freedom of a fit with known pseudotime.

    With m samples, the mean W of their variances and the variance B between them, the variance is ``T = W + (1 + 1/m) B``
    (Rubin 1987, Multiple Imputation for Nonresponse in Surveys, section 3.1). Quantiles are those of a t distribution with
    the degrees of freedom of Barnard & Rubin (1999), Biometrika 86, 948-955.
    """

    within: list[Posterior]
    deviations: np.ndarray
    residual_df: float

    def std(self, Z: np.ndarray) -> np.ndarray:
        """Return the standard errors `(n_rows, n_genes)` of `Z @ coefficients`."""
        within, between = self._variances(Z)
        return np.sqrt(within + between)

    def quantile(self, Z: np.ndarray, level: float) -> np.ndarray:
        """Return the half-widths of intervals of `Z @ coefficients` in standard errors, `(n_rows, n_genes)`."""
        within, between = self._variances(Z)
        missing = np.divide(between, within + between, out=np.zeros_like(within), where=between > 0)
        with np.errstate(divide="ignore"):
            of_draws = (len(self.within) - 1) / missing**2
            known = self.residual_df
            of_cells = (known + 1) / (known + 3) * known * (1 - missing)
            df = 1 / (1 / of_draws + 1 / np.maximum(of_cells, 1e-12))
        return stats.t.ppf(0.5 + level / 2, np.maximum(df, 1.0))

    def draws(self, generator: np.random.Generator, n_draws: int, unconditional: bool = False) -> Iterator[np.ndarray]:
        """Yield posterior samples of the coefficients minus their estimates; `unconditional` as in the fits.

        Errors of pseudotime affect all genes together, so that in each sample all genes deviate towards the same fits.
        """
        number = len(self.within)
        sources = [one.draws(generator, n_draws, unconditional) for one in self.within]
        factor = np.sqrt((1 + 1 / number) / (number - 1))
        for _ in range(n_draws):
            towards = factor * generator.standard_normal(number)
            yield next(sources[generator.integers(number)]) + np.tensordot(towards, self.deviations, 1)

    def take(self, genes: np.ndarray) -> PooledPosterior:
        """Return the posterior of some genes."""
        return PooledPosterior([one.take(genes) for one in self.within], self.deviations[..., genes], self.residual_df)

    def _variances(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        within = np.mean([one.std(Z) ** 2 for one in self.within], axis=0)
        number = len(self.within)
        squares = np.zeros_like(within)
        for deviation in self.deviations:
            squares += (Z @ deviation) ** 2
        return within, (1 + 1 / number) * squares / (number - 1)


def fit_each(
    models: Sequence[Any], designs: Sequence[Any], y: Any, weights: Sequence[np.ndarray], **known: Any
) -> None:
    """Fit GAMs in place, in the same passes, to the same expression, each with its own design and weights.

    Parameters
    ----------
    models, designs, y, weights, known
        Unfitted models with the same parameters, and arguments of :meth:`lineage_clust.models.GAM.fit`.
    """
    arguments = known.get("penalty"), known.get("offset"), known.get("groups")
    with models[0]._threads():
        run_fits([
            model._fitting(design, y, own, *arguments)
            for model, design, own in zip(models, designs, weights, strict=True)
        ])  # fmt: skip


def pool(models: Sequence[Any], n_cells: float) -> Any:
    """Return one fitted GAM pooled from fits to samples of pseudotime on the same basis.

    Parameters
    ----------
    models
        Fitted GAMs, one per sample.
    n_cells
        Effective number of cells of a fit.

    Notes
    -----
    Coefficients are averaged, and the posterior is :class:`PooledPosterior`. P-values are combined by the Cauchy
    combination test [1]_, which is valid for small p-values under dependence: if a gene does not change, the test for
    each sample is valid. A Wald test with the variance T is conservative, because T counts the effect of the samples on
    a gene's noise twice. In simulations it rejected 1 % of the genes without a trend at a level of 5 % with samples
    that vary by a tenth of the range, none with a quarter, and fewer of the genes with a trend.

    References
    ----------
    .. [1] Liu & Xie (2020). Cauchy combination test. JASA 115, 393-402.
    """
    coefficients = np.stack(
        [np.column_stack([np.atleast_2d(one.coef_), np.atleast_1d(one.intercept_)]) for one in models]
    )
    mean = coefficients.mean(axis=0)
    failed: dict[int, str] = {}
    for number, one in enumerate(models):
        for gene, reason in one.failed_.items():
            failed.setdefault(gene, f"{reason} (draw {number} of pseudotime)")
    first = models[0]
    made = with_coefficients(first, np.ascontiguousarray(mean[:, :-1]), mean[:, -1].copy())
    for name in (*_GEOMETRIC, *_MEAN):
        if hasattr(first, name):
            values = np.array([getattr(one, name) for one in models])
            with np.errstate(divide="ignore"):
                whole = np.exp(np.log(values).mean(axis=0)) if name in _GEOMETRIC else values.mean(axis=0)
            setattr(made, name, whole)
    made.converged_ = np.all([one.converged_ for one in models], axis=0)
    made.n_iter_ = np.sum([one.n_iter_ for one in models], axis=0)
    made.note_ = [
        joined(*dict.fromkeys(filter(None, notes))) for notes in zip(*(one.note_ for one in models), strict=True)
    ]
    made.failed_ = dict(sorted(failed.items()))
    tests = np.array([one._tested() for one in models])
    made._tests = tests[:, 0].mean(axis=0), cauchy_combination(tests[:, 1])[1]
    columns = slice(None) if first._has_intercept else slice(-1)
    deviations = np.nan_to_num(coefficients - mean)[:, :, columns].transpose(0, 2, 1)
    residual_df = max(1.0, n_cells - float(np.nanmean(made.edf_)))
    made.posterior_ = PooledPosterior([one.posterior_ for one in models], np.ascontiguousarray(deviations), residual_df)
    return made
