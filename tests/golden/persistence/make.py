"""Write the file that every later release must open, and its expected content."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import lineage_clust as lc

FOLDER = Path(__file__).parent


def main() -> None:
    adata = lc.datasets.simulate_lineage(300, 12, 3, n_lineages=1, random_state=7)
    tc = lc.TrendClusterer(
        clusterer=lc.GraphClusterer(4, resolution=1.0), n_points=25, random_state=0, genes=list(adata.var_names)
    ).fit(adata, lineage="lineage_1")
    tc.save(FOLDER / "format_1.lclust")
    times = np.linspace(-0.1, 1.1, 7)
    expected = {
        "genes": tc.genes_,
        "labels": tc.labels_.tolist(),
        "times": times.tolist(),
        "trends": {gene: tc.models_[gene]["lineage_1"].predict(times).tolist() for gene in tc.genes_},
        "predicted": tc.predict(
            lc.datasets.simulate_lineage(150, 12, 3, n_lineages=1, random_state=8), genes=tc.genes_
        ).tolist(),
    }
    (FOLDER / "format_1.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
