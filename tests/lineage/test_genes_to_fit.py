import anndata as ad
import numpy as np
import pandas as pd
import pytest

from lineage_clust.errors import UnknownNameError
from lineage_clust.lineage.lineage import check_anndata, read_lineage, resolve_genes

GENES = ["rise1", "flat0", "fall3"]


# ---- genes


@pytest.mark.parametrize(
    "make",
    [list, tuple, np.array, pd.Index, pd.Series, dict.fromkeys, lambda names: (name for name in names)],
)
def test_genes_come_in_any_sequence(make_adata, make):
    genes = make(GENES)
    genes = genes if np.ndim(genes) else list(genes)
    assert resolve_genes(make_adata(), genes) == GENES


def test_duplicate_genes_are_removed_and_order_is_kept(make_adata):
    assert resolve_genes(make_adata(), ["rise1", "flat0", "rise1", "fall3", "flat0"]) == GENES


def test_genes_by_mask(make_adata):
    adata = make_adata(n_genes=4)
    assert resolve_genes(adata, [True, False, False, True]) == ["fall0", "flat0"]
    assert resolve_genes(adata, adata.var_names.str.startswith("p")) == ["peak0"]
    with pytest.raises(ValueError, match="mask of genes needs 4 values; got 2"):
        resolve_genes(adata, [True, False])
    with pytest.raises(ValueError, match="genes is empty"):
        resolve_genes(adata, np.zeros(4, dtype=bool))


@pytest.mark.parametrize(
    ("genes", "error", "message"),
    [
        ("rise1", TypeError, r"got the string 'rise1'. Use genes=\['rise1'\]"),
        (b"rise1", TypeError, "must be a sequence of names"),
        (5, TypeError, "got 5 of type int"),
        ([], ValueError, "genes is empty.*genes=None"),
        (["rise1", "Rise2x"], UnknownNameError, "Gene 'Rise2x' is not in adata.var_names. Did you mean 'rise2'"),
        (["a1", "a2", "a3"], UnknownNameError, "3 genes .'a1', 'a2', 'a3'. are not in adata.var_names"),
    ],
)
def test_wrong_genes(make_adata, genes, error, message):
    with pytest.raises(error, match=message):
        resolve_genes(make_adata(), genes)


def test_a_gene_that_is_in_raw_only(make_adata):
    adata = make_adata()[:, 4:].copy()
    with pytest.raises(
        UnknownNameError, match=r"'fall0' is not in adata.var_names. It is in adata.raw: pass use_raw=True"
    ):
        resolve_genes(adata, ["fall0"])
    assert resolve_genes(adata, ["fall0"], use_raw=True) == ["fall0"]
    with pytest.raises(UnknownNameError, match=r"'fal0' is not in adata.raw.var_names. Did you mean 'fall0'"):
        resolve_genes(adata, ["fal0"], use_raw=True)


def test_no_raw(make_adata):
    adata = make_adata()
    adata.raw = None
    with pytest.raises(ValueError, match=r"use_raw=True, but adata.raw is None"):
        read_lineage(adata, "A", use_raw=True)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"layer": "count"}, UnknownNameError, "Layer 'count' is not in adata.layers.*'counts'. Did you mean 'counts'"),
        ({"layer": "counts", "use_raw": True}, ValueError, "are mutually exclusive"),
        ({"covariates": ["bach"]}, UnknownNameError, "Covariate 'bach' is not in adata.obs. Did you mean 'batch'"),
        ({"offset": "dept"}, UnknownNameError, "offset 'dept' is not in adata.obs. Did you mean 'depth'"),
        (
            {"offset": np.zeros(3)},
            ValueError,
            r"shape \(3,\), but adata has 200 cells.*a column of obs is split together with the cells",
        ),
        ({"offset": "batch"}, TypeError, r"The offset adata.obs\['batch'\] must be numeric; its dtype is category"),
    ],
)
def test_wrong_keys(make_adata, arguments, error, message):
    with pytest.raises(error, match=message):
        read_lineage(make_adata(), "A", **arguments)


def test_not_an_anndata():
    with pytest.raises(TypeError, match=r"must be an AnnData \(cells x genes\); got ndarray"):
        check_anndata(np.ones((3, 3)))
    with pytest.raises(ValueError, match="adata is empty: it has 0 cells and 2 genes"):
        check_anndata(ad.AnnData(np.ones((0, 2))))


def test_no_expression_matrix(make_adata):
    adata = make_adata()
    adata.X = None
    with pytest.raises(ValueError, match=r"adata.X is None. Pass layer= one of 'counts'"):
        read_lineage(adata, "A")
