"""The report as text: what it says, that it is whole, and that names cannot break it."""

import base64
import json
import re
import warnings
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans

import lineage_clust as lc
from lineage_clust.report import columns, facts, page, pictures, render, sparklines
from lineage_clust.report.cluster_rows import cluster_table
from lineage_clust.report.concerns import concerns
from lineage_clust.report.curves import curve_data
from lineage_clust.report.gene_data import gene_data, packed
from lineage_clust.report.methods import methods

NASTY = ["<script>alert(1)</script>", 'a&b"c', "</table>", "<img src=x onerror=alert(1)>", "'quoted'", "&amp;", "ß→é"]
VOID = {"meta", "input", "img", "link", "br"}


class Page(HTMLParser):
    """Collects the elements of a page, and checks that each is closed where it was opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def headings(self):
        return [text for text in self.texts["h2"] if text.strip()]


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata(n_cells=150, n_genes=40, kind="dense")


@pytest.fixture(scope="module")
def tc(adata):
    clusterer = lc.GraphClusterer(n_neighbors=6, resolution=1.0)
    return lc.TrendClusterer(lineage="A", random_state=0, clusterer=clusterer).fit(adata)


@pytest.fixture(scope="module")
def text(tc):
    return render(tc)


@pytest.fixture
def quick(monkeypatch):
    """Leave the pictures out of the page but what is written about them: drawing them takes most of the time."""
    monkeypatch.setattr(page, "embedded", lambda draw, genes: pictures.Image("data:image/png;base64,", 300, 200, {}))


def unpacked(text):
    """What the page's script makes of the data."""
    data = json.loads(text)
    more = json.loads(zlib.decompress(base64.b64decode(data.pop("packed"))))
    for one, values in zip(data["columns"], more.pop("values"), strict=True):
        one.setdefault("values", values)
    return {**data, **more}


def table_of(text):
    """The gene table as it stands in the page."""
    data = unpacked(re.search(r'id="gene-data">(.*?)</script>', text, flags=re.DOTALL)[1])
    columns = {one["name"]: one["values"] for one in data["columns"]}
    return pd.DataFrame(columns).set_index("gene"), data


# ---- the page


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


def test_leading_genes_are_those_that_clusters_list_first(tc):
    lists = tc.genes_by_cluster()
    leading = pictures.leading_genes(tc)
    assert len(leading) <= 12
    assert {genes[0] for genes in lists.values()} <= set(leading)
    clusters = tc.gene_table_.loc[leading, "cluster"].tolist()
    assert clusters == sorted(clusters)


def test_of_many_clusters_the_best_explained_lead(adata):
    tc = lc.TrendClusterer(lineage="A", alpha=None, clusterer=KMeans(20, random_state=0)).fit(adata)
    leading = pictures.leading_genes(tc)
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


# ---- tables


def test_the_embedded_table_is_the_gene_table(text, tc):
    found, data = table_of(text)
    assert found.index.tolist() == tc.genes_
    assert list(found) == list(tc.gene_table_)
    for name, values in tc.gene_table_.items():
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            np.testing.assert_allclose(found[name].astype(float), values.astype(float), rtol=1e-5)
        else:
            assert found[name].tolist() == values.tolist()
    assert len(data["paths"]) == len(tc.genes_)
    assert data["colors"] == lc.plotting.cluster_colors(tc.n_clusters_)


def test_columns_of_any_kind_are_embedded(tc):
    other = lc.TrendClusterer(lineage="A")
    vars(other).update(vars(tc))
    table = tc.gene_table_.assign(
        missing=np.nan,
        infinite=[np.inf, -np.inf, *np.zeros(len(tc.genes_) - 2)],
        direction=pd.Categorical(["up"] * len(tc.genes_)),
        text=[None, *["x"] * (len(tc.genes_) - 1)],
        switch=pd.array([None, *[True] * (len(tc.genes_) - 1)], dtype="boolean"),
        count=pd.array([None, *[3] * (len(tc.genes_) - 1)], dtype="Int64"),
    )
    other._result = replace(tc._result, made={"tables": (table, tc.cluster_table_)})
    data = {one["name"]: one for one in json.loads(gene_data(other))["columns"]}
    kinds = {"missing": "number", "direction": "text", "text": "text", "switch": "truth", "count": "integer"}
    assert {name: data[name]["kind"] for name in kinds} == kinds
    assert set(data["missing"]["values"]) == {None}
    assert data["infinite"]["values"][:3] == ["inf", "-inf", 0.0]
    assert [data[name]["values"][:2] for name in ("text", "switch", "count")] == [["", "x"], [None, True], [None, 3]]


