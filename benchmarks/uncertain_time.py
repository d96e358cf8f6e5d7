"""`python -m benchmarks.uncertain_time`: trends along pseudotime known only as draws.

True times and draws vary in the same way around unknown times, so that the truth is exchangeable with the draws. Ten
draws are fitted and pooled. Fits to draws estimate the mean expression of cells at a drawn time, which is flatter than
that at the true time; coverage is computed for both. `attenuation` is the fraction by which the range of the median
trend is below the true one, `reported` its estimate in the result, and `to draws` the fraction by which it is below the
mean range of single draws. P-values: pooled, of a Wald test with Rubin's variance, of the first draw alone, and with
the true times.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.models.gam.inference.significance import along_modes, smooth_test
from lineage_clust.trends.pooling import Scatter, attenuation

SHAPES = {
    "flat": lambda t: 0 * t,
    "line": lambda t: 0.7 * t,
    "peak": lambda t: 0.7 * np.exp(-0.5 * ((t - 0.5) / 0.1) ** 2),
    "waves": lambda t: 0.4 * np.sin(4 * np.pi * t),
}
N_DRAWS, N_POINTS = 10, 101
GRID = np.linspace(0, 1, N_POINTS)


def scattered(base: np.ndarray, scatter: float, number: int, rng) -> np.ndarray:
    """Return draws `(number, n_cells)`: ranks, from 0 to 1, of the times with noise."""
    noisy = base + scatter * rng.normal(size=(number, len(base)))
    return np.argsort(np.argsort(noisy, axis=1), axis=1) / (len(base) - 1)


def attenuated(scatter: float, rng) -> dict[str, np.ndarray]:
    """Return the mean expression at drawn times, on the grid."""
    truth, drawn = scattered(rng.uniform(size=400_000), scatter, 2, rng)
    place = np.rint(drawn * (N_POINTS - 1)).astype(int)
    count = np.bincount(place, minlength=N_POINTS)
    return {name: np.bincount(place, shape(truth), N_POINTS) / count for name, shape in SHAPES.items()}


def fit(times: np.ndarray, y: np.ndarray) -> tuple[GAM, np.ndarray, tuple]:
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    design = smoother.fit_transform(times[:, None])
    model = GAM().fit(design, y, penalty=smoother.penalty_)
    return model, smoother.transform(GRID[:, None]), (design, np.ones(len(times)))


def wald(models: list[GAM], rows) -> np.ndarray:
    """Return p-values of the centred trend by Rubin's variance, with the degrees of freedom of single fits."""
    rows = rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)
    root = np.linalg.qr(rows - rows.mean(axis=0))[1]
    root = root[np.abs(np.diag(root)) > 1e-8]
    effects = np.array([one.coef_ @ root.T for one in models])
    genes = np.arange(effects.shape[1])
    within = np.mean([one.posterior_.covariances(root, genes) for one in models], axis=0)
    deviations = effects - effects.mean(axis=0)
    between = np.einsum("dgi,dgj->gij", deviations, deviations) / (len(models) - 1)
    rank = np.mean([one.edf_ for one in models], axis=0) - 1
    modes = along_modes(within + (1 + 1 / len(models)) * between, effects.mean(axis=0))
    return smooth_test(*modes, rank, np.full(len(genes), 500.0))[1]


def measure(scatter: float, n_cells: int, n_genes: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    targets = attenuated(scatter, rng)
    truth, *draws = scattered(rng.uniform(size=n_cells), scatter, N_DRAWS + 1, rng)
    rows = []
    for name, shape in SHAPES.items():
        y = shape(truth)[:, None] + rng.normal(size=(n_cells, n_genes))
        fits = [fit(times, y) for times in draws]
        models, basis = [one for one, _, _ in fits], fits[0][1]
        pooled, known = GAM.pool(models, n_cells), fit(truth, y)[0]
        trend, (lower, upper) = pooled.predict(basis), pooled.confidence_interval(basis)
        alone = models[0].confidence_interval(basis)
        single = np.mean([np.ptp(one.predict(basis), axis=0) for one in models], axis=0)
        amplitude = np.ptp(shape(GRID))
        row = {"scatter": scatter, "shape": name}
        for label, ends in (("band", (lower, upper)), ("one draw", alone)):
            for target, curve in (("drawn", targets[name]), ("true", shape(GRID))):
                row[f"{label}, {target}"] = np.mean((ends[0] <= curve[:, None]) & (curve[:, None] <= ends[1]))
        row["attenuation"] = 1 - np.median(np.ptp(trend, axis=0)) / amplitude if amplitude else np.nan
        flattening = Scatter()
        for _, _, (design, weights) in fits:
            flattening.add(design, weights)
        row["reported"] = np.median(attenuation(trend.T, basis, flattening.coefficients()))
        row["to draws"] = np.median(1 - np.ptp(trend, axis=0) / single)
        pvalues = {
            "pooled": pooled.pvalue_,
            "Wald": wald(models, basis),
            "one": models[0].pvalue_,
            "true": known.pvalue_,
        }
        row |= {f"p<.05 {label}": np.mean(p < 0.05) for label, p in pvalues.items()}
        row |= {f"p<.01 {label}": np.mean(p < 0.01) for label, p in pvalues.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.uncertain_time", description=__doc__)
    parser.add_argument("--cells", type=int, default=800)
    parser.add_argument("--genes", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=4)
    arguments = parser.parse_args(argv)
    parts = [
        measure(scatter, arguments.cells, arguments.genes, seed)
        for scatter in (0.02, 0.05, 0.1, 0.2)
        for seed in range(11, 11 + arguments.seeds)
    ]
    table = pd.concat(parts).groupby(["scatter", "shape"], sort=False).mean().round(3)
    bands = [name for name in table if not name.startswith("p<")]
    print(table[bands].to_string(), "\n")
    print(table.drop(columns=bands).to_string())


if __name__ == "__main__":
    main()
