"""`python -m benchmarks.peers`: comparison with CellRank and Palantir on the same genes in one run.

Requires `pip install cellrank palantir` (the extra `peers`). CellRank fits genes one by one, so that its time is
extrapolated from some genes; Palantir's first call, which compiles, is excluded. The best of several times is reported.
"""

from __future__ import annotations

import argparse
import json
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from anndata import AnnData

from lineage_clust import GAM, BSplineSmoother, GraphClusterer, TrendClusterer, datasets
from lineage_clust.lineage.lineage import Reader
from lineage_clust.trends.lineage_fit import TrendFitter

from .timing import best_of

LINEAGE = "lineage_1"
_OURS = "trends", "fixed", "fixed+tables", "auto", "auto+tables"


def make_data(n_cells: int, n_genes: int, seed: int = 0) -> AnnData:
    """Return simulated cells with the keys expected by each package."""
    adata = datasets.simulate_lineage(n_cells, n_genes, 8, random_state=seed)
    adata.obs["palantir_pseudotime"] = adata.obs["pseudotime"]
    adata.obsm["palantir_fate_probabilities"] = adata.obsm["fate_probabilities"]
    del adata.layers["counts"]
    return adata


def time_ours(adata: AnnData) -> dict:
    """Return seconds of trends with intervals and tests, of the whole fit, and of the fit with its tables.

    The tables contain results of posterior samples, intervals of shapes and confidence of clusters. They are computed
    on first access; the other packages have no equivalent.
    """
    settings = {"lineage": LINEAGE, "lineage_key": "fate_probabilities", "time_key": "pseudotime", "random_state": 0}
    fixed, auto = TrendClusterer(clusterer=GraphClusterer(resolution=1.0), **settings), TrendClusterer(**settings)
    return {
        "trends": best_of(lambda: time_trends(adata), repeats=10),
        "fixed": best_of(lambda: fixed.fit(adata), repeats=5),
        "fixed+tables": best_of(lambda: fixed.fit(adata).gene_table_, repeats=5),
        "auto": best_of(lambda: auto.fit(adata), repeats=5),
        "auto+tables": best_of(lambda: auto.fit(adata).gene_table_, repeats=5),
        "clusters": auto.n_clusters_,
    }


def time_trends(adata: AnnData) -> None:
    """Read the lineage and fit all genes: trends on 200 points with standard errors, tests, REML smoothness."""
    lineage = Reader(lineage_key="fate_probabilities", time_key="pseudotime").read(adata, LINEAGE)
    TrendFitter(BSplineSmoother(), GAM(), 200).fit(lineage)


def time_cellrank(adata: AnnData, n_genes: int) -> float:
    """Return seconds per gene of CellRank's default GAM: prepare, fit, predict, confidence interval."""
    import cellrank

    adata = adata.copy()
    fates = adata.obsm["fate_probabilities"]
    adata.obsm["lineages_fwd"] = cellrank.Lineage(fates.to_numpy(), names=list(fates.columns))
    chosen = adata.var_names[np.linspace(0, adata.n_vars - 1, n_genes).astype(int)]

    def fit(gene):
        model = cellrank.models.GAM(adata)
        model.prepare(gene=gene, lineage=LINEAGE, time_key="pseudotime").fit().predict()
        model.confidence_interval()

    fit(chosen[0])
    return best_of(lambda: [fit(gene) for gene in chosen], repeats=2) / n_genes


def time_palantir(adata: AnnData) -> dict:
    """Return seconds of Palantir's trends and of their clusters, the best of several after the first."""
    import palantir

    palantir.presults.select_branch_cells(adata)

    def trends():
        palantir.presults.compute_gene_trends(adata, lineages=[LINEAGE])

    def clusters():
        return palantir.presults.cluster_gene_trends(adata, LINEAGE)

    trends()
    return {"clusters": int(clusters().nunique()), "trends": best_of(trends), "clustering": best_of(clusters)}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few cells and genes")
    parser.add_argument("--json", type=Path, default=Path("build/peers.json"), help="where the figures go")
    arguments = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    small, large = ((500, 60), (500, 80)) if arguments.quick else ((10_000, 1_000), (20_000, 2_000))
    figures: dict = {"versions": versions()}
    adata = make_data(*small)
    figures["cellrank"] = {"cells": small[0], "genes": small[1], **time_ours(adata)}
    try:
        figures["cellrank"]["per gene"] = time_cellrank(adata, 10)
    except ImportError:
        print("CellRank is not installed: left out")
    adata = make_data(*large)
    figures["palantir"] = {"cells": large[0], "genes": large[1], **time_ours(adata)}
    try:
        figures["palantir"]["theirs"] = time_palantir(adata)
    except ImportError:
        print("Palantir is not installed: left out")
    print(table(figures))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def versions() -> dict:
    """Return the versions of the compared packages."""
    found = {}
    for name in ("lineage-clust", "cellrank", "palantir", "pygam", "scanpy", "igraph", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def table(figures: dict) -> str:
    """Return the figures as lines of text."""
    lines = [" ".join(f"{name} {number}" for name, number in figures["versions"].items() if number)]
    ours = figures["cellrank"]
    lines.append(f"\n{ours['genes']:,} genes x {ours['cells']:,} cells")
    lines += [f"  ours, {name:12s} {ours[name]:8.3f} s" for name in _OURS]
    if "per gene" in ours:
        whole = ours["per gene"] * ours["genes"]
        lines.append(f"  CellRank's GAM {1000 * ours['per gene']:.0f} ms a gene, {whole:.0f} s for all")
        lines += [f"    {whole / ours[name]:7.0f} times ours, {name}" for name in _OURS]
    ours = figures["palantir"]
    lines.append(f"\n{ours['genes']:,} genes x {ours['cells']:,} cells")
    lines += [f"  ours, {name:12s} {ours[name]:8.3f} s" for name in _OURS]
    if "theirs" in ours:
        theirs = ours["theirs"]
        whole = theirs["trends"] + theirs["clustering"]
        lines.append(
            f"  Palantir {theirs['trends']:.2f} s trends + {theirs['clustering']:.2f} s clusters ({theirs['clusters']})"
        )
        lines += [f"    {whole / ours[name]:7.1f} times ours, {name}" for name in _OURS[1:]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
