"""`python -m benchmarks.families`: time per gene of every family, compared with pyGAM and mgcv in the same run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy import sparse

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.errors import NoTrendError
from lineage_clust.models import MgcvGAM, PyGAM

from .timing import best_of

# family, pyGAM's name and link
FAMILIES = (
    ("gaussian", "normal", "identity"),
    ("poisson", "poisson", "log"),
    ("negative_binomial", None, None),
    ("gamma", "gamma", "log"),
    ("binomial", "binomial", "logit"),
    ("inverse_gaussian", "inv_gauss", "log"),
)


def make_responses(family: str, n_cells: int, n_genes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, object]:
    """Return pseudotime, weights and responses of a family around smooth curves; counts as CSR."""
    rng = np.random.default_rng(seed)
    t, weights = rng.beta(1, 1.5, n_cells), np.clip(rng.beta(2, 1, n_cells), 0.01, 1)
    slope, level, phase = rng.normal(0, 1, n_genes), rng.uniform(-1.5, 1.5, n_genes), rng.uniform(0, 6, n_genes)
    eta = level + slope * np.sin(3 * t[:, None] + phase)
    mu = np.exp(eta)
    if family == "gaussian":
        return t, weights, rng.normal(eta, 1.0)
    if family == "poisson":
        return t, weights, sparse.csr_matrix(rng.poisson(mu).astype(np.float32))
    if family == "negative_binomial":
        return t, weights, sparse.csr_matrix(rng.poisson(rng.gamma(1.5, mu / 1.5)).astype(np.float32))
    if family == "gamma":
        return t, weights, rng.gamma(2.0, mu / 2.0)
    if family == "binomial":
        return t, weights, sparse.csr_matrix((rng.uniform(size=mu.shape) < mu / (1 + mu)).astype(np.float32))
    return t, weights, rng.wald(mu, 4.0)


def measure(n_cells: int, n_genes: int, n_peer: int) -> list[dict]:
    """Return, for every family, seconds per gene of GAM, pyGAM (fixed lambda) and mgcv (REML)."""
    rows = []
    for family, name, link in FAMILIES:
        t, weights, y = make_responses(family, n_cells, n_genes)
        smoother = BSplineSmoother().fit(t[:, None])
        design = smoother.transform(t[:, None])
        grid = np.linspace(t.min(), t.max(), 200)[:, None]

        def ours(family=family, design=design, y=y, weights=weights, smoother=smoother, grid=grid):
            GAM(family).fit(design, y, weights, penalty=smoother.penalty_).predict(
                smoother.transform(grid), return_std=True
            )

        some = y[:, :n_peer].toarray() if sparse.issparse(y) else y[:, :n_peer]
        row = {"family": family, "ours": best_of(ours, 2) / n_genes, "pygam": None, "mgcv": None}
        if name is not None:
            row["pygam"] = _time_peer(PyGAM(name, link, max_iter=500), t, some, weights)
        try:
            row["mgcv"] = _time_peer(MgcvGAM(k=20, bs="ps", family=family), t, some, weights)
        except ImportError:
            pass
        rows.append(row)
    return rows


def _time_peer(model, t, y, weights) -> float:
    """Return seconds per gene of fit and trend with errors, including failed fits of other packages."""

    def fit():
        try:
            model.fit(t[:, None], y, sample_weight=weights)
        except NoTrendError:
            return
        model.predict(np.linspace(t.min(), t.max(), 200)[:, None], return_std=True)

    return best_of(fit, 1) / y.shape[1]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.families", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, default=Path("build/families.json"))
    arguments = parser.parse_args(argv)
    n_cells, n_genes, n_peer = (1_000, 40, 2) if arguments.quick else (10_000, 500, 4)
    rows = measure(n_cells, n_genes, n_peer)
    print(f"{n_genes} genes x {n_cells:,} cells, 20 splines; milliseconds per gene, trend with errors at 200 points\n")
    print(f"{'family':20}{'GAM':>8}{'all genes':>12}{'pyGAM':>10}{'times':>8}{'mgcv':>10}{'times':>8}")
    for row in rows:
        peers = "".join(
            f"{1e3 * row[peer]:10.1f}{row[peer] / row['ours']:8.0f}" if row[peer] else f"{'-':>10}{'-':>8}"
            for peer in ("pygam", "mgcv")
        )
        print(f"{row['family']:20}{1e3 * row['ours']:8.2f}{row['ours'] * n_genes:10.2f} s{peers}")
    print("\nGAM and mgcv choose lambda of every gene by REML, pyGAM takes a fixed one.")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
