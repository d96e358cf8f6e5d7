"""Labels of cells are distinguished from names of genes in the arguments of `fit`."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.lineage.cells.labels import are_labels, labels_may_come_second


def cells(n_obs=4, n_vars=3):
    return AnnData(
        np.ones((n_obs, n_vars)),
        obs=pd.DataFrame(index=[f"cell{cell}" for cell in range(n_obs)]),
        var=pd.DataFrame(index=[f"gene{gene}" for gene in range(n_vars)]),
    )


ADATA, SQUARE = cells(), cells(4, 4)
MASK = [True, False, True, True]


@pytest.mark.parametrize(
    "labels",
    [
        ["B", "T", "B", "T"],
        np.array(["B", "T", "B", "T"]),
        pd.Categorical(["B", "T", None, "T"]),
        pd.Series(["B", "T", np.nan, "T"]),
        [0, 1, 1, 0],
        np.array([0.5, np.nan, 2.5, 3.5]),
        MASK,
        np.array(MASK),
        ["gene1", "control", "control", "gene1"],  # targets of a screen
        np.ones((4, 2)),
        sparse.csr_matrix(np.ones((4, 2))),
        pd.DataFrame({"a": [1, 2, 3, 4]}),
        pd.Series(["gene0", "gene1", "gene1", "gene0"], index=ADATA.obs_names),
        pd.Series(["gene0"] * 6, index=[f"cell{cell}" for cell in range(6)]),  # before an earlier step chose cells
        [["nested"], ["lists"], ["of"], ["labels"]],
    ],
    ids=lambda labels: f"{type(labels).__name__}-{np.shape(labels)}",
)
def test_labels_of_cells(labels):
    assert are_labels(ADATA, labels, ADATA.var_names)


@pytest.mark.parametrize(
    "genes",
    [
        ["gene1"],
        ["gene0", "gene1", "gene2"],
        ["gene0", "gene1", "gene2", "gene9"],  # as many as there are cells, one of them misspelt
        ["unknown"],
        [True, False, True],
        pd.Series([True, False, True], index=ADATA.var_names),
        "gene",  # as long as the cells
        b"gene",
        3,
        {"gene0"},
    ],
    ids=str,
)
def test_genes(genes):
    assert not are_labels(ADATA, genes, ADATA.var_names)


def test_symbols_are_names_of_genes():
    symbols = ["CD4", "CD8A", "FOXP3", "MS4A1"]
    assert are_labels(SQUARE, symbols, SQUARE.var_names)
    assert not are_labels(SQUARE, symbols, SQUARE.var_names, symbols)


def test_as_many_cells_as_genes():
    assert are_labels(SQUARE, pd.Series(MASK, index=SQUARE.obs_names), SQUARE.var_names)
    assert not are_labels(SQUARE, pd.Series(MASK, index=SQUARE.var_names), SQUARE.var_names)
    assert not are_labels(SQUARE, list(SQUARE.var_names), SQUARE.var_names)
    with pytest.raises(ValueError, match=r"4 booleans.* Pass a mask as genes=mask, and labels as a Series"):
        are_labels(SQUARE, MASK, SQUARE.var_names)


def test_a_gene_for_each_cell_is_refused():
    with pytest.raises(ValueError, match=r"could be labels of the 4 cells or genes. Pass genes as genes=\[...\]"):
        are_labels(ADATA, ["gene0", "gene1", "gene0", "gene1"], ADATA.var_names)


def test_cells_and_genes_that_are_numbered_alike():
    """As AnnData numbers both, an index says nothing; values do."""
    adata = AnnData(np.ones((3, 5)))
    assert are_labels(adata, pd.Series(["B", "T", "B"], index=adata.obs_names), adata.var_names)
    assert not are_labels(adata, pd.Series([True] * 5, index=adata.var_names), adata.var_names)
    assert not are_labels(adata, adata.var_names.to_series(), adata.var_names)
    assert are_labels(adata, [0, 1, 2], adata.var_names)


@given(n_obs=st.integers(1, 6), n_vars=st.integers(1, 6), data=st.data())
def test_what_follows_a_law(n_obs, n_vars, data):
    """Genes of the data, each once, are genes; and labels in a Series by cell are labels, whatever they are."""
    adata = cells(n_obs, n_vars)
    genes = data.draw(st.lists(st.sampled_from(list(adata.var_names)), unique=True, min_size=1))
    assert not are_labels(adata, genes, adata.var_names)
    values = data.draw(st.lists(st.sampled_from([True, 1, "T", "gene0", None]), min_size=n_obs, max_size=n_obs))
    assert are_labels(adata, pd.Series(values, index=adata.obs_names, dtype=object), adata.var_names)


class Estimator:
    @labels_may_come_second
    def fit(self, adata, genes=None, lineage=None):
        return genes, lineage


def test_labels_leave_their_place():
    labels, genes = ["B", "T", "B", "T"], ["gene1"]
    fit = Estimator().fit
    assert fit(ADATA) == fit(ADATA, labels) == fit(ADATA, None) == (None, None)
    assert fit(ADATA, genes, "A") == fit(ADATA, genes, lineage="A") == (genes, "A")
    assert fit(ADATA, labels, "A") == fit(ADATA, labels, lineage="A") == (None, "A")
    assert fit(ADATA, labels, genes=genes) == fit(ADATA, None, genes=genes, lineage=None) == (genes, None)
    assert fit(ADATA, genes=MASK) == (MASK, None)
    assert fit(ADATA, y=labels) == fit(ADATA, y=None) == (None, None)
    assert fit(ADATA, genes=genes, y=labels, lineage="A") == (genes, "A")
    with pytest.raises(TypeError, match="multiple values"):
        fit(ADATA, genes, genes=genes)
    with pytest.raises(ValueError, match=r"y contains labels of the cells.* Pass genes as genes=\[...\]"):
        fit(ADATA, y=genes)
