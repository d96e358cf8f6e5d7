"""Runs of `cluster_lineage` on the bundled data."""

import lineage_clust as lc
from lineage_clust import GAM, cluster_lineage

GENES = ["Klf1", "Car2", "Mpo", "Elane", "Prtn3", "Apoe", "Ermap", "Ctsg", "Blvrb", "Mcm5", "Ran", "Calr"]
SILENT = {"show_progress_bar": False, "random_state": 0}
# The types of text differ between releases of pandas and anndata.
ANY_TEXT = {"check_dtype": False, "check_categorical": False, "check_index_type": False}


def run(adata, genes=GENES, lineage="Ery", model=None, **kwargs):
    kwargs = {"time_key": "palantir_pseudotime", **SILENT, **kwargs}
    return cluster_lineage(adata, GAM() if model is None else model, genes, lineage, **kwargs)


def pygam(distribution, link):
    return lc.models.PyGAM(distribution, link, lam=3, penalties=("derivative", "l2"), max_iter=2000)
