"""Tables are computed on first access, and equal those computed during the fit."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError

import lineage_clust as lc
from lineage_clust import GraphClusterer, TrendClusterer
from lineage_clust.io.gene_lists import lists_of
from lineage_clust.trends import drawing

FIXED = TrendClusterer(lineage="lineage_1", clusterer=GraphClusterer(resolution=0.5), random_state=0)


@pytest.fixture(scope="module")
def adata():
    return lc.datasets.simulate_lineage(400, 60, 3, random_state=1)


@pytest.fixture
def calls(monkeypatch):
    """Count the draws that are asked for."""
    asked, draw = [], drawing.posterior_draws
    monkeypatch.setattr(drawing, "posterior_draws", lambda *args, **kwargs: asked.append(args) or draw(*args, **kwargs))
    return asked


def test_a_fit_at_a_fixed_resolution_draws_nothing(adata, calls):
    fitted = clone(FIXED).fit(adata)
    fitted.transform(adata)
    fitted.score(adata)
    assert not calls
    table = fitted.gene_table_
    assert len(calls) == 2  # for shapes, and for confidence
    assert table["confidence"].notna().sum() == (fitted.labels_ >= 0).sum() > 20
    assert fitted.gene_table_ is table
    assert fitted.cluster_table_["confidence"].between(0, 1).all()
    assert len(calls) == 2


def test_confidence_is_that_of_a_fit_with_draws(adata):
    fitted = clone(FIXED).fit(adata)
    tables = fitted._result
    names = [fitted.genes_[gene] for gene in tables.grouped]
    drawn = drawing.posterior_draws(tables.fits, names, random_state=tables.seed)
    draws = drawing.scaled(drawn, tables.trends, names, "zscore")
    again = GraphClusterer(resolution=0.5, random_state=0).fit(fitted.scaled_trends_[tables.grouped], draws=draws)
    np.testing.assert_array_equal(fitted.gene_table_["confidence"].to_numpy()[tables.grouped], again.confidence_)


def test_what_draws_decide_on_is_drawn_by_the_fit(adata, calls):
    fitted = clone(FIXED).set_params(clusterer__resolution="auto").fit(adata)
    assert len(calls) == 1
    clustered = fitted.labels_ >= 0
    np.testing.assert_array_equal(fitted.gene_table_["confidence"][clustered], fitted.clusterer_.confidence_)
    assert len(calls) == 2


@pytest.mark.parametrize("how", ["pickled", "saved"])
@pytest.mark.parametrize("looked_at", [False, True])
@pytest.mark.first(1)
def test_copies_have_the_same_tables(adata, tmp_path, how, looked_at):
    fitted = clone(FIXED).fit(adata)
    if looked_at:
        fitted.gene_table_  # noqa: B018
    if how == "pickled":
        copy = pickle.loads(pickle.dumps(fitted))
        assert bool(copy._result.made) == looked_at
    else:
        fitted.save(tmp_path / "fit.lc")
        copy = TrendClusterer.load(tmp_path / "fit.lc")
        assert copy._result.made
    pd.testing.assert_frame_equal(copy.gene_table_, fitted.gene_table_)
    pd.testing.assert_frame_equal(copy.cluster_table_, fitted.cluster_table_)


@pytest.mark.slow
def test_what_happens_after_the_fit_does_not_change_the_tables(adata):
    fitted, other = clone(FIXED).fit(adata), clone(FIXED).fit(adata)
    expected = fitted.gene_table_
    other.set_params(scale="minmax", random_state=7, clusterer__resolution=2.0)
    pd.testing.assert_frame_equal(other.gene_table_, expected)


def test_another_fit_has_tables_of_its_own(adata):
    fitted = clone(FIXED).fit(adata)
    before = fitted.gene_table_
    fitted.fit(adata, genes=list(adata.var_names[:30]))
    assert len(fitted.gene_table_) == 30
    assert fitted.cluster_table_["size"].sum() == (fitted.labels_ >= 0).sum()
    assert len(before) == 60


def test_without_a_fit_there_are_no_tables():
    with pytest.raises(NotFittedError):
        TrendClusterer().gene_table_  # noqa: B018
    assert not hasattr(TrendClusterer(), "cluster_table_")


def test_clusterers_without_draws_have_no_confidence(adata, calls):
    fitted = clone(FIXED).set_params(clusterer=KMeans(3)).fit(adata)
    assert fitted.gene_table_["confidence"].isna().all()
    assert len(calls) == 1  # for shapes


def test_what_needs_no_draws_makes_none(adata, calls, tmp_path):
    """Genes are sorted by what the mean trend of their cluster explains, and that is known after the fit."""
    fitted = clone(FIXED).fit(adata)
    fitted.predict(adata)
    fitted.trends_for(adata)
    lists = fitted.genes_by_cluster()
    fitted.write_gene_lists(tmp_path / "lists.gmt")
    for draw in (fitted.plot_graph, lambda: fitted.plot_genes(lists[0][:2], adata)):
        draw()
    fitted.cut(n_clusters=2).predict(adata)
    fitted.to_frame()
    pickle.dumps(fitted)
    assert not calls
    assert fitted._result.made.keys() == {"naming"}  # which needs no draws
    assert lists == lists_of(fitted.gene_table_)
    assert [", ".join(genes[:5]) for genes in lists.values()] == fitted.cluster_table_["top_genes"].tolist()


def test_tables_of_clusters_do_not_wait_for_the_intervals_of_shapes(adata, calls):
    fitted = clone(FIXED).fit(adata)
    table, tree = fitted.cluster_table_, fitted.tree_table_
    assert len(calls) == 1  # for the confidence
    assert fitted.gene_table_["peak_lower"].notna().any()
    assert len(calls) == 2
    assert fitted.cluster_table_ is table
    pd.testing.assert_frame_equal(fitted.tree_table_, tree)


@pytest.mark.slow
def test_pictures_that_show_confidence_draw_for_it_once(adata, calls):
    fitted = clone(FIXED).fit(adata)
    fitted.plot()
    fitted.plot_heatmap()
    assert len(calls) == 1
    assert "gene_table" not in fitted._result.made
    assert fitted.gene_table_["confidence"].notna().sum() == (fitted.labels_ >= 0).sum()
    assert len(calls) == 2  # for the intervals of shapes


@pytest.mark.slow
def test_tables_of_another_level_share_the_shapes(adata, calls):
    fitted = clone(FIXED).fit(adata)
    table = fitted.gene_table_
    assert len(calls) == 2
    coarse = fitted.cut(n_clusters=2)
    shapes = [name for name in table if name not in ("cluster", "cluster_name", "confidence", "agreement")]
    pd.testing.assert_frame_equal(coarse.gene_table_[shapes], table[shapes])
    assert len(calls) == 3  # for the confidence in the other clusters
    fresh = clone(FIXED).fit(adata).cut(n_clusters=2)
    pd.testing.assert_frame_equal(coarse.gene_table_, fresh.gene_table_)
    pd.testing.assert_frame_equal(coarse.cluster_table_, fresh.cluster_table_)
    assert fitted.gene_table_ is table
