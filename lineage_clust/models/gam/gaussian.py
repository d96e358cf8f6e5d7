"""Gaussian additive models in closed form, batched over genes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...expression.passes import Fit
from ...expression.storage.blocks import BlockedExpression
from ...expression.sums.bands import Bands, design_by_donor, donor_bands
from ...expression.sums.sums import requested_cell_sums
from ...utils.compiling import is_worthwhile
from ..notes import FEW, INTERPOLATED, SATURATED, noted, notes_on
from .design import Design, effect_map
from .donors.cluster_robust import gaussian_clusters
from .donors.gaussian import fit_donors, relative_level
from .estimates import GeneEstimates
from .inference.kurtosis import higher_moments, variance_factors
from .inference.posterior import SharedPosterior
from .inference.significance import SmoothTests
from .influence import closely_followed, effective_cells, remarks_on_single_cells, without_outliers
from .pirls.problem import Cells
from .smoothing.criteria import CRITERIA, least_deviance, minimise, with_floor
from .smoothing.posterior import SmoothingPosterior
from .smoothing.spectral import diagonalise

_HOLES, _OVERFLOW = "expression holds NaN or infinite values", "expression so large that its squares overflow"
_VANISH = "expression so small that its squares vanish"
_LEAST, _MOST = 1e-280, 1e280  # bounds of sums of squares, so that products with them are finite


def fit_gaussian(cells: Cells, Y: BlockedExpression, groups: np.ndarray | None = None) -> Fit:
    """Fit all genes with a Gaussian family, see Wood (2017), Generalized Additive Models, sections 6.2, 6.6 and 6.10.

    `groups` are codes `(n_cells,)` of the donors from 0; without them, cells are the replicates.
    """
    design, weights, offset = cells.design, cells.weights, cells.offset
    smoothing, covariance = cells.choices.smoothing, cells.choices.covariance
    rows, n_cells, total = design.bands, len(weights), weights.sum()
    spectrum = diagonalise(cells.gram, design.penalty)
    smoothing = spectrum.bounded(smoothing)
    followed, leverage = closely_followed(design, weights, spectrum)
    sums = yield from centred_sums(design, Y, weights, offset, groups, followed, covariance == "cluster")
    products, squares, null_deviance, level, found = sums.products, sums.squares, sums.deviance, sums.level, sums.found
    failed, loadings = np.array(list(sums.failed), dtype=int), spectrum.basis.T @ products
    donors = None
    if groups is not None and covariance != "cluster":
        abundance = relative_level(level, null_deviance / total)
        donors = fit_donors(cells, sums.grams, products, sums.by_group, squares, abundance)

    if isinstance(smoothing, str):
        criterion = CRITERIA[smoothing](spectrum, loadings, squares, n_cells)
        lambda_, converged = minimise(criterion, spectrum, len(squares))
    else:
        lambda_, converged = np.full(len(squares), float(smoothing)), np.ones(len(squares), dtype=bool)
    precision = spectrum.gram + spectrum.penalty * lambda_
    scores = loadings / precision
    shares = spectrum.gram / precision
    edf = shares.sum(axis=0)
    deviance, _ = with_floor(squares - np.einsum("ij,ij->j", scores, loadings * (2 - shares)), least_deviance(squares))
    coefficients = spectrum.basis @ scores
    if design.constant is not None:
        coefficients += np.outer(design.constant, level)

    posterior, scale, left = _posterior(spectrum, rows, weights, lambda_, deviance, edf, precision, covariance)
    if smoothing == "reml" and spectrum.n_penalized:
        posterior = replace(posterior, smoothing=SmoothingPosterior(spectrum, loadings, squares, n_cells))
    penalised, n_free = cells.penalises_smooth, spectrum.n_unpenalized
    to_effects = np.linalg.pinv(spectrum.basis)[n_free:] if penalised else effect_map(cells.gram, *design.centring)
    effects = scores[n_free:] if penalised else to_effects @ spectrum.basis @ scores
    n_others = len(design.penalty) - design.n_smooth + (not design.has_intercept)
    rank = (shares * (2 - shares)).sum(axis=0) - n_others
    saturated = np.flatnonzero(left < 1)
    untestable = np.union1d(failed, saturated)
    tested, interpolated, factors = null_deviance > 0, np.zeros(0, dtype=int), None
    if covariance != "bayes":  # which is mgcv's test
        deviations = sums.picked - level
        if offset is not None:
            deviations -= offset[followed][:, None]
        effective = effective_cells(null_deviance, weights[followed], leverage, deviations)
        enough = np.minimum(found[0], found[1]) >= min(FEW, 0.5 * total / weights.max())
        interpolated = np.flatnonzero(tested & enough & (effective < edf))
        tested &= enough & (effective >= edf)
        if groups is None:
            factors = variance_factors(posterior, sums.kurtosis, to_effects, n_others, rows, weights, penalised)
    fast = Y.in_memory and is_worthwhile(Y.stored.nnz)  # numba is loaded already by the sums
    tests = SmoothTests(
        effects.T, to_effects, posterior.of_sampling if penalised else posterior, rank, np.maximum(left, 1.0), tested,
        untestable, fast, factors, metric=precision[n_free:].T if penalised else None,
    )  # fmt: skip
    if covariance != "bayes" and groups is None:
        fitted = rows[followed].dense() @ coefficients
        residuals = deviations + level - fitted
        tests = replace(
            tests, others=without_outliers(tests, cells, followed, residuals, deviance, deviations, null_deviance)
        )
    explained = 1 - np.divide(deviance, null_deviance, out=np.ones_like(deviance), where=null_deviance > 0)

    coefficients[:, failed] = np.nan
    for values in (lambda_, edf, scale, explained):
        values[failed] = np.nan
    converged[failed] = False
    note = noted(notes_on(null_deviance, found), saturated, SATURATED)
    result = GeneEstimates(
        coefficients, lambda_, edf, scale, explained, converged, posterior, tests, note=note, failed=sums.failed,
        spread=np.sqrt(null_deviance / total),
    )  # fmt: skip
    for gene, remark in remarks_on_single_cells(cells, result, deviance, followed, sums.picked).items():
        note[gene] = remark
    result.note = noted(note, [gene for gene in interpolated if not note[gene]], INTERPOLATED)
    if covariance == "cluster":
        return gaussian_clusters(
            cells, result, spectrum, sums.grams, sums.by_group, spectrum.basis @ scores, posterior.scale, tested, untestable
        )  # fmt: skip
    if donors is None:
        return result
    return _with_donors(result, donors, design, sums, cells.gram, tested, untestable)


def _with_donors(result, donors, design, sums: CentredSums, gram, tested, untestable) -> GeneEstimates:
    """Return a fit of cells in which estimates, errors and tests are replaced by those with donors as replicates."""
    failed = list(result.failed)
    coefficients = donors.coefficients
    missed = gram @ coefficients - 2 * sums.products
    deviance = np.maximum(sums.squares + np.einsum("cg,cg->g", coefficients, missed), 0.0)
    null = sums.deviance
    if design.constant is not None:  # donors with different numbers of cells: the population mean is not that of cells
        columns = gram @ design.constant
        null = null + (columns @ coefficients) ** 2 / (columns @ design.constant)
        coefficients = coefficients + np.outer(design.constant, sums.level)
    explained = 1 - np.divide(deviance, null, out=np.ones_like(deviance), where=null > 0)
    # the population trend may fit the cells poorly, if most of them are from one donor
    explained = np.maximum(explained, 0.0)
    statistic, pvalue = donors.statistics["trend"], donors.pvalues["trend"]
    statistic[~tested], pvalue[~tested] = 0.0, 1.0
    statistic[untestable] = pvalue[untestable] = np.nan
    for values in (coefficients.T, donors.lambda_, donors.edf, donors.scale, explained):
        values[failed] = np.nan
    donors.converged[failed] = False
    return replace(
        result, coefficients=coefficients, lambda_=donors.lambda_, edf=donors.edf, scale=donors.scale,
        deviance_explained=explained, converged=donors.converged, posterior=donors.posterior,
        tests=(statistic, pvalue), donors=donors,
    )  # fmt: skip


@dataclass(frozen=True)
class CentredSums:
    """Sums over the cells of expression minus the offset and, if the design has a constant, minus each gene's mean.

    products, by_group, grams : `Z'Wy`, `Z_d'Wy` and `Z_d'WZ_d`; genes are the last axis, and groups the first.
    squares, deviance, level : `(n_genes,)`: `y'Wy`, around the mean (exactly 0 for a constant gene), subtracted values.
    skewness, kurtosis : Of the same; kurtosis is excess. They are 0 with an offset, which would need further sums.
    failed, found : Reasons by position, and numbers of expressing cells as in :func:`lineage_clust.models.notes.notes_on`.
    picked : `(n_picked, n_genes)` expression of selected cells.
    """

    products: np.ndarray
    by_group: Any
    grams: Any
    squares: np.ndarray
    deviance: np.ndarray
    level: np.ndarray
    skewness: np.ndarray
    kurtosis: np.ndarray
    failed: dict[int, str]
    found: tuple[np.ndarray, np.ndarray, np.ndarray]
    picked: Any


def centred_sums(
    design: Design, Y: BlockedExpression, weights: np.ndarray, offset, groups, picked=None, all_columns: bool = False
) -> Fit:
    """Request the CentredSums in one pass; `groups` `(n_cells,)` are codes from 0, and `picked` positions of cells.

    Centring preserves precision if a gene's level is large relative to its variation. Sums of each group over covariates are
    0 unless `all_columns`.
    """
    with_extra = design.has_intercept or all_columns
    wide = None if groups is None else donor_bands(design.bands, groups, groups.max() + 1, with_extra)
    bands, heaviest, total = design.bands if wide is None else wide.wide, weights.max(), weights.sum()
    sums = yield from requested_cell_sums(
        Y, bands if offset is None else bands.with_column(offset), weights, picked=picked
    )
    if design.constant is None:
        sums = sums.around(np.zeros_like(sums.level))
    products, squares, plain, level = sums.products, sums.squares, sums.sums, sums.level.copy()
    if offset is not None:
        squares = squares - 2 * products[-1] + offset @ (weights * offset)
        plain = plain - weights @ offset
        products = products[:-1] - bands.weighted_sums(weights * offset)[:, None]
    products, by_group = (products, None) if wide is None else wide.of_donors(products)
    with np.errstate(over="ignore"):
        whole = squares + total * level**2
    failed = _failed(products, squares, whole)
    dropped: Any = list(failed)
    level[dropped] = squares[dropped] = plain[dropped] = 0.0
    means = plain / total
    deviance = np.maximum(squares - plain * means, 0.0)
    # rounding errors of the sums and of the values
    deviance[(deviance <= 1e-13 * squares) | (deviance <= 1e-28 * (squares + total * level**2))] = 0.0
    if design.constant is None:
        means = np.zeros_like(means)
    else:
        squares, dropped = deviance, deviance == 0  # products of a constant gene are rounding errors
    products = products - np.outer(design.bands.weighted_sums(weights), means)
    products[:, dropped], grams = 0.0, None
    if groups is not None:
        grams, columns = design_by_donor(design.bands, weights, groups)
        by_group = by_group - columns[..., None] * means
        by_group[..., dropped] = 0.0
    found = sums.n_nonzero, sums.nonzero_weight / heaviest, sums.large
    about = sums.around(sums.level + sums.sums / total)
    skewness, kurtosis = higher_moments(deviance, about.cubes, about.fourths, total)
    if offset is not None:
        skewness, kurtosis = np.zeros_like(skewness), np.zeros_like(kurtosis)
    return CentredSums(
        products, by_group, grams, squares, deviance, level + means, skewness, kurtosis, failed, found,
        sums.picked,
    )  # fmt: skip


def _failed(products: np.ndarray, squares: np.ndarray, whole: np.ndarray) -> dict[int, str]:
    """Return the reasons, by position, for genes that cannot be fitted; `whole` are the squares without subtracted level."""
    holes = ~np.isfinite(products).all(axis=0)
    vanish = (whole < _LEAST) & np.any(products != 0, axis=0)
    reasons = np.where(holes, _HOLES, np.where(vanish, _VANISH, _OVERFLOW))
    return {int(gene): str(reasons[gene]) for gene in np.flatnonzero(holes | vanish | ~(squares < _MOST))}


def _posterior(spectrum, rows: Bands, weights, lambda_, deviance, edf, precision, covariance):
    """Return the posterior, the residual variance, and the residual degrees of freedom, which may be negative."""
    left = len(weights) - edf
    scale = deviance / np.maximum(left, 1.0)
    if covariance == "bayes":
        return SharedPosterior(spectrum, lambda_, scale), scale.copy(), left
    squared_gram = spectrum.basis.T @ rows.gram(weights**2) @ spectrum.basis
    lost = (np.diag(squared_gram)[:, None] / precision).sum(axis=0)
    variance = deviance / np.maximum(weights.sum() - lost, 1e-2 * weights.sum())
    n_effective = weights.sum() ** 2 / np.sum(weights**2)
    posterior = SharedPosterior(spectrum, lambda_, scale, variance, squared_gram)
    return posterior, variance.copy(), n_effective - edf
