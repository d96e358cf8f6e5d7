"""Sentences of the report about a fit."""

import warnings
from dataclasses import replace
from html import escape

import numpy as np
import pytest
from sklearn.cluster import KMeans

import lineage_clust as lc
from lineage_clust.report import columns, facts, page, render
from lineage_clust.report.facts import concerns
from lineage_clust.report.methods import methods

from ..fits import QUICK
from .parsing import Page, table_of


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_the_summary_counts(adata):
    broken = adata.copy()
    broken.X[0, 3] = np.nan
    tc = lc.TrendClusterer(lineage="A", random_state=0, alpha=0.001).fit(broken)
    rows = {term: (value, remark) for term, value, remark in facts.summary(tc._result, broken)}
    qvalue = tc.gene_table_["qvalue"]
    assert rows["Lineage"] == ("A", "")
    assert rows["Cells"] == (str(tc.n_cells_), "of 150 in the data")
    assert rows["Genes with a trend"] == ("39", "1 failed")
    assert rows["Genes that change"] == (str(int((qvalue < 0.001).sum())), "q < 0.001, of 39 tested")
    assert rows["Genes in clusters"] == (str(int((tc.labels_ >= 0).sum())), "")
    assert rows["Clusters"] == (str(tc.n_clusters_), tc.clusterer_.stability_.why)
    shown = page.failures_of(tc.failed_)
    assert all(f">{text}<" in shown for text in (escape(tc.failed_["flat0"]), "1", "flat0"))
    written = render(tc, broken)
    assert "Genes without a trend" in Page(written).headings
    assert "not donors or animals" in written
    assert facts.lead(tc._result).startswith(
        f"{int((qvalue < 0.001).sum())} of 39 genes change significantly (q < 0.001); "
    )


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_several_lineages(adata):
    tc = lc.TrendClusterer(lineage=["A", "B"], random_state=0, n_points=50).fit(adata)
    rows = {term: value for term, value, _ in facts.summary(tc._result)}
    assert rows["Lineages"] == "A, B"
    assert rows["Cells"] == f"A {tc.n_cells_['A']}; B {tc.n_cells_['B']}"
    assert rows["Pseudotime"].startswith("A 0 to ")
    assert facts.default_title(tc._result) == "Gene expression trends along A and B"
    said = columns.Vocabulary(["A", "B"])
    assert said.meaning("pvalue_B") == f"B: {columns.MEANINGS['pvalue']}"
    assert said.meaning("unheard_of") == ""
    assert said.meaning("peak_lower_A") == f"A: Lower bound: {columns.MEANINGS['peak']}"
    _, data = table_of(render(tc))
    assert len(data["boundaries"]) == 1


def test_without_a_cluster_there_is_no_picture(adata):
    flat = [name for name in adata.var_names if name.startswith("flat")]
    with pytest.warns(lc.LineageClustWarning, match="No gene is clustered"):
        tc = lc.TrendClusterer(lineage="A", alpha=1e-6, clusterer=QUICK).fit(adata, genes=flat)
    page = Page(text := render(tc))
    assert not page.all("img")
    assert "No gene is in a cluster." in text
    assert table_of(text)[0]["cluster"].eq(-1).all()
    assert facts.resolution(tc.clusterer_) == ("none", "nothing was clustered")


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_a_single_cluster_and_no_name(adata):
    bare = adata.copy()
    del bare.obsm["palantir_fate_probabilities"]
    tc = lc.TrendClusterer(alpha=None, clusterer=KMeans(1)).fit(bare, genes=["rise0", "rise1"])
    page = render(tc)
    assert facts.default_title(tc._result) == "Gene expression trends along pseudotime"
    assert "2 are in one cluster." in page
    assert "all cells" in page
    assert "alpha=None" in page
    assert facts.resolution(tc.clusterer_) == ("none", "KMeans was told n_clusters=1")


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_models_without_a_test_say_so(adata):
    from sklearn.neighbors import KNeighborsRegressor

    with pytest.warns(lc.LineageClustWarning, match="sample weights"):
        tc = lc.TrendClusterer(KNeighborsRegressor(), smoother="passthrough", lineage="A", clusterer=QUICK).fit(adata)
    rows = {term: (value, remark) for term, value, remark in facts.summary(tc._result)}
    assert rows["Genes that change"] == ("not tested", "the model has no test")
    assert facts.lead(tc._result).startswith("40 genes have a trend; 40 are in ")
    assert "model: KNeighborsRegressor" in render(tc)


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_how_the_resolution_was_chosen(adata, tc):
    value, how = facts.resolution(tc.clusterer_)
    assert float(value) == tc.clusterer_.resolution_
    auto = lc.GraphClusterer(n_neighbors=6, resolution="auto", random_state=0)
    stable = lc.TrendClusterer(lineage="A", random_state=0, clusterer=auto).fit(adata)
    value, how = facts.resolution(stable.clusterer_)
    assert value == f"{stable.clusterer_.resolution_:.3g}"
    assert how == "found with the number of clusters"
    shown = {name: remark for name, _, remark in facts.summary(stable._result)}
    assert shown["Clusters"] == stable.clusterer_.stability_.why
    assert "Stability" in Page(render(stable)).headings
    asked = lc.GraphClusterer(n_clusters=2).fit(np.eye(3))
    assert facts.resolution(asked) == ("0", "of 2 clusters, as set")


