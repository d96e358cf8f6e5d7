"""Rare genes in `python -m benchmarks.donors --rare`: false positives by the number of expressing cells or donors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.trends.trends import adjust

from .donors_data import Effect, _counted, _curves, _expected

_CELLS = (3, 5, 11, 31, 101, 301, 801, 10**9)
_LEVELS = (-7.0, 2.0)  # of the log mean
_USUAL = Effect(0.25, 0.25)


def measure_rare(n_genes: int, n_cells: int, n_donors: int, family: str, seed: int, n_sets: int) -> None:
    """Print a row per number of expressing cells, and per number of expressing donors.

    Genes of the first rows have log means between -7 and 2. Those of the last are expressed in one to three donors only, each
    with a random curve of standard deviation 1; they are fitted together with as many genes of all donors.
    """
    sets = [_by_cells(np.random.default_rng((seed, one)), n_genes, n_cells, n_donors, family) for one in range(n_sets)]
    pvalue, flat, found, expressing = (np.concatenate(of) for of in zip(*sets, strict=True))
    for low, high in pairwise(_CELLS):
        own = flat & (expressing >= low) & (expressing < high)
        name = f"{low} to {high - 1} cells" if high < 10**9 else f"{low} cells or more"
        print(_row(family, n_donors, name, pvalue[own], found[own]), flush=True)
    sets = [_by_donors(np.random.default_rng((seed, 100 + one)), n_cells, n_donors, family) for one in range(n_sets)]
    pvalue, found, expressing = (np.concatenate(of) for of in zip(*sets, strict=True))
    for number in (1, 2, 3):
        own = expressing == number
        print(_row(family, n_donors, f"{number} donor{'s' * (number > 1)}", pvalue[own], found[own]), flush=True)


def _row(family: str, n_donors: int, name: str, pvalue: np.ndarray, found: np.ndarray) -> str:
    rates = f"{np.mean(pvalue < 0.05):.3f} / {np.mean(pvalue < 0.01):.3f} | {pvalue.min():.0e} | {np.mean(found):.4f}"
    return f"| {family} | {n_donors} | {name} | {len(pvalue)} | {rates} |"


def rare_header() -> str:
    """Return the header of the table."""
    return (
        "| family | donors | expressed in | flat genes | P(p < .05) / P(p < .01) | smallest p | q < .01 |\n"
        + "|---" * 7
        + "|"
    )


def _by_cells(rng, n_genes: int, n_cells: int, n_donors: int, family: str) -> tuple[np.ndarray, ...]:
    """Return p-values, which genes are flat, which have q < .01, and numbers of expressing cells."""
    time, donor, truth, around = _expected(rng, n_donors, n_genes, n_cells, False, _USUAL)
    depth, counts = _counted(rng, 3 * truth + around, _LEVELS)
    expressing = np.sum(counts > 0, axis=0)
    kept = expressing >= _CELLS[0]
    pvalue = _pvalues(time, donor, counts[:, kept], depth, family)
    return pvalue, np.ptp(truth, axis=0)[kept] == 0, adjust(pvalue) < 0.01, expressing[kept]


def _by_donors(rng, n_cells: int, n_donors: int, family: str, n_each: int = 60) -> tuple[np.ndarray, ...]:
    """Return p-values, which genes have q < .01, and numbers of expressing donors (0 = all)."""
    time, donor, _, around = _expected(rng, n_donors, 6 * n_each, n_cells, False, _USUAL)
    expressing = np.repeat([0, 1, 2, 3], [3 * n_each, n_each, n_each, n_each])
    for gene in np.flatnonzero(expressing):
        around[:, gene] = -np.inf
        for one in rng.choice(n_donors, expressing[gene], replace=False):
            around[donor == one, gene] = _curves(rng, "smooth", 1)[np.round(200 * time[donor == one]).astype(int), 0]
    depth, counts = _counted(rng, around)
    pvalue = _pvalues(time, donor, counts, depth, family)
    return pvalue, adjust(pvalue) < 0.01, expressing


def _pvalues(time, donor, counts, depth, family: str) -> np.ndarray:
    """Return p-values; 1 for genes that did not converge, as in a table of genes they would be missing."""
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    design = smoother.fit_transform(time[:, None])
    logs = family == "gaussian"
    values, offset = (np.log1p(counts / depth[:, None]), None) if logs else (counts, np.log(depth))
    fit = GAM(family).fit(design, values, penalty=smoother.penalty_, offset=offset, groups=donor)
    return np.where(np.isnan(fit.pvalue_), 1.0, fit.pvalue_)
