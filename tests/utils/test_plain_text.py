"""Text in tables has dtype object, in all versions of pandas."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust.utils.plain_text import plain_text, text_categories


@pytest.fixture(autouse=True)
def text_has_a_type_of_its_own():
    """As in pandas 3."""
    try:
        with warnings.catch_warnings(), pd.option_context("future.infer_string", True):
            warnings.simplefilter("ignore")  # of pandas 3, where it is the only way
            if pd.Index(["a"]).dtype == object:
                pytest.skip("this pandas has no type for text")
            yield
    except ImportError:
        pytest.skip("text as a type needs pyarrow in this pandas")


def text_types(table):
    """The dtypes of index, text and categories of a table, without those of numbers."""
    found = [table.index.dtype]
    for name in table:
        values = table[name].cat.categories if isinstance(table[name].dtype, pd.CategoricalDtype) else table[name]
        if not pd.api.types.is_numeric_dtype(values):
            found.append(values.dtype)
    return set(found)


def test_text_of_every_kind_is_plain_afterwards():
    table = pd.DataFrame(
        {
            "a": ["x", None, "y"],
            "b": pd.Categorical(["u", None, "v"], ordered=True),
            "c": [1, 2, 3],
            "d": [True, None, 1],
        },
        index=pd.Index(["i", "j", "k"], name="cell"),
    )
    assert text_types(table) != {np.dtype(object)}
    plain = plain_text(table)
    assert text_types(plain) == {np.dtype(object)}
    assert plain.index.name == "cell"
    assert plain["b"].cat.ordered
    pd.testing.assert_frame_equal(plain.isna(), table.isna(), check_index_type=False)
    assert plain["b"].astype(object).fillna("").tolist() == ["u", "", "v"]
    assert plain["c"].dtype == table["c"].dtype
    assert text_types(table) != {np.dtype(object)}  # it is not changed


def test_categories_keep_their_order():
    found = text_categories(pd.Categorical(["b", "a"], categories=["b", "a"]))
    assert list(found.categories) == ["b", "a"]
    assert found.categories.dtype == object


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.slow
def test_what_we_make_can_be_written_by_every_anndata(suffix, tmp_path):
    """anndata before 0.12.7 writes text of dtype object only."""
    adata = lc.datasets.bone_marrow()
    tc = lc.TrendClusterer(random_state=0, clusterer=lc.GraphClusterer(resolution=1.0)).fit(adata, lineage="Ery")
    key = tc.write_to(adata)
    lc.cluster_lineage(
        adata, None, ["Klf1", "Mpo", "Car2", "Elane"], "Ery", time_key="palantir_pseudotime", show_progress_bar=False
    )
    simulated = lc.datasets.simulate_lineage(n_cells=30, n_genes=10, n_modules=2)
    made = [adata, tc.to_anndata(), adata.uns["lineage_Ery_trend"], simulated, adata[:10].copy()]
    for one in made:
        assert text_types(one.obs) | text_types(one.var) == {np.dtype(object)}
        for table in one.obsm.values():
            assert not isinstance(table, pd.DataFrame) or table.index.dtype == object
    if suffix == "zarr":
        pytest.importorskip("zarr")
    with ad.settings.override(allow_write_nullable_strings=False):
        for number, one in enumerate(made):
            getattr(one, f"write_{suffix}")(tmp_path / f"{number}.{suffix}")
    back = getattr(ad, f"read_{suffix}")(tmp_path / f"0.{suffix}")
    assert back.var[f"{key}_direction"].tolist() == adata.var[f"{key}_direction"].tolist()