def test_parameters_mark_what_was_changed(adata):
    tc = lc.TrendClusterer(
        lc.GAM(smoothing=2.0), genes=list(adata.var_names), lineage="A", clusterer=KMeans(3, random_state=0)
    ).fit(adata)
    groups = {
        owner: {name: (value, bold) for name, value, bold in rows} for owner, rows in facts.parameters(tc).items()
    }
    assert list(groups) == ["TrendClusterer", "smoother: BSplineSmoother", "model: GAM", "clusterer: KMeans"]
    assert groups["model: GAM"]["smoothing"] == ("2.0", True)
    assert groups["model: GAM"]["family"] == ("'gaussian'", False)
    assert groups["clusterer: KMeans"]["n_clusters"] == ("3", True)
    assert groups["TrendClusterer"]["genes"] == ("40 values", True)
    assert groups["TrendClusterer"]["alpha"] == ("0.01", False)


def test_bounds_of_the_clustered_are_named(adata):
    tc = lc.TrendClusterer(lineage="A", alpha=None, clusterer=KMeans(2, random_state=0))
    if "min_range" not in tc.get_params():
        pytest.skip("this release has no min_range")
    tc.set_params(min_range=0.5, min_deviance_explained=0.1).fit(adata)
    rows = {term: remark for term, _, remark in facts.summary(tc._result)}
    expected = "alpha=None: whether they change or not; min_deviance_explained=0.1; min_range=0.5"
    assert rows["Genes in clusters"] == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "None"), (np.float64(0.5), "0.5"), (np.zeros((2, 3)), "array of shape (2, 3)"), (facts.shown, "shown"),
     (("a", "b"), "('a', 'b')"), ({"*": 1}, "{'*': 1}")],
)  # fmt: skip
def test_values_are_shown_shortly(value, text):
    assert facts.shown(value) == text
    assert len(facts.shown("x" * 1000)) == 160


def test_versions_are_those_in_use():
    versions = dict(facts.versions())
    assert versions["lineage_clust"] == lc.__version__
    assert versions["numpy"] == np.__version__


