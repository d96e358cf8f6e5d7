"""The page of a report is complete, and names cannot break it."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans

import lineage_clust as lc
from lineage_clust.report import pictures, render
from lineage_clust.report.cluster_rows import cluster_table
from lineage_clust.results.result import result_of

from .parsing import Page, table_of

NASTY = ["<script>alert(1)</script>", 'a&b"c', "</table>", "<img src=x onerror=alert(1)>", "'quoted'", "&amp;", "ß→é"]


def test_the_page_is_whole(text, tc):
    page = Page(text)
    assert page.texts["h1"] == page.texts["title"] == ["Gene expression trends along A"]
    assert page.headings[:2] == ["Summary", "Cluster table"]
    assert page.headings[-3:] == ["Gene table", "Methods, to paste into a paper", "Parameters and versions"]
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [attributes["href"] for attributes in page.all("a")]
    assert set(links) <= {f"#{name}" for name in ids}
    assert page.all("html") == [{"lang": "en"}]


def test_nothing_is_fetched(text):
    page = Page(text)
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,"))
    outside = re.findall(r"https?://[^\s\"'<>)]+", text)
    assert set(outside) <= {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "@import" not in text
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_pictures_say_what_they_show(text, tc):
    found = Page(text).all("img")
    assert len(found) == 7  # panels and heatmap for wide and narrow screens; leading genes, tree and graph
    for picture in found:
        assert len(picture["alt"]) > 40
        assert int(picture["width"]) > 100
    for cluster, size in tc.cluster_table_["size"].items():
        assert f"cluster {cluster}, {size} genes" in found[0]["alt"]


def test_the_heat_map_is_described_as_it_is_drawn(tc, adata):
    def said(fitted):
        return next(one.caption for one in pictures.pictures(result_of(fitted)) if one.anchor == "heatmap")

    assert "the column on the right is how often" in said(tc)
    assert "the tree of the clusters" in said(tc)
    assert "tree" not in said(tc.cut(n_clusters=1))
    other = clone(tc).set_params(clusterer=KMeans(2, random_state=0), model=lc.PyGAM()).fit(adata, genes=tc.genes_[:12])
    assert "tree" not in said(other)
    assert ("the column on the right" in said(other)) == bool(other.gene_table_["confidence"].notna().any())


def test_leading_genes_are_those_that_clusters_list_first(tc):
    lists = tc.genes_by_cluster()
    leading = pictures.leading_genes(tc._result)
    assert len(leading) <= 12
    assert {genes[0] for genes in lists.values()} <= set(leading)
    clusters = tc.gene_table_.loc[leading, "cluster"].tolist()
    assert clusters == sorted(clusters)


def test_of_many_clusters_the_best_explained_lead(adata):
    tc = lc.TrendClusterer(lineage="A", alpha=None, clusterer=KMeans(20, random_state=0)).fit(adata)
    leading = pictures.leading_genes(tc._result)
    assert len(leading) == len(set(tc.gene_table_.loc[leading, "cluster"])) == 12


@pytest.mark.slow
def test_cells_are_drawn_if_there_are_any(tc, adata, text):
    assert "dots are cells" not in text
    assert "dots are cells" in render(tc, adata)


@pytest.mark.slow
def test_the_same_fit_gives_the_same_page_and_figures_are_closed(tc, text):
    assert render(tc) == text
    assert plt.get_fignums() == []


@pytest.mark.slow
def test_a_loaded_clusterer_gives_the_same_page(tc, text, tmp_path):
    tc.save(tmp_path / "tc")
    assert render(lc.TrendClusterer.load(tmp_path / "tc")) == text


@pytest.mark.slow
def test_names_cannot_break_the_page(adata):
    named = adata[:, : len(NASTY) + 5].copy()
    named.var_names = [*NASTY, *(f"gene{i}" for i in range(5))]
    named.obsm["palantir_fate_probabilities"].columns = ["<b>A</b>", "B"]
    named.X[0, 6] = np.nan
    tc = lc.TrendClusterer(lineage="<b>A</b>", alpha=None, clusterer=KMeans(2, random_state=0)).fit(named)
    text = render(tc, title='Mine & "yours" </title><script>alert(2)</script>')
    page = Page(text)
    assert len(page.all("script")) == 2
    assert not page.all("b")
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert page.texts["title"] == ['Mine & "yours" </title><script>alert(2)</script>']
    found, _ = table_of(text)
    assert found.index.tolist() == tc.genes_ == [name for name in named.var_names if name != "ß→é"]
    assert "ß→é" in text  # among those that failed


@pytest.mark.slow
def test_the_report_is_one_file(tc, adata, tmp_path, text, request):
    (tmp_path / "report.html").write_text("before")
    assert tc.report(tmp_path / "report.html") is None
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == text
    assert len(list(tmp_path.iterdir())) == 1
    request.getfixturevalue("quick")
    tc.report(str(tmp_path / "report.html"), adata, title="Of mine")
    assert Page((tmp_path / "report.html").read_text(encoding="utf-8")).texts["h1"] == ["Of mine"]


def test_a_picture_that_fails_leaves_the_old_report(tc, tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("before")

    def fails(*_arguments):
        raise RuntimeError("no canvas")

    monkeypatch.setattr("lineage_clust.plotting.views.plot", fails)
    with pytest.raises(RuntimeError, match="no canvas"):
        tc.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "before"


def test_cells_must_be_an_anndata(tc, tmp_path):
    with pytest.raises(TypeError, match="must be an AnnData"):
        tc.report(tmp_path / "report.html", adata=np.ones((3, 3)))


def test_a_peak_that_begins_above_its_half_is_half_way_only_on_its_way_back(tc, monkeypatch):
    table = tc.cluster_table_.assign(half_max=0.93, half_back=[0.77, *[float("nan")] * (tc.n_clusters_ - 1)])
    monkeypatch.setitem(result_of(tc).made, "cluster_table", table)
    rows = cluster_table(tc._result, ["A"]).split("<tr>")[2:]
    assert "0.93" not in rows[0]
    assert "0.77" in rows[0]
    assert all("0.93" in row for row in rows[1:])