def test_every_cluster_has_a_row(text, tc):
    buttons = [attributes["data-cluster"] for attributes in Page(text).all("button") if "data-cluster" in attributes]
    assert buttons == [str(cluster) for cluster in range(tc.n_clusters_)]
    for names in tc.cluster_table_["top_genes"]:
        assert names in text


# ---- drawings of trends


def test_drawings_follow_the_trends():
    grid = np.linspace(0, 1, 50)
    rise, fall, flat = sparklines.paths(np.array([grid, -grid, 0 * grid]), np.full(50, ""))
    ends = [points(path)[[0, -1]] for path in (rise, fall, flat)]
    assert [list(end[:, 0]) for end in ends] == [[0, sparklines.WIDTH]] * 3
    assert ends[0][0, 1] > ends[0][1, 1]  # y grows downwards
    assert ends[1][0, 1] < ends[1][1, 1]
    assert set(points(flat)[:, 1]) == {sparklines.HEIGHT / 2}
    for path in (rise, fall, flat):
        assert ((points(path)[:, 1] >= 0) & (points(path)[:, 1] <= sparklines.HEIGHT)).all()


def test_lineages_are_drawn_side_by_side():
    path = sparklines.paths(np.arange(12.0)[None], np.repeat(["A", "B"], 6))[0]
    assert path.count("M") == 2
    assert len(sparklines.boundaries(np.repeat(["A", "B"], 6))) == 1
    first, second = (points("M" + part) for part in path.split("M")[1:])
    boundary = sparklines.boundaries(np.repeat(["A", "B"], 6))[0]
    assert first[:, 0].max() < boundary < second[:, 0].min()


def test_no_genes_no_drawings():
    assert sparklines.paths(np.zeros((0, 5)), np.full(5, "")) == []


def points(path):
    start, steps = re.fullmatch(r"M(\d+ \d+)l([-\d ]+)", path).groups()
    numbers = np.array([int(number) for number in re.findall(r"-?\d+", steps)]).reshape(-1, 2)
    return np.cumsum([[int(number) for number in start.split()], *numbers], axis=0)


# ---- names that are markup


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


# ---- what it says


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_the_summary_counts(adata):
    broken = adata.copy()
    broken.X[0, 3] = np.nan
    tc = lc.TrendClusterer(lineage="A", random_state=0, alpha=0.001).fit(broken)
    rows = {term: (value, remark) for term, value, remark in facts.summary(tc, broken)}
    qvalue = tc.gene_table_["qvalue"]
    assert rows["Lineage"] == ("A", "")
    assert rows["Cells"] == (str(tc.n_cells_), "of 150 in the data")
    assert rows["Genes with a trend"] == ("39", "1 failed")
    assert rows["Genes that change"] == (str(int((qvalue < 0.001).sum())), "q < 0.001, of 39 tested")
    assert rows["Genes in clusters"] == (str(int((tc.labels_ >= 0).sum())), "")
    assert rows["Clusters"] == (str(tc.n_clusters_), tc.clusterer_.stability_.why)
    assert facts.failures(tc) == [(tc.failed_["flat0"], ["flat0"])]
    written = render(tc, broken)
    assert "Genes without a trend" in Page(written).headings
    assert "not donors or animals" in written
    assert facts.lead(tc).startswith(f"{int((qvalue < 0.001).sum())} of 39 genes change significantly (q < 0.001); ")


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_several_lineages(adata):
    tc = lc.TrendClusterer(lineage=["A", "B"], random_state=0, n_points=50).fit(adata)
    rows = {term: value for term, value, _ in facts.summary(tc)}
    assert rows["Lineages"] == "A, B"
    assert rows["Cells"] == f"A {tc.n_cells_['A']}; B {tc.n_cells_['B']}"
    assert rows["Pseudotime"].startswith("A 0 to ")
    assert facts.default_title(tc) == "Gene expression trends along A and B"
    assert columns.meaning("pvalue_B", ["A", "B"]) == f"B: {columns.MEANINGS['pvalue']}"
    assert columns.meaning("unheard_of", ["A", "B"]) == ""
    assert columns.meaning("peak_lower_A", ["A", "B"]) == f"A: Lower bound: {columns.MEANINGS['peak']}"
    _, data = table_of(render(tc))
    assert len(data["boundaries"]) == 1


