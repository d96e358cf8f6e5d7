"""Names of genes: unique symbols, identifiers for missing symbols, and advice for unknown names."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata.utils import make_index_unique
from hypothesis import given
from hypothesis import strategies as st

import lineage_clust as lc
from lineage_clust import UnknownNameError
from lineage_clust.lineage.genes.expression import FittedSymbols, columns_of, gene_ids, gene_names
from lineage_clust.lineage.lineage import check_anndata, resolve_genes
from lineage_clust.model_selection import PseudotimeKFold
from tests.fits import read_lineage

from ...fits import QUICK


def cells(symbols, column="symbol", dtype=object):
    ids = [f"ENSG{number}" for number in range(len(symbols))]
    return ad.AnnData(np.ones((2, len(ids))), var=pd.DataFrame({column: pd.Series(symbols, index=ids, dtype=dtype)}))


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_symbols_are_unique_and_missing_ones_are_the_identifiers(dtype):
    adata = cells(["Klf1", "Mpo", None, "Mpo", "", "Klf1"], dtype=dtype)
    assert list(gene_names(adata, gene_symbols="symbol")) == ["Klf1", "Mpo", "ENSG2", "Mpo-1", "ENSG4", "Klf1-1"]
    assert list(gene_names(adata)) == list(adata.var_names)


@given(st.lists(st.sampled_from(["A", "A-1", "B", "ENSG0", None]), min_size=1, max_size=12))
def test_names_are_those_of_anndata_and_stand_for_one_gene_each(symbols):
    adata = cells(symbols)
    names = gene_names(adata, gene_symbols="symbol")
    filled = [gene if symbol is None else symbol for gene, symbol in zip(adata.var_names, symbols, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(names) == list(make_index_unique(pd.Index(filled)))
    assert names.is_unique
    assert resolve_genes(adata, None, gene_symbols="symbol") == list(names)
    for column, name in enumerate(names):
        assert columns_of(adata, [name], False, "symbol").tolist() == [column]


@given(st.lists(st.sampled_from(["A", "B", "C", None]), min_size=2, max_size=8), st.data())
def test_fitted_genes_keep_their_names_in_other_cells(symbols, data):
    """Of other genes, in another order, with other symbols: a name stands for the same gene."""
    adata = cells(symbols)
    names = dict(zip(gene_names(adata, gene_symbols="symbol"), adata.var_names, strict=True))
    places = data.draw(st.lists(st.sampled_from(range(len(symbols))), unique=True, min_size=1))
    others = adata[:, places].copy()
    others.var["symbol"] = data.draw(st.permutations(list(others.var["symbol"])))
    found = gene_names(others, gene_symbols=FittedSymbols("symbol", names))
    assert found.is_unique
    for name, gene in zip(found, others.var_names, strict=True):
        assert names[name] == gene
    del others.var["symbol"]  # they need none
    assert list(gene_names(others, gene_symbols=FittedSymbols("symbol", names))) == list(found)


def test_genes_that_were_not_fitted_do_not_take_a_fitted_name():
    others = ad.AnnData(np.ones((1, 3)), var=pd.DataFrame({"symbol": ["A", "A", "B"]}, index=["new", "old", "more"]))
    assert list(gene_names(others, gene_symbols=FittedSymbols("symbol", {"A": "old"}))) == ["A-1", "A", "B"]


def test_cells_that_are_named_by_symbols_already():
    others = ad.AnnData(np.ones((1, 2)), var=pd.DataFrame(index=["A", "B"]))
    assert list(gene_names(others, gene_symbols=FittedSymbols("symbol", {"A": "ENSG1"}))) == ["A", "B"]


def test_genes_are_taken_by_symbol_and_by_identifier():
    adata = cells(["Klf1", "Mpo", None, "ENSG0"])  # a symbol that is another gene's identifier counts as symbol
    taken = resolve_genes(adata, ["Mpo", "ENSG1", "ENSG2", "ENSG0", "Mpo"], gene_symbols="symbol")
    assert taken == ["Mpo", "ENSG2", "ENSG0"]
    assert gene_ids(adata, taken, False, "symbol") == {"Mpo": "ENSG1", "ENSG2": "ENSG2", "ENSG0": "ENSG3"}
    mask = np.array([True, False, True, False])
    assert resolve_genes(adata, mask, gene_symbols="symbol") == ["Klf1", "ENSG2"]
    assert resolve_genes(adata, adata.var_names[[1, 2]], gene_symbols="symbol") == ["Mpo", "ENSG2"]


def test_raw_has_its_own_column_or_takes_that_of_the_genes_left():
    adata = cells(["Klf1", "Mpo", "Car2"])
    adata.raw = adata
    left = adata[:, :2].copy()
    assert list(gene_names(left, True, "symbol")) == ["Klf1", "Mpo", "Car2"]
    bare = ad.AnnData(adata.X, var=adata.var[[]])
    bare.raw = bare
    bare = bare[:, [1, 0]].copy()
    bare.var["symbol"] = ["Mpo", "Klf1"]
    assert list(gene_names(bare, True, "symbol")) == ["Klf1", "Mpo", "ENSG2"]


def test_identifiers_that_are_there_twice_are_refused():
    adata = cells(["Klf1", "Mpo"])
    adata.var_names = ["a", "a"]
    for genes in (None, ["Mpo"]):
        with pytest.raises(ValueError, match="var_names_make_unique"):
            resolve_genes(adata, genes, gene_symbols="symbol")


@pytest.mark.parametrize(
    ("genes", "parameters", "sentence"),
    [
        (["Klf1"], {}, r"Gene 'Klf1' is not in adata\.var_names\. 'Klf1' is in adata\.var\['feature_name'\]: pass "
         r"gene_symbols='feature_name'\."),
        (["nope", "Klf1", "Mpo"], {}, r"3 genes .* 'Klf1' is in adata\.var\['feature_name'\]: pass"),
        (["k1"], {"gene_symbols": "feature_name"}, r"adata\.var\['feature_name'\] or adata\.var_names\. 'k1' is in "
         r"adata\.var\['other'\]: pass gene_symbols='other'"),
        (["Klf2"], {"gene_symbols": "feature_name"}, r"Did you mean 'Klf1'\?"),
        (["Klf1"], {"use_raw": True}, r"not in adata\.raw\.var_names\. 'Klf1' is in adata\.raw\.var\['feature_name'\]"),
        (["ENSG1"], {"gene_symbols": "feature_nam"}, r"gene_symbols 'feature_nam' is not in var, which has .*"
         r"Did you mean 'feature_name'\?"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [object, "category"])
def test_the_error_says_where_a_name_is(genes, parameters, sentence, dtype):
    adata = cells(["Klf1", "Mpo", None], "feature_name", dtype)
    adata.var["other"] = ["k1", "Mpo2", "Klf"]
    adata.var["n_cells"] = [1, 2, 3]
    adata.raw = adata
    with pytest.raises(UnknownNameError, match=sentence):
        resolve_genes(adata, genes, **parameters)


@pytest.mark.parametrize("key", [[], ["a"], {}])
def test_a_column_is_one_name(key):
    with pytest.raises(TypeError, match="gene_symbols must be one name"):
        gene_names(cells(["a"]), gene_symbols=key)


# ---- genes to fit


GENES = ["rise1", "flat0", "fall3"]


@pytest.mark.parametrize(
    "make", [list, tuple, np.array, pd.Index, pd.Series, dict.fromkeys, lambda names: (name for name in names)]
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
    by_name = pd.Series(adata.var_names.str.startswith("p"), index=adata.var_names)[::-1]
    assert resolve_genes(adata, by_name) == resolve_genes(adata, by_name.astype("boolean")) == ["peak0"]
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
    with pytest.raises(UnknownNameError, match=r"2 genes .* They are in adata.raw: pass use_raw=True"):
        resolve_genes(adata, ["fall0", "rise0"])
    with pytest.raises(UnknownNameError, match=r"2 genes \('fall0', 'nowhere'\) are not in adata.var_names") as error:
        resolve_genes(adata, ["fall0", "nowhere"])
    assert "use_raw" not in str(error.value)
    assert resolve_genes(adata, ["fall0"], use_raw=True) == ["fall0"]
    with pytest.raises(UnknownNameError, match=r"'fal0' is not in adata.raw.var_names. Did you mean 'fall0'"):
        resolve_genes(adata, ["fal0"], use_raw=True)


def test_no_raw(make_adata):
    adata = make_adata()
    adata.raw = None
    with pytest.raises(ValueError, match=r"use_raw=True, but adata.raw is None"):
        read_lineage(adata, "A", use_raw=True)


def test_not_an_anndata():
    with pytest.raises(TypeError, match=r"must be an AnnData \(cells x genes\); got ndarray"):
        check_anndata(np.ones((3, 3)))
    with pytest.raises(ValueError, match="adata is empty: it has 0 cells and 2 genes"):
        check_anndata(ad.AnnData(np.ones((0, 2))))


def test_names_of_raw_are_made_unique_as_the_message_says(make_adata):
    adata = make_adata()
    raw = adata.raw.to_adata()
    raw.var_names = ["twice", "twice", *raw.var_names[2:]]
    adata.raw = raw
    for genes in (None, ["twice"]):
        with pytest.raises(
            ValueError, match=r"raw = adata.raw.to_adata\(\), raw.var_names_make_unique\(\) and adata.raw ="
        ):
            resolve_genes(adata, genes, use_raw=True)
    raw = adata.raw.to_adata()
    raw.var_names_make_unique()
    adata.raw = raw
    assert resolve_genes(adata, ["twice"], use_raw=True) == ["twice"]


@pytest.mark.parametrize("genes", [[3], np.array([3, 4])])
def test_integers_are_no_names_of_genes(genes):
    adata = ad.AnnData(np.ones((2, 5)), var=pd.DataFrame(index=[str(gene) for gene in range(5)]))
    with pytest.raises(UnknownNameError, match="Names are strings: write '3', not 3"):
        resolve_genes(adata, genes)
    assert resolve_genes(adata, [str(gene) for gene in genes])[0] == "3"


# ---- what is not an AnnData


class FakeMuData:
    """What a MuData is to this library: AnnData of several modalities by name."""

    def __init__(self, **modalities):
        self.mod = modalities
        self.obs = next(iter(modalities.values())).obs

    def __getitem__(self, name):
        return self.mod[name]


def test_a_mudata_is_told_which_part_of_it_to_pass(make_adata):
    adata = make_adata(60, 8)
    mdata = FakeMuData(atac=adata[:, :4].copy(), rna=adata)
    fit = lc.TrendClusterer(lineage="A", alpha=None, random_state=0, clusterer=QUICK).fit
    with pytest.raises(TypeError, match=r"got FakeMuData. Pass mdata\['rna'\].*contains 'atac', 'rna'"):
        fit(mdata)
    assert fit(mdata["rna"]).lineage_ == "A"


@pytest.mark.parametrize(
    "call",
    [
        lambda mdata: lc.lineage_drivers(mdata, "A"),
        lambda mdata: lc.DriverSelector("A").fit(mdata),
        lambda mdata: lc.cluster_lineage(mdata, None, ["g"], "A"),
        lambda mdata: next(PseudotimeKFold().split(mdata)),
    ],
)
def test_every_way_in_says_so(call, make_adata):
    with pytest.raises(TypeError, match=r"Pass mdata\['only'\], the AnnData of one modality.$"):
        call(FakeMuData(only=make_adata(60, 8)))


def test_a_matrix_is_told_to_be_wrapped():
    with pytest.raises(TypeError, match=r"Wrap a matrix with anndata.AnnData\(X, obs=..., var=...\)"):
        lc.TrendClusterer().fit(np.ones((3, 3)))


@pytest.mark.parametrize("names", [range(3), ["A", np.nan, "B"], ["A", None, "B"]])
def test_names_that_are_no_text_are_refused_before_anything_is_computed(names):
    adata = cells(["A", "B", "C"])
    adata.var.index = pd.Index(names, dtype=object)
    with pytest.raises(
        ValueError, match="var_names must be strings; . of 3 names .* not, such as .*[.]astype[(]str[)]"
    ):
        check_anndata(adata)
    adata.var_names = adata.var_names.astype(str)
    assert check_anndata(adata) is None
