"""Write results of this version on the bundled data, and its files, for comparison with later versions.

`python tests/golden/results/make.py` adds the files of the current version. Files of released versions are never
rewritten.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np

import lineage_clust as lc

FOLDER = Path(__file__).parent


def fitted() -> lc.TrendClusterer:
    """Return the fit whose numbers are kept: 60 genes of the bundled data, one resolution, few grid points.

    What was a default of version 0.1.0 and is none any more is set.
    """
    adata = lc.datasets.bone_marrow()
    return lc.TrendClusterer(
        clusterer=lc.GraphClusterer(10, resolution=1.0, refine=False), genes=list(adata.var_names[:60]), lineage="Ery",
        n_points=20, weight_threshold=(0.01, 0.01), random_state=0,
    ).fit(adata[::2].copy())  # fmt: skip


def numbers(tc: lc.TrendClusterer) -> dict:
    """Return what the fit says, in JSON: of its own cells and of the others."""
    others = lc.datasets.bone_marrow()[1::2].copy()
    table = tc.gene_table_
    return {
        "genes": tc.genes_,
        "labels": tc.labels_.tolist(),
        "pseudotime": tc.pseudotime_.tolist(),
        "trends": tc.trends_[:, ::6].tolist(),
        "errors": tc.trend_se_[:, ::6].tolist(),
        "scaled": tc.scaled_trends_[:, ::6].tolist(),
        **{name: table[name].astype(float).tolist() for name in ("edf", "deviance_explained", "pvalue", "qvalue")},
        "predicted": tc.predict(others).tolist(),
        "scores": tc.transform(others)[:5].tolist(),
        "score": tc.score(others),
        "at": tc.models_[tc.genes_[0]]["Ery"].predict(np.array([0.05, 0.3])).tolist(),
    }


def main() -> None:
    tc = fitted()
    name = f"version_{lc.__version__}"
    tc.save(FOLDER / f"{name}.lclust")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tc.to_anndata().write_h5ad(FOLDER / f"{name}.h5ad", compression="gzip")
    text = json.dumps(numbers(tc), default=float)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
