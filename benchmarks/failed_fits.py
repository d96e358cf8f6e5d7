"""`python -m benchmarks.failed_fits`: fits of flat genes by every family, for easy and difficult data.

Prints a table for docs/quality.md: the fractions of genes that failed or did not converge, of p-values below 0.05 among
the others, and the largest ratio of a trend to the largest value of a cell.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from sklearn.svm import SVR

from lineage_clust.errors import LineageClustWarning, NoTrendError
from lineage_clust.models import GAM, PyGAM
from lineage_clust.models.regressor import RegressorModel
from lineage_clust.smoothers import BSplineSmoother

N_CELLS, N_GENES = 500, 200
ZEROS = {"no zeros": 0.0, "80 % zeros": 0.8, "95 % zeros": 0.95, "99 % zeros": 0.99}
CONTINUOUS = {"gaussian", "gamma", "inverse_gaussian"}
PYGAM = {"normal": "identity", "gamma": "log", "poisson": "log", "binomial": "logit", "inv_gauss": "log"}
SAME = {"normal": "gaussian", "inv_gauss": "inverse_gaussian"}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failed_fits", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--genes", type=int, default=N_GENES)
    parser.add_argument("--models", nargs="*", default=["gam", "pygam", "svr"], choices=["gam", "pygam", "svr"])
    arguments = parser.parse_args(argv)
    print(
        "| model | genes | failed | not converged | p < .05 | highest trend / largest cell | least deviance explained |"
    )
    print("|---|---|---|---|---|---|---|")
    for number, (name, model, family, kind) in enumerate(cases(arguments.models)):
        n_genes = arguments.genes if name.startswith("GAM") else min(arguments.genes, 40)
        print(line(name, kind, measure(model, *genes(family, kind, n_genes, arguments.seed + number))), flush=True)


def cases(models: list[str]):
    """Yield name and model, family of the data, and a description of the case."""
    families = ["gaussian", "poisson", "negative_binomial", "binomial", "gamma", "inverse_gaussian"]
    if "gam" in models:
        yield from ((f"GAM {family}", GAM(family), family, kind) for family in families for kind in kinds(family))
    if "pygam" in models:
        for distribution, link in PYGAM.items():
            family = SAME.get(distribution, distribution)
            for kind in kinds(family):
                yield f"PyGAM {distribution}, {link}", PyGAM(distribution, link), family, kind
    if "svr" in models:
        yield from (("SVR", RegressorModel(SVR()), "gaussian", kind) for kind in kinds("gaussian"))


def kinds(family: str) -> list[str]:
    own = list(ZEROS)[family in ("poisson", "negative_binomial", "binomial") :]
    own += ["an outlier"] if family != "binomial" else []
    return own + (["unit 1e-9"] if family in CONTINUOUS else [])


def genes(family: str, kind: str, n_genes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pseudotime `(n_cells,)` and expression `(n_cells, n_genes)` that does not depend on it."""
    rng = np.random.default_rng(seed)
    t, shape = np.sort(rng.uniform(0, 1, N_CELLS)), (N_CELLS, n_genes)
    zeros = ZEROS.get(kind, 0.5 if family not in CONTINUOUS else 0.0)
    if family == "poisson":
        y = rng.poisson(-np.log(zeros), shape).astype(float)
    elif family == "negative_binomial":
        y = rng.negative_binomial(1, zeros, shape).astype(float)
    elif family == "binomial":
        y = (rng.random(shape) >= zeros).astype(float)
    else:
        draw = {
            "gaussian": lambda: np.abs(rng.normal(2, 0.5, shape)),
            "gamma": lambda: rng.gamma(2, 0.5, shape),
            "inverse_gaussian": lambda: rng.wald(1, 2, shape),
        }
        y = draw[family]() * (rng.random(shape) >= zeros)
    if kind == "an outlier":
        y[rng.integers(0, N_CELLS, n_genes), np.arange(n_genes)] = 100 * y.max()
    return t, y * (1e-9 if kind == "unit 1e-9" else 1.0)


def measure(model, t: np.ndarray, y: np.ndarray) -> dict:
    y = y[:, (y > 0).any(axis=0)]
    smoother = BSplineSmoother().fit(t[:, None])
    design, grid = smoother.transform(t[:, None]), np.linspace(t[0], t[-1], 200)[:, None]
    reads_time = getattr(model, "reads", "design") == "pseudotime" or isinstance(model, RegressorModel)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LineageClustWarning)
        try:
            if isinstance(model, RegressorModel):
                model.fit(t[:, None], y)
            elif reads_time:
                model.fit(t, y, smoother=smoother)
            else:
                model.fit(design, y, penalty=smoother.penalty_)
        except NoTrendError:
            return {"failed": 1.0}
    trend = model.predict(grid if reads_time else smoother.transform(grid))
    fitted = np.isfinite(trend).all(axis=0)
    converged = np.asarray(getattr(model, "converged_", np.ones(len(fitted), dtype=bool))) & fitted
    pvalue = np.asarray(getattr(model, "pvalue_", np.full(len(fitted), np.nan)))
    known = pvalue[np.isfinite(pvalue)]
    return {
        "failed": np.mean(~fitted),
        "slow": np.mean(fitted & ~converged),
        "significant": np.mean(known < 0.05) if len(known) else np.nan,
        "ratio": np.max(trend[:, fitted].max(axis=0) / y[:, fitted].max(axis=0)),
        "explained": np.min(np.asarray(model.deviance_explained_)[fitted]),
    }


def line(name: str, kind: str, row: dict) -> str:
    shares = [
        f"{row[key]:.3f}" if np.isfinite(row.get(key, np.nan)) else "-" for key in ("failed", "slow", "significant")
    ]
    extremes = [f"{row[key]:.2g}" if key in row else "-" for key in ("ratio", "explained")]
    return f"| {name} | {kind} | " + " | ".join([*shares, *extremes]) + " |"


if __name__ == "__main__":
    main()
