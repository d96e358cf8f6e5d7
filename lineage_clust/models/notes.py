"""Notes on genes with little information, for all models."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from ..errors import counted, warn
from ..expression.storage.blocks import BlockedExpression
from ..expression.sums.bands import no_design
from ..expression.sums.sums import cell_sums
from ..utils.matrices import chunks, dense

FEW = 5  # cells
SATURATED = "as many degrees of freedom as cells: a trend cannot be distinguished from noise"
INTERPOLATED = "varies in hardly more cells than its trend has degrees of freedom: cannot be distinguished from noise"
MANY = 0.1  # proportion of genes above which a warning is raised in addition to the notes
_ROUNDING = 1e-6  # relative to the deviance
_VALUES = 2**22  # dense values of expression per chunk


def notes_on(null_deviance: np.ndarray, found: tuple[np.ndarray, np.ndarray, np.ndarray]) -> list[str]:
    """Return a note on each gene with little information, and an empty string for the others; see :func:`found_in`."""
    counts, carried, large = found
    remarks = [""] * len(counts)
    for gene, count in enumerate(counts):
        if count == 0:
            remarks[gene] = "expressed in no cell"
        elif null_deviance[gene] == 0:
            remarks[gene] = "constant expression"
        elif count < FEW:
            remarks[gene] = f"expressed in {counted(count, 'cell')} only"
        elif carried[gene] < FEW:
            remarks[gene] = f"expressed in {count} cells only, whose weights add up to {carried[gene]:.2g} cells"
        elif large[gene]:
            remarks[gene] = "values of 2^31 or more: an integer overflow?"
    return remarks


def found_in(Y, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the statistics of expression on which notes depend, `(n_genes,)` each.

    They are numbers of cells with nonzero values, sums of their weights in units of the largest weight, and whether a gene
    has values of 2^31 - 1 or more.
    """
    weights = weights / weights.max()
    Y = Y if isinstance(Y, BlockedExpression) else BlockedExpression(Y, keeps_totals=False)
    sums = cell_sums(Y, no_design(len(weights)), weights, all_cells=False)
    return sums.n_nonzero, sums.nonzero_weight, sums.large


def joined(*remarks: str) -> str:
    """Join several notes; empty ones are dropped."""
    return "; ".join(filter(None, remarks))


def noted(remarks: list[str], genes, remark: str) -> list[str]:
    """Add a note to some genes, by position."""
    found = list(remarks)
    for gene in np.asarray(genes).tolist():
        found[gene] = joined(found[gene], remark)
    return found


def on_convergence(remarks: list[str], converged, remark: str, failed: Container[int] = ()) -> list[str]:
    """Replace notes on the convergence of a first fit by those on a second one; genes that failed have no note."""
    found = []
    for gene, (own, good) in enumerate(zip(remarks, converged, strict=True)):
        if good or gene in failed:
            own = joined(*(part for part in own.split("; ") if not part.startswith("no convergence in ")))
        elif "no convergence" not in own:
            own = joined(own, remark)
        found.append(own)
    return found


def warn_of_zeros(family: str, n_genes: int, n_total: int) -> None:
    """Warn if many genes contain zeros but the family, "gamma" or "inverse_gaussian", does not allow zeros."""
    if n_genes > MANY * n_total:
        warn(
            f"{counted(n_genes, 'gene', 'contains', 'contain', of=n_total)} zeros, which have no likelihood under family "
            f"{family!r}: such trends are fitted from mean and variance alone, and may not converge where no cell in an "
            "interval of pseudotime expresses a gene. Use GAM('negative_binomial') on counts, or GAM() on "
            "log-normalised expression."
        )


def explains_nothing(deviance_explained: np.ndarray) -> np.ndarray:
    """Return which fits explain less than a constant, beyond rounding errors; they are failed fits."""
    return np.asarray(deviance_explained, dtype=float) < -_ROUNDING


def spread_of(Y, weights: np.ndarray) -> np.ndarray:
    """Return the weighted standard deviation `(n_genes,)` of expression, exactly 0 where it is constant."""
    used = weights > 0
    Y, weights = (Y, weights) if used.all() else (Y[np.flatnonzero(used)], weights[used])
    spread = np.empty(Y.shape[1])
    for genes in chunks(Y.shape[1], max(1, _VALUES // max(Y.shape[0], 1))):
        part = np.asarray(dense(Y[:, genes]), dtype=float)
        with np.errstate(invalid="ignore", over="ignore"):
            centred = part - weights @ part / weights.sum()
            spread[genes] = np.sqrt(weights @ centred**2 / weights.sum()) * (np.ptp(part, axis=0) > 0)
    return spread