def test_without_a_cluster_there_is_no_picture(adata):
    flat = [name for name in adata.var_names if name.startswith("flat")]
    with pytest.warns(lc.LineageClustWarning, match="No gene is clustered"):
        tc = lc.TrendClusterer(lineage="A", alpha=1e-6).fit(adata, genes=flat)
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
    assert facts.default_title(tc) == "Gene expression trends along pseudotime"
    assert "2 are in one cluster." in page
    assert "all cells" in page
    assert "alpha=None" in page
    assert facts.resolution(tc.clusterer_) == ("none", "KMeans was told n_clusters=1")


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_models_without_a_test_say_so(adata):
    from sklearn.neighbors import KNeighborsRegressor

    with pytest.warns(lc.LineageClustWarning, match="sample weights"):
        tc = lc.TrendClusterer(KNeighborsRegressor(), smoother="passthrough", lineage="A").fit(adata)
    rows = {term: (value, remark) for term, value, remark in facts.summary(tc)}
    assert rows["Genes that change"] == ("not tested", "the model has no test")
    assert facts.lead(tc).startswith("40 genes have a trend; 40 are in ")
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
    shown = {name: remark for name, _, remark in facts.summary(stable)}
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
    rows = {term: remark for term, _, remark in facts.summary(tc)}
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


# ---- the file


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


def test_what_is_packed_is_what_was_there(tc):
    text = gene_data(tc)
    assert unpacked(packed(text)) == json.loads(text)
    assert not set("<>&") & set(packed(text))


def test_a_large_table_stays_light(tc):
    """3,000 genes, whose drawings and numbers take less than 2.1 MB: with pictures, a page is below 3 MB."""
    many = lc.TrendClusterer(lineage="A")
    vars(many).update(vars(tc))
    rows = np.resize(np.arange(len(tc.genes_)), 3000)
    scaled = tc.scaled_trends_[rows] + np.random.default_rng(0).normal(0, 0.1, (3000, 200))
    made = {"tables": (tc.gene_table_.iloc[rows], tc.cluster_table_)}
    parts = {"trends": tc._result.trends.subset(rows), "labels": tc.labels_[rows], "scaled": scaled}
    many._result = replace(tc._result, made=made, **parts)
    assert len(gene_data(many)) < 2_100_000


def test_the_table_of_clusters_of_several_lineages_stays_readable(adata):
    both = lc.TrendClusterer(lineage=["A", "B"], alpha=None, clusterer=KMeans(2, random_state=0), n_points=20)
    both.fit(adata)
    text = cluster_table(both, ["A", "B"])
    for column in ("direction_A", "specificity", "moves_most_in"):
        assert f'data-column="{column}"' in text
    for column in ("peak_A", "relative_amplitude_B", "direction_share_A"):
        assert column in both.cluster_table_
        assert f'data-column="{column}"' not in text


# ---- what the page draws itself