def test_counts_are_warned_of(adata):
    counts = adata.copy()
    counts.X = np.random.default_rng(0).poisson(3 + 0 * counts.X).astype(float)
    with pytest.warns(lc.LineageClustWarning, match="looks like counts"):
        tc = lc.TrendClusterer(lineage="A", alpha=None, clusterer=KMeans(2, random_state=0)).fit(counts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = concerns(tc._result, counts)
    assert any("looks like counts" in text for text in found)


@pytest.mark.filterwarnings("ignore:No cell of lineage 'B' lies")
@pytest.mark.parametrize("lineage", ["A", ["A", "B"]])
def test_gaps_between_cells_are_warned_of_with_and_without_the_cells(adata, lineage):
    time = adata.obs["palantir_pseudotime"].to_numpy()
    apart = adata[(time < 0.35) | (time > 0.6)].copy()
    with pytest.warns(lc.LineageClustWarning, match="No cell of lineage 'A' lies between"):
        tc = lc.TrendClusterer(lineage=lineage, alpha=None, clusterer=KMeans(2, random_state=0)).fit(apart)
    for cells in (None, apart):
        found = concerns(tc._result, cells)
        assert any(text.startswith("No cell of lineage 'A' lies between pseudotime 0.3") for text in found)


def test_nothing_is_warned_of_without_a_reason(tc, adata):
    assert concerns(tc._result, adata) == []
    assert concerns(tc._result) == []
    assert page._concerns([]) == ""
    assert page._concerns(["<b>"]).count("&lt;b&gt;") == 1


def test_many_failed_genes_are_warned_of(adata):
    broken = adata.copy()
    broken.X[0, :10] = np.nan
    tc = lc.TrendClusterer(lineage="A", alpha=None, clusterer=KMeans(2, random_state=0)).fit(broken)
    assert any(text.startswith("10 of 40 genes have no trend") for text in concerns(tc._result))


def test_methods_name_what_was_done(tc, adata):
    text, cited = methods(tc._result)
    assert lc.__version__ in text
    assert "40 genes along A" in text
    assert "6 nearest neighbours" in text
    assert "at resolution 1" in text
    assert "agreement of clusters" not in text  # the resolution was set
    assert any("Leiden" in work for work in cited)
    for author in ("Wood 2011", "Wood 2013", "Eilers & Marx 1996", "Benjamini & Hochberg 1995", "Traag et al. 2019"):
        assert author in text
    other = lc.TrendClusterer(lc.GAM(smoothing=2.0), lineage="A", alpha=None, clusterer=KMeans(2, random_state=0))
    text, cited = methods(other.fit(adata)._result)
    assert "fixed smoothing parameter of 2.0" in text
    assert "clustered by KMeans" in text
    assert "all genes" in text
    assert not any("Leiden" in work or "Wood SN (2011)" in work for work in cited)


def test_methods_say_how_the_number_of_clusters_came_about(adata):
    fitted = lc.TrendClusterer(lineage="A", random_state=0).fit(adata)
    text, _ = methods(fitted._result)
    assert "The number of clusters is the largest for which no cluster can be divided into two distinct ones" in text
    assert "all pairs have a gap between them or are distinct by a factor of three" in text
    assert "contradict" not in text
    curve = fitted.clusterer_.stability_
    fitted.clusterer_.stability_ = replace(curve, n_divided=1)
    assert "Genes that contradict the mean of their cluster form further clusters. " in methods(fitted._result)[0]
    assert "cells, not donors, are the replicates" in text
    shares = np.full((2, len(curve.n_clusters)), np.nan)
    for known, said in ((slice(1, None), "divided in two repeatedly"), (slice(-1, None), "overlapping groups")):
        shares[:, known] = 0.02
        explained, within = shares
        fitted.clusterer_.stability_ = replace(curve, explained=explained.copy(), within=within.copy())
        text, _ = methods(fitted._result)
        assert said in text
        assert "at least 1.5 % of the variance of the scaled trends and, if it is the last one, 28 % of that" in text
        shares[:] = np.nan
    text, _ = methods(fitted.cut(n_clusters=fitted.n_clusters_ + 1)._result)
    assert "the number of clusters was set" in text


def test_the_page_names_donors_as_replicates(adata, quick):
    cells = adata.copy()
    cells.obs["donor"] = np.arange(cells.n_obs) % 5
    fitted = lc.TrendClusterer(lineage="A", sample_key="donor", alpha=None, random_state=0, clusterer=QUICK).fit(cells)
    text, cited = methods(fitted._result)
    assert "donors are the replicates of the test" in text
    assert "Wood 2013" not in text
    assert not any("Wood SN (2013)" in work for work in cited)
    assert "treat donors as replicates" in render(fitted)
    fitted = lc.TrendClusterer(lineage="A", alpha=None, random_state=0, clusterer=QUICK).fit(cells)
    assert "treat cells as replicates" in render(fitted)
