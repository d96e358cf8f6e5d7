"""Gene symbols name the genes in all results if var_names are identifiers, without other changes."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import lineage_clust as lc
from lineage_clust.cli import main

PARAMETERS = {"lineage": "A", "random_state": 0, "clusterer": lc.GraphClusterer(n_neighbors=4, resolution=1.0)}


@pytest.fixture(scope="module")
def named(make_adata):
    """Cells whose genes go by symbols; gene flat0 fails."""
    adata = make_adata(n_cells=150, n_genes=16, kind="dense")
    adata.X[0, adata.var_names.get_loc("flat0")] = np.nan
    adata.raw = adata
    return adata


@pytest.fixture(scope="module")
def adata(named):
    """The same, whose genes go by identifiers."""
    adata = named.copy()
    adata.raw = None
    adata.var["feature_name"] = pd.Categorical(adata.var_names)
    adata.var_names = [f"ENSG{number:04d}" for number in range(adata.n_vars)]
    adata.raw = adata
    return adata


@pytest.fixture(scope="module")
def tc(adata):
    return lc.TrendClusterer(gene_symbols="feature_name", **PARAMETERS).fit(adata)


@pytest.fixture(scope="module")
def expected(named):
    return lc.TrendClusterer(**PARAMETERS).fit(named)


def ids_of(adata, names):
    return adata.var_names[pd.Index(adata.var["feature_name"].astype(str)).get_indexer(names)].tolist()


@pytest.mark.parametrize("use_raw", [False, True])
@pytest.mark.first(1)
def test_only_the_names_differ(adata, named, use_raw):
    found = lc.TrendClusterer(gene_symbols="feature_name", use_raw=use_raw, **PARAMETERS).fit(adata)
    expected = lc.TrendClusterer(use_raw=use_raw, **PARAMETERS).fit(named)
    assert found.genes_ == expected.genes_
    assert found.failed_ == expected.failed_
    assert list(found.failed_) == ["flat0"]
    assert list(found.models_) == list(expected.models_)
    assert found.gene_ids_ == ids_of(adata, found.genes_)
    assert expected.gene_ids_ == expected.genes_
    np.testing.assert_array_equal(found.trends_, expected.trends_)
    np.testing.assert_array_equal(found.labels_, expected.labels_)
    pd.testing.assert_frame_equal(found.gene_table_.drop(columns="gene_ids"), expected.gene_table_)
    assert found.gene_table_["gene_ids"].tolist() == found.gene_ids_
    pd.testing.assert_frame_equal(found.cluster_table_, expected.cluster_table_)
    assert found.genes_by_cluster() == expected.genes_by_cluster()
    assert "gene_ids" not in expected.gene_table_


def test_other_cells(tc, expected, adata, named):
    np.testing.assert_array_equal(tc.transform(adata), expected.transform(named))
    np.testing.assert_array_equal(tc.predict(adata[::2]), expected.predict(named[::2]))
    assert tc.score(adata) == expected.score(named)
    assert lc.scoring.trend_deviance(tc, adata) == expected.score(named)
    # other genes, in another order, without symbols, or with those of another release
    bare = adata[:, ::-1].copy()
    bare.raw = None
    for other in ("none", "shifted"):
        bare.var = bare.var[[]] if other == "none" else bare.var
        if other == "shifted":
            bare.var["feature_name"] = np.roll(adata.var["feature_name"].astype(str), 1)
        np.testing.assert_allclose(tc.transform(bare), expected.transform(named))
        np.testing.assert_array_equal(tc.predict(bare), tc.labels_)
    np.testing.assert_allclose(tc.transform(named), expected.transform(named))  # named by symbols already
    names = ["rise1", "peak2"]
    np.testing.assert_array_equal(tc.predict(adata, names), tc.predict(adata, ids_of(adata, names)))


def test_genes_are_chosen_by_symbol_or_identifier(adata):
    names = ["rise0", "fall1", "peak2", "rise2", "fall3"]
    mixed = [*names[:2], *ids_of(adata, names[2:])]
    for genes in (names, mixed, ids_of(adata, names), adata.var["feature_name"].isin(names).to_numpy()):
        found = lc.TrendClusterer(genes=genes, gene_symbols="feature_name", **PARAMETERS).fit(adata)
        assert set(found.genes_) == set(names)
    with pytest.raises(lc.UnknownNameError, match=r"pass gene_symbols='feature_name'"):
        lc.TrendClusterer(genes=names, **PARAMETERS).fit(adata)


def test_models_and_callbacks_go_by_symbols(adata):
    seen = []

    def callback(trend, **kwargs):
        seen.append((trend.gene, kwargs["gene"]))
        return trend.prepare(**kwargs)

    model = {"rise0": lc.GAM(smoothing=1.0), "*": lc.GAM()}
    lc.TrendClusterer(
        model,
        genes=["rise0", "fall0", "rise1"],
        gene_symbols="feature_name",
        callback=callback,
        alpha=None,
        **PARAMETERS,
    ).fit(adata)
    assert seen == [("rise0", "rise0"), ("fall0", "fall0"), ("rise1", "rise1")]


def test_results_keep_the_identifiers(tc, adata, tmp_path):
    result = tc.to_anndata()
    assert list(result.obs_names) == tc.genes_
    assert result.obs["gene_ids"].tolist() == tc.gene_ids_
    assert list(result.uns["lineage_clust"]["failed_genes"]) == ["flat0"]
    result.write_h5ad(tmp_path / "trends.h5ad")
    written = adata.copy()
    key = tc.write_to(written)
    rows = written.var_names.get_indexer(tc.gene_ids_)
    np.testing.assert_array_equal(written.varm[key][rows], tc.trends_)
    assert written.var[f"{key}_cluster"].iloc[rows].astype(int).tolist() == tc.labels_.tolist()
    assert f"{key}_gene_ids" not in written.var
    written.write_h5ad(tmp_path / "cells.h5ad")


def test_a_saved_one_is_the_same(tc, adata, tmp_path):
    tc.save(tmp_path / "fit")
    again = lc.TrendClusterer.load(tmp_path / "fit")
    assert again.gene_symbols == "feature_name"
    assert again.gene_ids_ == tc.gene_ids_
    np.testing.assert_array_equal(again.transform(adata), tc.transform(adata))
    np.testing.assert_array_equal(again.predict(adata), tc.predict(adata))
    pd.testing.assert_frame_equal(again.gene_table_, tc.gene_table_)
    assert clone(again).gene_symbols == "feature_name"


@pytest.mark.slow
def test_pictures_and_report_speak_symbols(tc, adata, tmp_path):
    tc.report(tmp_path / "report.html", adata)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "rise0" in text.partition('<section id="leading">')[2].partition("</section>")[0]
    figure = tc.plot_genes(["rise0", *ids_of(adata, ["fall1"])], adata)
    assert [axes.get_title() for axes in figure.axes[:2]] == [
        axes.get_title() for axes in tc.plot_genes(["rise0", "fall1"]).axes[:2]
    ]
    axes = tc.plot_heatmap(["rise0", "fall1"], label_genes=["rise0"])
    drawn = {text.get_text() for part in axes.figure.axes for text in [*part.texts, *part.get_yticklabels()]}
    assert "rise0" in drawn
    assert not any(text.startswith("ENSG") for text in drawn)
    trends = tc.gene_trends(adata)
    assert trends["rise0"]["A"].x_all is not None


def test_searches_and_pipelines(adata):
    pipeline = make_pipeline(
        lc.DriverSelector("A", n_genes=8, gene_symbols="feature_name"),
        lc.TrendClusterer(gene_symbols="feature_name", **PARAMETERS),
    )
    clean = adata[:, adata.var["feature_name"] != "flat0"].copy()
    pipeline.fit(clean)
    selector, fitted = pipeline[0], pipeline[1]
    assert set(selector.genes_) == set(fitted.genes_)
    assert set(selector.genes_) <= set(clean.var["feature_name"])
    assert selector.gene_ids_ == ids_of(clean, selector.genes_)
    assert selector.transform(clean).var_names.tolist() == selector.get_feature_names_out().tolist()
    search = GridSearchCV(
        lc.TrendClusterer(gene_symbols="feature_name", **PARAMETERS), {"n_points": [30]}, cv=lc.PseudotimeKFold(2)
    ).fit(clean)
    assert set(search.best_estimator_.genes_) == set(clean.var["feature_name"])


def test_drivers(adata, named):
    found = lc.lineage_drivers(adata, "A", gene_symbols="feature_name", genes=["rise0", *ids_of(adata, ["fall0"])])
    pd.testing.assert_frame_equal(
        found.drop(columns="gene_ids"), lc.lineage_drivers(named, "A", genes=["rise0", "fall0"])
    )
    assert found["gene_ids"].tolist() == ids_of(adata, found.index)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_files_that_stay_closed(tc, adata, tmp_path, suffix):
    if suffix == "zarr":
        pytest.importorskip("zarr")
        experimental = pytest.importorskip("anndata.experimental")
        if not hasattr(experimental, "read_lazy"):
            pytest.skip("this anndata has no read_lazy")
        pytest.importorskip("xarray")
    adata = adata.copy()
    getattr(adata, f"write_{suffix}")(tmp_path / f"cells.{suffix}")
    path = tmp_path / f"cells.{suffix}"
    stored = ad.read_h5ad(path, backed="r") if suffix == "h5ad" else experimental.read_lazy(path)
    found = clone(tc).set_params(memory_budget="1KB").fit(stored)
    assert found.genes_ == tc.genes_
    np.testing.assert_allclose(found.trends_, tc.trends_)
    np.testing.assert_allclose(found.transform(stored), tc.transform(adata))


@pytest.mark.slow
def test_the_command_line(adata, tmp_path, capsys):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    command = ["run", str(tmp_path / "cells.h5ad"), "--lineage", "A", "--genes", "rise0,fall1,peak0,rise2"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.endswith("pass --symbols 'feature_name'.\n")
    assert main([*command, "--gene-symbols", "feature_name", "--out", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out" / "genes_A.csv", index_col="gene")
    assert table.index.tolist() == ["rise0", "fall1", "peak0", "rise2"]
    assert table["gene_ids"].tolist() == ids_of(adata, table.index)