def test_curves_are_the_trends(tc, adata):
    """Decoded as the page does it, they are the trends and the means of the cells, but for a step of 1/250."""
    data = curve_data(tc._result, adata)
    [lineage] = data["lineages"]
    time, bins = np.array(lineage["time"]), np.array(lineage["bins"])
    row = tc.genes_.index("rise0")
    codes = np.array([ord(letter) - 40 for letter in data["coded"][row]])
    levels = np.cumsum(np.where(codes % 2, -(codes + 1) // 2, codes // 2)) % 256
    middle, below, above = levels[: 3 * len(time)].reshape(3, -1)
    levels[len(time) : 3 * len(time)] = np.concatenate([middle - below, middle + above]) % 256
    step = (data["high"][row] - data["low"][row]) / 250
    values = data["low"][row] + levels * step
    trend = tc.models_["rise0"]["A"]
    expected = [trend.predict(time), *trend.confidence_interval(time).T]
    np.testing.assert_allclose(values[: 3 * len(time)], np.concatenate(expected), atol=2 * step)
    cells = tc.gene_trends(adata)["rise0"]["A"]
    edges = np.linspace(tc.pseudotime_[0], tc.pseudotime_[-1], len(bins) + 1)
    inside = np.clip(np.searchsorted(edges, cells.x, side="right") - 1, 0, len(bins) - 1)
    for number, level in enumerate(levels[3 * len(time) :]):
        chosen = inside == number
        if level == 255:
            assert not chosen.any()
        else:
            found = data["low"][row] + level * step
            assert found == pytest.approx(np.average(cells.y[chosen], weights=cells.w[chosen]), abs=step)


@pytest.mark.slow
def test_places_lie_in_the_picture(tc):
    image = pictures.embedded(lambda: tc.plot_heatmap(), tc.genes_)
    assert sorted(gene for gene, *_ in image.spots["rows"]) == np.flatnonzero(tc.labels_ >= 0).tolist()
    heights = {tc.genes_[gene]: y for gene, _, _, y in image.spots["rows"]}
    for cluster, corners in image.spots["areas"]:
        inside = [heights[gene] for gene in tc.genes_by_cluster()[cluster]]
        assert min(corners[1::2]) <= min(inside) <= max(inside) <= max(corners[1::2])
    panels = pictures.embedded(lambda: tc.plot(), tc.genes_)
    assert [cluster for cluster, *_ in panels.spots["curves"]] == list(range(tc.n_clusters_))
    for _, (left, top, right, bottom), _, (low, high) in panels.spots["curves"]:
        assert 0 <= left < right <= 10_000
        assert 0 <= top < bottom <= 10_000
        assert low < high
    assert {cluster for cluster, _ in pictures.embedded(lambda: tc.plot_graph(), tc.genes_).spots["areas"]} == set(
        range(tc.n_clusters_)
    )


# ---- warnings and methods


def test_counts_are_warned_of(adata):
    counts = adata.copy()
    counts.X = np.random.default_rng(0).poisson(3 + 0 * counts.X).astype(float)
    with pytest.warns(lc.LineageClustWarning, match="looks like counts"):
        tc = lc.TrendClusterer(lineage="A", alpha=None, clusterer=KMeans(2, random_state=0)).fit(counts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = concerns(tc._result, counts)
    assert any("looks like counts" in text for text in found)


def test_nothing_is_warned_of_without_a_reason(tc, adata):
    assert concerns(tc._result, adata) == []
    assert page.concerns_of([]) == ""
    assert page.concerns_of(["<b>"]).count("&lt;b&gt;") == 1


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
    assert "number of clusters is the largest for which all pairs are distinct" in text
    assert "cells, not donors, are the replicates" in text
    text, _ = methods(fitted.cut(n_clusters=fitted.n_clusters_ + 1)._result)
    assert "the number of clusters was set" in text


def test_the_page_names_donors_as_replicates(adata, quick):
    cells = adata.copy()
    cells.obs["donor"] = np.arange(cells.n_obs) % 5
    fitted = lc.TrendClusterer(lineage="A", sample_key="donor", alpha=None, random_state=0).fit(cells)
    text, cited = methods(fitted._result)
    assert "donors are the replicates of the test" in text
    assert "Wood 2013" not in text
    assert not any("Wood SN (2013)" in work for work in cited)
    assert "treat donors as replicates" in render(fitted)
    fitted = lc.TrendClusterer(lineage="A", alpha=None, random_state=0).fit(cells)
    assert "treat cells as replicates" in render(fitted)
