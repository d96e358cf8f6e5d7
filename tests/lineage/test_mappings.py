"""Keys of mappings by gene and lineage: genes and lineages of the AnnData, fitted or not."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import lineage_clust as lc
from lineage_clust.errors import UnknownNameError
from lineage_clust.lineage.lineage import Reader
from lineage_clust.lineage.mappings import by_gene_name


@pytest.fixture
def adata():
    cells, genes = [f"c{cell}" for cell in range(4)], [f"g{gene}" for gene in range(3)]
    var = pd.DataFrame({"symbol": ["Klf1", "Gata1", "g0"]}, index=genes)
    adata = AnnData(np.ones((4, 3)), obs=pd.DataFrame({"w": np.linspace(0, 1, 4)}, index=cells), var=var)
    adata.raw = AnnData(np.ones((4, 1)), obs=adata.obs, var=pd.DataFrame(index=["only_raw"]))
    adata.obsm["fate_probabilities"] = pd.DataFrame(np.full((4, 2), 0.5), index=cells, columns=["Ery", "Mono"])
    adata.obsm["from_initial_states"] = pd.DataFrame(np.ones((4, 1)), index=cells, columns=["Stem"])
    return adata


def of(adata, spec, lineages=("Ery",), **settings):
    return by_gene_name(spec, adata, Reader(**settings), list(lineages), "model")


def test_one_value_is_for_all_and_a_mapping_is_not_changed(adata):
    assert of(adata, 3) == 3
    spec = {"g0": 1, "*": {"Ery": 2, "*": 3}}
    assert of(adata, spec) == spec
    assert of(adata, spec) is not spec


@pytest.mark.parametrize(
    "spec",
    [
        {"only_raw": 1, "*": 2},
        {"*": {"Mono": 1, "Mono, Ery": 2, "Stem": 3, "": 4, "*": 5}},
    ],
)
def test_genes_and_lineages_that_are_not_fitted_are_accepted(adata, spec):
    assert of(adata, spec) == spec


def test_identifiers_are_replaced_by_symbols_which_go_first(adata):
    found = of(adata, {"g1": 1, "Klf1": 2, "g0": 3, "only_raw": 4, "*": 5}, gene_symbols="symbol")
    assert found == {"Gata1": 1, "Klf1": 2, "g0": 3, "only_raw": 4, "*": 5}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"only_row": 1, "*": 2}, r"of models names an unknown gene\. Gene 'only_row' is .* Did you mean 'only_raw'"),
        ({"gene9": 1, "other9": 1, "*": 2}, r"2 genes \('gene9', 'other9'\) are not in adata\.var_names"),
        ({"Klf1": 1, "*": 2}, r"'Klf1' is in adata\.var\['symbol'\]: pass gene_symbols='symbol'"),
        ({0: 1, "*": 2}, "Gene 0 is not in"),
        ({"*": {"Eyr": 1, "*": 2}}, "models names an unknown lineage. Lineage 'Eyr' was not found: .* mean 'Ery'?"),
        ({"g0": {"Ery, Mno": 1}, "*": 2}, "Lineage 'Mno' was not found: .* Did you mean 'Mono'?"),
        ({"*": {7: 1, "*": 2}}, "Lineage 7 was not found"),
    ],
)
def test_unknown_names_are_refused(adata, spec, message):
    with pytest.raises(UnknownNameError, match=message):
        of(adata, spec)


def test_a_column_of_weights_is_the_lineage_of_any_name_and_columns_may_be_others_in_another_fit(adata):
    spec = {"*": {"anything": 1, "*": 2}}
    assert of(adata, spec, lineage_key="w") == spec
    adata.obs["v"] = 1.0
    assert of(adata, {"*": {"v": 1}}, lineages=["w"], lineage_key=["w"]) == {"*": {"v": 1}}
    with pytest.raises(UnknownNameError, match="Lineage 'anything' was not found"):
        of(adata, spec, lineages=["w"], lineage_key=["w"])


def test_labels_and_cells_without_lineages(adata):
    adata.obs["branch"] = pd.Categorical(["a", "b", "a", "b"])
    assert of(adata, {"*": {"b": 1}}, lineages=["a"], lineage_key="branch") == {"*": {"b": 1}}
    with pytest.raises(UnknownNameError, match="Lineage 'c' was not found"):
        of(adata, {"*": {"c": 1}}, lineages=["a"], lineage_key="branch")
    adata.obsm.clear()
    with pytest.raises(UnknownNameError, match="Lineage 'Ery' was not found: adata contains none"):
        of(adata, {"*": {"Ery": 1}}, lineages=[None])


@pytest.mark.parametrize("what", ["model", "callback"])
@pytest.mark.parametrize("mapping", [{"Klf2": None, "*": None}, {"*": {"Eyr": None, "*": None}}])
def test_fits_refuse_misspelt_names(what, mapping):
    adata = lc.datasets.bone_marrow()
    genes = list(adata.var_names[:5])
    with pytest.raises(UnknownNameError, match=f"The mapping of {what}s names an unknown"):
        lc.TrendClusterer(genes=genes, lineage="Ery", **{what: mapping}).fit(adata)
    with pytest.raises(UnknownNameError, match=f"The mapping of {what}s names an unknown"):
        lc.cluster_lineage(
            adata, genes=genes, lineage="Ery", time_key="palantir_pseudotime", show_progress_bar=False,
            **{"model": None, what: mapping},
        )  # fmt: skip
