"""Write `results/`: gene trends of Palantir on the bundled bone marrow data. README.md explains the files.

Requires `pip install palantir==1.4.5` in a separate environment.
"""

from __future__ import annotations

import gzip
from importlib.metadata import version
from pathlib import Path

import anndata
import numpy as np
import palantir

HERE = Path(__file__).parent
DATA = HERE.parents[2] / "lineage_clust" / "datasets" / "bone_marrow_240.h5ad"
LINEAGE = "Ery"
KNOWN = ["Klf1", "Car2", "Ermap", "Car1", "Epor", "Hba-a2", "Apoe", "Mpo", "Prtn3", "Elane", "Irf8", "Csf1r", "Gata2"]
N_GENES = 25
SETTINGS = {"default": {}, "short": {"ls": 0.1, "sigma": 0.5}}  # "short": another point at which to test the formulas


def write_gz(path, header, rows):
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write("\n".join([",".join(header), *(",".join(row) for row in rows)]).encode() + b"\n")


def main():
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    adata = anndata.read_h5ad(DATA)
    masks = palantir.presults.select_branch_cells(adata, save_as_df=True)
    lineages = list(adata.obsm["branch_masks"].columns)
    write_gz(
        results / "branch_cells.csv.gz",
        ["cell", *lineages],
        ([cell, *(str(int(member)) for member in row)] for cell, row in zip(adata.obs_names, masks, strict=True)),
    )

    known = [gene for gene in KNOWN if gene in adata.var_names]
    rest = [gene for gene in adata.var_names if gene not in known]
    genes = known + list(np.array(rest)[np.linspace(0, len(rest) - 1, N_GENES - len(known)).astype(int)])
    subset = adata[:, genes].copy()
    for name, settings in SETTINGS.items():
        trends = palantir.presults.compute_gene_trends(subset, lineages=[LINEAGE], **settings)[LINEAGE]["trends"]
        used = genes if name == "default" else known
        columns = np.column_stack([trends.columns.to_numpy(float), trends.loc[used].to_numpy().T])
        write_gz(
            results / f"trends_{LINEAGE}_{name}.csv.gz",
            ["pseudotime", *used],
            ([f"{columns[i, 0]:.17g}", *(f"{value:.13g}" for value in columns[i, 1:])] for i in range(len(columns))),
        )
    names = ["palantir", "mellon", "jax", "numpy", "scipy", "anndata"]
    (results / "versions.txt").write_text("".join(f"{name} {version(name)}\n" for name in names), encoding="utf-8")


if __name__ == "__main__":
    main()
