"""Simulated counts around given curves, for data sets that `simulate_lineage` does not provide."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from lineage_clust.datasets.simulate import SHAPES

GRID = np.linspace(0, 1, 201)
_LEVEL_SD = 1.0  # standard deviation of the genes' log mean expression
_DEPTH_SD = 0.3  # standard deviation of the cells' log total counts
_PER = 1e4  # expression is in counts per this many counts of a cell


def lineage_around(
    curves: np.ndarray,
    module: np.ndarray,
    rng: np.random.Generator,
    *,
    n_cells: int = 1000,
    depth: float = 10_000.0,
    amplitude: float = 2.0,
    scale: float = 0.3,
    dispersion: float = 0.3,
) -> AnnData:
    """Return negative binomial counts of cells along one lineage; the log mean of a gene follows its curve.

    `curves` `(n_genes, 201)` on `GRID` are multiplied by the gene's amplitude: `amplitude` times a log-normal factor
    with standard deviation `scale` of the logarithm. Levels, totals and names are as in `simulate_lineage`.
    """
    n_genes = len(curves)
    time = rng.beta(1.4, 1.1, n_cells)
    time = (time - time.min()) / np.ptp(time)
    total = np.rint(depth * np.exp(rng.normal(-(_DEPTH_SD**2) / 2, _DEPTH_SD, n_cells))).clip(1)
    log_mean = amplitude * np.exp(rng.normal(0, scale, n_genes))[:, None] * curves
    level = rng.normal(-(_LEVEL_SD**2) / 2, _LEVEL_SD, n_genes)
    log_mean += (level - np.log(np.exp(log_mean).mean(axis=1)))[:, None]
    mean = np.exp([np.interp(time, GRID, row) for row in log_mean]).T * (total / _PER)[:, None]
    counts = rng.poisson(mean * rng.gamma(1 / dispersion, dispersion, mean.shape))
    cells = [f"cell_{index}" for index in range(n_cells)]
    return AnnData(
        sparse.csr_matrix(np.log1p(counts / (total / _PER)[:, None]).astype(np.float32)),
        obs=pd.DataFrame({"pseudotime": time, "total_counts": total}, index=cells),
        var=pd.DataFrame({"module": module}, index=[f"gene_{index}" for index in range(n_genes)]),
        obsm={"fate_probabilities": pd.DataFrame({"lineage_1": np.ones(n_cells)}, index=cells)},
        varm={"true_trend": np.log1p(np.exp(log_mean))},
        uns={"simulation": {"grid": GRID}},
    )


def rise(centre: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """Return switches from 0 to 1, `(n_genes, 201)`."""
    return 1 / (1 + np.exp(-(GRID - np.reshape(centre, (-1, 1))) / np.reshape(width, (-1, 1))))


def peak(centre: np.ndarray, width: float) -> np.ndarray:
    """Return peaks of height 1, `(n_genes, 201)`."""
    return np.exp(-0.5 * ((GRID - np.reshape(centre, (-1, 1))) / width) ** 2)


def smooth_noise(rng: np.random.Generator, n_genes: int, length: float) -> np.ndarray:
    """Return samples of a Gaussian process `(n_genes, 201)`, each with mean 0 and standard deviation 1 over the grid."""
    kernel = np.exp(-0.5 * ((GRID[:, None] - GRID) / length) ** 2)
    values, vectors = np.linalg.eigh(kernel)
    drawn = rng.normal(size=(n_genes, len(GRID))) @ (vectors * np.sqrt(values.clip(0))).T
    drawn -= drawn.mean(axis=1, keepdims=True)
    return drawn / drawn.std(axis=1, keepdims=True)


def minority(seed: int, n_cells: int, share: float, n_genes: int = 300) -> AnnData:
    """Return noisy genes that rise, and a fraction that falls at the same times."""
    rng = np.random.default_rng(seed)
    falls = np.arange(n_genes) < round(share * n_genes)
    curves = rise(rng.normal(0.5, 0.05, n_genes), 0.1)
    return lineage_around(
        np.where(falls[:, None], 1 - curves, curves), falls.astype(int), rng, n_cells=n_cells, amplitude=1.5
    )


def deviating(seed: int, n_modules: int, deviation: float, n_genes: int = 600, n_cells: int = 1000) -> AnnData:
    """Return modules whose genes deviate from the module's curve by smooth noise.

    Its standard deviation is `deviation` times the module's amplitude, the difference between maximum and minimum.
    """
    rng = np.random.default_rng(seed)
    module = np.arange(n_genes) % n_modules
    shapes = np.array([shape(GRID) for shape in list(SHAPES.values())[:n_modules]])
    shapes = (shapes - shapes.min(axis=1, keepdims=True)) / np.ptp(shapes, axis=1)[:, None]
    curves = shapes[module] + deviation * smooth_noise(rng, n_genes, 0.15)
    return lineage_around(curves, module, rng, n_cells=n_cells)


def periodic(seed: int, n_phases: int, n_cycles: int, n_genes: int = 500, n_cells: int = 1500) -> AnnData:
    """Return modules that rise and fall `n_cycles` times, at equally spaced phases."""
    rng = np.random.default_rng(seed)
    module = np.arange(n_genes) % n_phases
    phase = module / n_phases + rng.normal(0, 0.02, n_genes)
    curves = 0.5 + 0.5 * np.cos(2 * np.pi * (n_cycles * GRID - phase[:, None]))
    return lineage_around(curves, module, rng, n_cells=n_cells)
