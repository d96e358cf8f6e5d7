"""Names and content of the files written by the program."""

import anndata
import pandas as pd

from lineage_clust.io.results import distinct_key

PNG = b"\x89PNG"
MONO_MAC = distinct_key("Mono/Mac")
FILES = ("trends_{}.png", "genes_{}.csv", "clusters_{}.csv", "results_{}.h5ad")
REPORT = "report_{}.html"


def read(folder, name):
    genes = pd.read_csv(folder / f"genes_{name}.csv", index_col="gene")
    clusters = pd.read_csv(folder / f"clusters_{name}.csv", index_col="cluster")
    return genes, clusters, anndata.read_h5ad(folder / f"results_{name}.h5ad")
