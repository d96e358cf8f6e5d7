"""Collected results of genes that were fitted in chunks by non-Gaussian families."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ...notes import SATURATED, explains_nothing, joined, noted, notes_on
from ..design import Design
from ..estimates import GeneEstimates
from ..inference.gene_posterior import GenePosterior, WorkingModels
from .problem import Cells, Likelihood

_LARGEST_EFFECT = 12.0  # on the scale of the link: 160,000-fold
_UNBOUNDED = "effect of a covariate is infinite, e.g. not expressed at some of its values: level of the trend arbitrary"


@dataclass
class ChunkResult:
    """Results of some genes, `(n_genes,)` unless stated otherwise."""

    genes: np.ndarray
    coefficients: np.ndarray  # (n_columns, n_genes)
    lambda_: np.ndarray
    theta: np.ndarray
    information: np.ndarray
    means: np.ndarray
    converged: np.ndarray
    n_iter: np.ndarray
    edf: np.ndarray
    scale: np.ndarray
    deviance: np.ndarray
    null_deviance: np.ndarray
    statistic: np.ndarray
    pvalue: np.ndarray
    covariances: np.ndarray | None  # (n_genes, n_columns, n_columns)
    quasi: np.ndarray
    spread: np.ndarray
    residual_df: np.ndarray
    dispersion: np.ndarray  # variance of counts relative to a Poisson distribution, where clearly larger
    worse: np.ndarray  # loss higher than that of a constant, beyond rounding error
    working: WorkingModels | None  # for smoothing parameters estimated by REML


def collected(parts: list[ChunkResult], failed: dict[int, str], cells: Cells, found: tuple) -> GeneEstimates:
    """Return the results of all genes.

    parts : Results of genes whose iterations have ended.
    failed : Reasons by position, for genes that were not fitted; genes that diverged are added.
    found : Numbers of expressing cells, see :func:`lineage_clust.models.notes.found_in`.
    """
    design, likelihood = cells.design, cells.likelihood
    n_genes, n_columns = len(found[0]), len(design.penalty)
    every = np.concatenate([part.genes for part in parts]) if parts else np.zeros(0, dtype=int)

    def gather(name, fill=np.nan):
        values = np.full(n_genes, fill)
        if parts:
            values[every] = np.concatenate([getattr(part, name) for part in parts])
        return values

    coefficients = np.full((n_columns, n_genes), np.nan)
    inferred = any(part.covariances is not None for part in parts)
    matrices = np.full((n_genes if inferred else 0, n_columns, n_columns), np.nan)
    for part in parts:
        coefficients[:, part.genes] = part.coefficients
        if part.covariances is not None:
            matrices[part.genes] = part.covariances
    deviance, null_deviance = gather("deviance"), gather("null_deviance")
    converged = gather("converged", 0.0).astype(bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = np.where(null_deviance > 0, 1 - deviance / null_deviance, 0.0)
    if design.constant is not None:  # the constant is a submodel
        worse = gather("worse", 0.0).astype(bool) & explains_nothing(explained)
        coefficients[:, worse] = np.nan
        explained[~worse] = np.maximum(explained[~worse], 0.0)
    for gene in every[~np.isfinite(coefficients[:, every]).all(axis=0)]:
        failed[int(gene)] = f"the iterations diverged ({likelihood.family.name}, {likelihood.link.name} link)"
    quasi = gather("quasi", 0.0).astype(bool)
    failed.update(
        {gene: f"{failed[gene]}: {_zeros(likelihood)}" for gene in np.flatnonzero(quasi).tolist() if gene in failed}
    )
    explained[list(failed)] = np.nan
    notes = _notes(null_deviance, deviance, converged, quasi, failed, cells, found)
    statistic, pvalue = gather("statistic"), gather("pvalue")
    saturated = np.zeros(n_genes, dtype=bool) if likelihood.family.known_scale else gather("residual_df", 1.0) < 1
    notes = noted(notes, np.setdiff1d(np.flatnonzero(saturated), list(failed)), SATURATED)
    notes = noted(notes, np.setdiff1d(_unbounded(design, coefficients, likelihood), list(failed)), _UNBOUNDED)
    statistic[~converged | saturated] = pvalue[~converged | saturated] = np.nan
    return GeneEstimates(
        coefficients, gather("lambda_"), gather("edf"), gather("scale"), explained, converged,
        GenePosterior(matrices, _together(parts, n_genes)), (statistic, pvalue), note=notes,
        failed=dict(sorted(failed.items())), n_iter=gather("n_iter", 1.0).astype(int),
        theta=gather("theta") if likelihood.family.name == "negative_binomial" else None, spread=gather("spread"),
        n_quasi=int(quasi.sum()),
        dispersion=np.nan_to_num(gather("dispersion")) if likelihood.family.name == "poisson" else None,
    )  # fmt: skip


def _unbounded(design: Design, coefficients: np.ndarray, likelihood: Likelihood) -> np.ndarray:
    """Return the genes, by position, on which a covariate has an effect that only the end of the iterations limits.

    A gene that is not expressed in one batch has such an effect, for instance.
    """
    columns = slice(design.n_smooth, -1 if design.has_intercept else None)
    covariates = design.matrix[:, columns]
    if covariates.shape[1] == 0 or likelihood.link.name not in ("log", "logit"):
        return np.zeros(0, dtype=int)
    covariates = covariates.toarray() if sparse.issparse(covariates) else covariates
    effects = np.abs(np.nan_to_num(coefficients[columns])) * np.ptp(covariates, axis=0)[:, None]
    return np.flatnonzero(effects.max(axis=0) > _LARGEST_EFFECT)


def _together(parts: list[ChunkResult], n_genes: int) -> WorkingModels | None:
    """Return the working models of all genes, with placeholders for failed genes."""
    if not parts or parts[0].working is None:
        return None
    every = np.concatenate([part.genes for part in parts])
    models = [part.working for part in parts if part.working is not None]
    first = models[0]

    def gather(name: str) -> np.ndarray:
        own = np.concatenate([getattr(model, name) for model in models])
        values = np.ones((n_genes, *own.shape[1:])) if own.ndim == 1 else np.tile(np.eye(own.shape[1]), (n_genes, 1, 1))
        values[every] = np.nan_to_num(own, posinf=0.0, neginf=0.0)
        return values

    scores = np.zeros((len(first.scores), n_genes))
    scores[:, every] = np.nan_to_num(np.concatenate([model.scores for model in models], axis=1), posinf=0.0, neginf=0.0)
    squared = None if first.squared_weight_grams is None else gather("squared_weight_grams")
    return WorkingModels(
        first.penalty, first.n_unpenalized, gather("grams"), scores, squared,
        *(gather(name) for name in ("lambda_", "scale", "variance", "known_scale")),
    )  # fmt: skip


def _notes(null_deviance, deviance, converged, quasi, failed, cells: Cells, found) -> list[str]:
    likelihood, remarks = cells.likelihood, notes_on(np.nan_to_num(null_deviance), found)
    for gene in range(len(remarks)):
        if gene in failed:
            continue
        if not converged[gene]:
            why = f"no convergence in {likelihood.max_iter} iterations"
            if quasi[gene]:
                why = f"no convergence: {_zeros(likelihood)}"
            remarks[gene] = joined(remarks[gene], why)
        elif not remarks[gene] and likelihood.family.name == "binomial" and deviance[gene] < 1e-3 * cells.weights.sum():
            remarks[gene] = "perfectly separated: fitted probabilities of 0 and 1"
    return remarks


def _zeros(likelihood: Likelihood) -> str:
    return (
        f"its zeros have no {likelihood.family.name} likelihood; use 'negative_binomial' for counts, 'gaussian' for "
        "log-normalised expression"
    )
