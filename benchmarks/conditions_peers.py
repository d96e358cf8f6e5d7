"""Other comparisons of conditions: limma-like tests of means per sample and time bin, and mgcv's `bam` for each gene."""

from __future__ import annotations

from time import process_time

import numpy as np
from scipy import stats

from .conditions_data import KINDS, ConditionCells
from .donors_peers import moderated

_N_BINS, _FEWEST = 5, 5
_BAM = """
library(mgcv)
function(y, t, d, c) {
  d <- factor(d); o <- ordered(c)
  b <- suppressWarnings(bam(
    y ~ c + s(t, bs = "ps", k = 20) + s(t, by = o, bs = "ps", k = 20) + s(t, d, bs = "fs", k = 10),
    method = "fREML", discrete = TRUE))
  found <- summary(b, re.test = FALSE)
  c(found$p.table[2, 4], found$s.table[2, 4])
}
"""


def bin_means(cells: ConditionCells) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return conditions, donors and middles of the bins with at least five cells, and their means `(n, n_genes)`."""
    bins = np.minimum((cells.time * _N_BINS).astype(int), _N_BINS - 1)
    keys, number, counts = np.unique(
        np.column_stack([cells.condition, cells.donor, bins]), axis=0, return_inverse=True, return_counts=True
    )
    means = np.zeros((len(keys), cells.Y.shape[1]))
    np.add.at(means, number.ravel(), cells.logs)
    kept = counts >= _FEWEST
    condition, donor, at = keys[kept].T
    return condition, donor, (at + 0.5) / _N_BINS - 0.5, means[kept] / counts[kept, None]


def level_of_means(cells: ConditionCells) -> np.ndarray:
    """Return p-values of moderated t-tests of the samples' levels, adjusted for the times of their bins."""
    condition, donor, time, means = bin_means(cells)
    samples, number = np.unique(np.column_stack([condition, donor]), axis=0, return_inverse=True)
    curves = np.column_stack([time, time**2, time**3])
    within = (
        curves - np.stack([curves[number.ravel() == one].mean(axis=0) for one in range(len(samples))])[number.ravel()]
    )
    slopes = np.linalg.lstsq(within, means, rcond=None)[0]
    left = means - curves @ slopes
    levels = np.stack([left[number.ravel() == one].mean(axis=0) for one in range(len(samples))])
    X = np.column_stack([samples[:, 0], _of_donors(samples)])
    return _tested(X, levels, 1)


def bins_of_samples(cells: ConditionCells) -> np.ndarray:
    """Return p-values of moderated F-tests of cubic differences over bins, with a level for each sample."""
    condition, donor, time, means = bin_means(cells)
    _, number = np.unique(np.column_stack([condition, donor]), axis=0, return_inverse=True)
    curves = np.column_stack([time, time**2, time**3])
    X = np.column_stack([curves * condition[:, None], curves, np.eye(number.max() + 1)[number.ravel()]])
    return _tested(X, means, 3)


def _of_donors(samples: np.ndarray) -> np.ndarray:
    """Return a column per donor if donors are in both conditions, else the constant."""
    donors = samples[:, 1]
    paired = len(np.unique(donors)) < len(donors)
    return np.eye(donors.max() + 1)[:, np.unique(donors)][donors] if paired else np.ones((len(donors), 1))


def _tested(X: np.ndarray, Y: np.ndarray, n_tested: int) -> np.ndarray:
    """Return p-values of moderated F-tests of the first columns."""
    squares = [np.sum((Y - Z @ np.linalg.lstsq(Z, Y, rcond=None)[0]) ** 2, axis=0) for Z in (X, X[:, n_tested:])]
    df = len(Y) - np.linalg.matrix_rank(X)
    variance, prior_df = moderated(squares[0] / df, df)
    return stats.f.sf((squares[1] - squares[0]) / n_tested / variance, n_tested, df + prior_df)


def bam_differences(cells: ConditionCells, genes: np.ndarray) -> tuple[np.ndarray, float]:
    """Return p-values `(n_genes, 2)` of level and shape by mgcv's `bam`, and its seconds a gene.

    Differences are a parametric level and a smooth of the second condition; random curves (`bs="fs"`) are of samples.
    """
    import rpy2.robjects as robjects

    fit = robjects.r(_BAM)
    sample = cells.donor + (cells.donor.max() + 1) * cells.condition
    given = robjects.FloatVector(cells.time), robjects.IntVector(sample), robjects.IntVector(cells.condition)
    start = process_time()
    found = np.array([list(fit(robjects.FloatVector(cells.logs[:, gene]), *given)) for gene in genes])
    return found, (process_time() - start) / len(genes)


def bam_row(cells: ConditionCells, pvalues: dict[str, np.ndarray], n_tested: int) -> str:
    """Return P(p < .05) of flat genes and of as many with a difference, for `pvalues` by method and for `bam`."""
    genes = np.concatenate([
        np.flatnonzero(of)[:n_tested]
        for of in (~cells.differs, cells.kind == KINDS.index("level"), cells.kind > KINDS.index("level"))
    ])  # fmt: skip
    bam, seconds = bam_differences(cells, genes)
    found = {name: of[genes] for name, of in pvalues.items()} | {"level bam": bam[:, 0], "shape bam": bam[:, 1]}
    kind, entries = cells.kind[genes], []
    for test, of_kind in (("level", kind == 1), ("shape", kind > 1)):
        for method in ("GAM", "bins", "bam"):
            pvalue = found[f"{test} {method}"]
            entries.append(f"{np.mean(pvalue[kind == 0] < 0.05):.2f} / {np.mean(pvalue[of_kind] < 0.05):.2f}")
    return " | ".join([*entries, f"{seconds:.2f} s"])
