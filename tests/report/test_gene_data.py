"""Tables and curves embedded in the page of a report."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans

import lineage_clust as lc
from lineage_clust.report import pictures
from lineage_clust.report.cluster_rows import cluster_table
from lineage_clust.report.gene_data import HEIGHT, WIDTH, boundaries, curve_data, gene_data, packed, sparklines

from .parsing import Page, points, table_of, unpacked


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
    data = {one["name"]: one for one in gene_data(other._result)["columns"]}
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


def test_drawings_follow_the_trends():
    grid = np.linspace(0, 1, 50)
    rise, fall, flat = sparklines(np.array([grid, -grid, 0 * grid]), np.full(50, ""))
    ends = [points(path)[[0, -1]] for path in (rise, fall, flat)]
    assert [list(end[:, 0]) for end in ends] == [[0, WIDTH]] * 3
    assert ends[0][0, 1] > ends[0][1, 1]  # y grows downwards
    assert ends[1][0, 1] < ends[1][1, 1]
    assert set(points(flat)[:, 1]) == {HEIGHT / 2}
    for path in (rise, fall, flat):
        assert ((points(path)[:, 1] >= 0) & (points(path)[:, 1] <= HEIGHT)).all()


def test_lineages_are_drawn_side_by_side():
    path = sparklines(np.arange(12.0)[None], np.repeat(["A", "B"], 6))[0]
    assert path.count("M") == 2
    assert len(boundaries(np.repeat(["A", "B"], 6))) == 1
    first, second = (points("M" + part) for part in path.split("M")[1:])
    boundary = boundaries(np.repeat(["A", "B"], 6))[0]
    assert first[:, 0].max() < boundary < second[:, 0].min()


def test_no_genes_no_drawings():
    assert sparklines(np.zeros((0, 5)), np.full(5, "")) == []


def test_what_is_packed_is_what_was_there(tc):
    data = gene_data(tc._result) | {"spots": {}}
    before = json.loads(json.dumps(data))
    text = packed(data)
    assert unpacked(text) == before
    assert not set("<>&") & set(text)


def test_a_large_table_stays_light(tc):
    """3,000 genes, whose drawings and numbers take less than 2.1 MB: with pictures, a page is below 3 MB."""
    many = lc.TrendClusterer(lineage="A")
    vars(many).update(vars(tc))
    rows = np.resize(np.arange(len(tc.genes_)), 3000)
    scaled = tc.scaled_trends_[rows] + np.random.default_rng(0).normal(0, 0.1, (3000, 200))
    made = {"tables": (tc.gene_table_.iloc[rows], tc.cluster_table_)}
    parts = {"trends": tc._result.trends.subset(rows), "labels": tc.labels_[rows], "scaled": scaled}
    many._result = replace(tc._result, made=made, **parts)
    assert len(json.dumps(gene_data(many._result), separators=(",", ":"))) < 2_100_000


def test_the_table_of_clusters_of_several_lineages_stays_readable(adata):
    both = lc.TrendClusterer(lineage=["A", "B"], alpha=None, clusterer=KMeans(2, random_state=0), n_points=20)
    both.fit(adata)
    text = cluster_table(both._result, ["A", "B"])
    for column in ("words", "specificity", "moves_most_in"):
        assert f'data-column="{column}"' in text
    for column in ("direction_A", "peak_A", "relative_amplitude_B", "direction_share_A"):
        assert column in both.cluster_table_
        assert f'data-column="{column}"' not in text


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
