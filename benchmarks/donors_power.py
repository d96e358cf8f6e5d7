"""Power in `python -m benchmarks.donors --power`, compared with mgcv with random curves of donors, fitted per gene."""

from __future__ import annotations

from itertools import product
from time import process_time

import numpy as np
import pandas as pd

from lineage_clust import GAM, BSplineSmoother

from .donors_data import EFFECTS, simulate
from .donors_peers import moderated_lines, pseudobulk

METHODS = ("GAM", "bam fs", "limma bins", "limma lines")
_LEVEL = 0.05
_BAM = """
library(mgcv)
function(y, t, d, whole) {
  d <- factor(d)
  formula <- y ~ s(t, bs = "ps", k = 20) + s(t, d, bs = "fs", k = 10)
  fit <- function(discrete) suppressWarnings(bam(formula, method = "fREML", discrete = discrete))
  time <- system.time(b <- fit(TRUE))
  plain <- if (whole) system.time(fit(FALSE))[1] else NA
  c(summary(b, re.test = FALSE)$s.table[1, 4], time[1], plain)
}
"""


def bam_curves(time: np.ndarray, donor: np.ndarray, Y: np.ndarray, n_whole: int = 2) -> tuple[np.ndarray, float, float]:
    """Return p-values of the trend by `bam` with random curves of donors (`bs="fs"`), and its seconds a gene.

    They are of `discrete=TRUE`, by which mgcv is fastest, and, of the first `n_whole` genes, without it.
    """
    import rpy2.robjects as robjects

    fit = robjects.r(_BAM)
    found = np.array([
        list(fit(robjects.FloatVector(y), robjects.FloatVector(time), robjects.IntVector(donor + 1), number < n_whole))
        for number, y in enumerate(Y.T)
    ])  # fmt: skip
    return found[:, 0], float(found[:, 1].mean()), float(found[:n_whole, 2].mean())


def measure_power(
    n_genes: int, n_cells: int, n_tested: int, donors: list[int], effects=EFFECTS, seed: int = 31_000
) -> pd.DataFrame:
    """Return one row per setting; the prior uses all genes, rates are of `n_tested` flat and as many changing genes."""
    rows = []
    for number, (effect, n_donors) in enumerate(product([one for one in effects if not one.counts], donors)):
        rng = np.random.default_rng(seed + number)
        time, donor, Y, _ = simulate(rng, n_donors, n_genes, n_cells, False, effect)
        smoother = BSplineSmoother(domain=(0.0, 1.0))
        design = smoother.fit_transform(time[:, None])
        GAM().fit(design, Y[:, :40], penalty=smoother.penalty_, groups=donor)  # compiles
        start = process_time()
        ours = GAM().fit(design, Y, penalty=smoother.penalty_, groups=donor).pvalue_
        seconds = (process_time() - start) / n_genes
        start = process_time()
        GAM().fit(design, Y, penalty=smoother.penalty_).pvalue_  # noqa: B018
        alone = (process_time() - start) / n_genes
        some = np.r_[:n_tested, n_genes - n_tested : n_genes]
        flat = np.arange(2 * n_tested) < n_tested
        bam, discrete, plain = bam_curves(time, donor, Y[:, some])
        others = (one(time, donor, Y)[some] for one in (pseudobulk, moderated_lines))
        found = dict(zip(METHODS, (ours[some], bam, *others), strict=True))
        row = {"effects": effect.name, "donors": n_donors, "seconds": seconds, "alone": seconds / alone}
        row |= {"discrete": discrete / seconds, "plain": plain / seconds}
        for name, pvalue in found.items():
            row |= {f"{name} flat": np.mean(pvalue[flat] < _LEVEL), f"{name} power": np.mean(pvalue[~flat] < _LEVEL)}
        rows.append(row)
        print(power_line(row), flush=True)
    return pd.DataFrame(rows)


def power_header() -> str:
    """Return the header of the table."""
    return (
        f"| effects | donors | {' | '.join(METHODS)} | GAM, ms a gene | without donors | bam, discrete | bam |\n"
        + "|---" * (6 + len(METHODS))
        + "|"
    )


def power_line(row: dict) -> str:
    """Return one row of the table: `P(p < .05)` of flat genes / of changing ones."""
    cells = [f"{row[f'{name} flat']:.2f} / {row[f'{name} power']:.2f}" for name in METHODS]
    times = f"{1000 * row['seconds']:.2f} | x {1 / row['alone']:.2f} | x {row['discrete']:,.0f} | x {row['plain']:,.0f}"
    return f"| {row['effects']} | {row['donors']} | {' | '.join(cells)} | {times} |"
