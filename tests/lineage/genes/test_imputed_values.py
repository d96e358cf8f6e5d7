"""Imputed values are recognised by the zeros that they replace; normalised and scaled ones are not imputed."""

import warnings

import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from scipy import sparse
from sklearn.neighbors import kneighbors_graph

import lineage_clust as lc
from lineage_clust.errors import LineageClustWarning
from lineage_clust.lineage.genes.imputed_values import original_of_imputed


def sparse_genes(n_cells=200, n_genes=60, seed=0, kind=sparse.csr_matrix):
    """Genes that do not change, zero in most cells, with some of their transformations as layers."""
    rng = np.random.default_rng(seed)
    depth = rng.lognormal(0, 0.4, (n_cells, 1))
    counts = rng.poisson(depth * rng.lognormal(-1, 0.5, n_genes)).astype(np.float32)
    share = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log1p(1e4 * share)
    graph = kneighbors_graph(logs, 15, include_self=True) / 15
    adata = AnnData(kind(logs))
    adata.obs["pseudotime"] = rng.permutation(n_cells) / n_cells
    adata.layers["counts"] = kind(counts)
    adata.layers["magic"] = graph @ graph @ logs
    adata.layers["sparse_magic"] = kind(adata.layers["magic"])
    adata.layers["scaled"] = (logs - logs.mean(axis=0)) / logs.std(axis=0)
    adata.layers["regressed"] = adata.layers["scaled"] - 0.01 * rng.random((n_cells, 1)) * rng.random(n_genes)
    expected = share.mean(axis=0) * counts.sum(axis=1, keepdims=True)
    adata.layers["pearson"] = (counts - expected) / np.sqrt(expected + expected**2 / 100)
    adata.layers["log_with_prior"] = np.log2(1e6 * (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 1))
    adata.layers["batch"] = logs + (np.arange(n_cells) % 2)[:, None] * rng.random(n_genes)
    return adata


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
@pytest.mark.parametrize("layer", ["magic", "sparse_magic"])
def test_a_layer_imputed_from_x(kind, layer):
    assert original_of_imputed(sparse_genes(kind=kind), layer, False) == "X"


def test_x_imputed_from_counts():
    adata = sparse_genes()
    assert original_of_imputed(adata, None, False) is None
    adata.X = adata.layers["magic"]
    assert original_of_imputed(adata, None, False) == original_of_imputed(adata, "X", False) == "counts"


@pytest.mark.parametrize("layer", ["counts", "scaled", "regressed", "pearson", "log_with_prior", "batch"])
def test_other_transformations_are_not_imputed(layer):
    assert original_of_imputed(sparse_genes(), layer, False) is None


def test_nothing_to_compare_with():
    adata = sparse_genes()
    adata.X = None
    assert original_of_imputed(adata, "magic", False) is None
    bare = AnnData(adata.layers["magic"])
    bare.raw = bare
    assert original_of_imputed(bare, None, False) is original_of_imputed(bare, None, True) is None


def test_values_in_a_file(tmp_path):
    sparse_genes().write_h5ad(tmp_path / "a.h5ad")
    backed = read_h5ad(tmp_path / "a.h5ad", backed="r")
    assert original_of_imputed(backed, "magic", False) == "X"
    assert original_of_imputed(backed, "scaled", False) is None
    backed.file.close()


@pytest.mark.parametrize(("alpha", "layer", "number"), [(0.01, "magic", 1), (None, "magic", 0), (0.01, None, 0)])
def test_a_warning_where_genes_are_tested(alpha, layer, number):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lc.TrendClusterer(layer=layer, alpha=alpha, clusterer=lc.GraphClusterer(resolution=1.0)).fit(sparse_genes())
    found = [str(one.message) for one in caught if issubclass(one.category, LineageClustWarning)]
    found = [one for one in found if one.startswith("adata.layers['magic'] looks imputed: most zeros of adata.X are")]
    assert len(found) == number
