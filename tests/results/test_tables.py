import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lineage_clust.results.tables import cluster_table, gene_table, order_clusters, top_genes
from lineage_clust.trends.trends import Trends, concatenate

GRID = np.linspace(0, 1, 41)


def bumps(centres):
    return np.exp(-0.5 * ((GRID - np.asarray(centres)[:, None]) / 0.1) ** 2)


def trends_with_table(pvalues, explained=None):
    n_genes = len(pvalues)
    table = pd.DataFrame(
        {
            "edf": np.arange(n_genes) + 2.0,
            "deviance_explained": np.linspace(0, 1, n_genes) if explained is None else explained,
            "pvalue": pvalues,
            "converged": True,
            "lambda": 1.0,
            "note": "",
        },
        index=pd.Index([f"g{gene}" for gene in range(n_genes)], name="gene"),
    )
    return Trends(bumps(np.linspace(0, 1, n_genes)), GRID, list(table.index), table=table)


# ---- genes


def test_the_gene_table():
    pvalues = np.array([0.001, 0.2, np.nan, 0.03])
    trends = trends_with_table(pvalues)
    table = gene_table(trends)
    assert list(table) == [
        "edf", "deviance_explained", "pvalue", "qvalue", "peak", "onset", "half_max", "direction", "amplitude", "converged",
        "lambda", "note",
    ]  # fmt: skip
    assert list(table.index) == trends.genes
    known = np.isfinite(pvalues)
    np.testing.assert_allclose(table["qvalue"][known], stats.false_discovery_control(pvalues[known]))
    np.testing.assert_array_equal(table["peak"], trends.peak())
    assert "qvalue" not in trends.table  # the trends' own table is left alone


def test_the_gene_table_of_several_lineages():
    one, other = trends_with_table([0.5, 0.001, 0.9]), trends_with_table([0.5, 0.8, 1.0], explained=[0.9, 0.1, 0.2])
    table = gene_table(concatenate([one, other], ["A", "B"]))
    assert table["edf"].tolist() == [4, 6, 8]
    assert table["deviance_explained"].tolist() == [0.9, 0.5, 1.0]
    assert table["qvalue"].to_numpy().argmin() == 1
    assert {"pvalue_A", "pvalue_B", "lambda_A", "edf_B"} <= set(table)


def test_the_gene_table_of_trends_made_by_hand():
    table = gene_table(Trends(bumps([0.2, 0.7]), GRID, ["a", "b"]))
    np.testing.assert_allclose(table["peak"], [0.2, 0.7])
    assert table["qvalue"].isna().all()


# ---- clusters


@given(st.integers(0, 1000), st.integers(1, 6))
def test_clusters_are_numbered_by_the_peak_of_their_mean(seed, n_clusters):
    rng = np.random.default_rng(seed)
    centres = rng.permutation(np.linspace(0.05, 0.95, n_clusters))
    old = rng.choice([-1, *range(n_clusters)], 30)
    scaled = bumps(np.append(centres, 0.5)[old])
    new, order = order_clusters(old, scaled, GRID)
    there = np.unique(old[old >= 0])
    assert sorted(order) == there.tolist()
    assert np.all(np.diff(centres[order]) > 0)
    np.testing.assert_array_equal(new == -1, old == -1)
    np.testing.assert_array_equal(order[new[old >= 0]], old[old >= 0])


def test_clusters_that_peak_together_go_by_their_centre_of_mass():
    late_tail, early_tail = np.r_[0.0, 2.0, 1.0, 1.0], np.r_[1.0, 2.0, 1.0, 0.0]
    new, order = order_clusters(np.array([0, 1]), np.array([late_tail, early_tail]), np.arange(4.0))
    assert order.tolist() == [1, 0]
    assert new.tolist() == [1, 0]


def test_labels_with_gaps_and_flat_trends_are_numbered_from_zero():
    new, order = order_clusters(np.array([7, -5, 3]), np.zeros((3, 4)), np.arange(4.0))
    assert sorted(new) == [-1, 0, 1]
    assert sorted(order) == [3, 7]


def test_nothing_assigned():
    new, order = order_clusters(np.array([-1, -1]), np.ones((2, 3)), np.arange(3.0))
    assert new.tolist() == [-1, -1]
    assert len(order) == 0


def test_the_cluster_table():
    genes = gene_table(trends_with_table(np.full(6, 0.01), explained=[0.1, 0.9, 0.5, 0.2, 0.3, 0.8]))
    genes.insert(0, "cluster", [0, 0, 0, 1, 1, -1])
    table = cluster_table(genes, bumps([0.1, 0.8]), GRID)
    assert table["size"].tolist() == [3, 2]
    np.testing.assert_allclose(table["peak"], [0.1, 0.8])
    assert table["deviance_explained"].tolist() == pytest.approx([0.5, 0.25])
    assert table["top_genes"].tolist() == ["g1, g2, g0", "g4, g3"]
    assert table.index.name == "cluster"


def test_no_cluster_makes_an_empty_table():
    genes = gene_table(trends_with_table([0.9]))
    genes.insert(0, "cluster", [-1])
    table = cluster_table(genes, np.zeros((0, 41)), GRID)
    assert len(table) == 0
    assert list(table) == [
        "size", "direction", "direction_share", "peak", "peak_lower", "peak_upper", "onset", "half_max", "amplitude",
        "confidence", "deviance_explained", "top_genes",
    ]  # fmt: skip
    joined = cluster_table(genes, np.zeros((0, 82)), np.tile(GRID, 2), np.repeat(["A", "B"], 41))
    assert len(joined) == 0
    assert {"direction_A", "direction_B", "changes_in", "specificity"} <= set(joined)


def test_the_top_genes():
    rows = pd.DataFrame({"deviance_explained": [0.2, np.nan, 0.9, 0.2]}, index=list("abcd"))
    assert top_genes(rows, 3) == ["c", "a", "d"]
    assert top_genes(rows, 10) == ["c", "a", "d", "b"]


def test_clusters_of_several_lineages_are_shared_or_specific():
    rise, level = np.linspace(0, 1, 41), np.zeros(41)
    values = np.array([np.r_[rise, rise], np.r_[rise, -rise], np.r_[rise, level], np.r_[level, rise]])
    lineage = np.repeat(["A", "B"], 41)
    grid = np.tile(GRID, 2)
    genes = gene_table(Trends(values, grid, list("abcd"), grid_lineage=lineage))
    assert genes["direction"].tolist() == ["up", "differs", "differs", "differs"]
    assert genes["direction_B"].tolist() == ["up", "down", "flat", "up"]
    genes["deviance_explained"] = 0.5
    genes.insert(0, "cluster", range(4))
    table = cluster_table(genes, values, grid, lineage)
    assert table["specificity"].tolist() == ["shared", "shared", "only A", "only B"]
    assert table["changes_in"].tolist() == ["A, B", "A, B", "A", "B"]
    genes["pvalue_A"], genes["pvalue_B"] = 1e-5, [1e-5, 0.8, 0.8, 1e-5]
    assert cluster_table(genes, values, grid, lineage)["specificity"].tolist() == [
        "shared",
        "only A",
        "only A",
        "only B",
    ]


def test_clusters_are_described_by_the_shapes_of_their_genes():
    values = np.array([GRID, GRID**2, 1 - GRID, bumps([0.3])[0]])
    genes = gene_table(Trends(values, GRID, list("abcd")))
    genes["deviance_explained"] = 0.5
    genes.insert(0, "cluster", [0, 0, 1, 1])
    table = cluster_table(genes, np.array([GRID, 1 - GRID]), GRID)
    assert table["direction"].tolist() == ["up", "down"]
    assert table["direction_share"].tolist() == [1.0, 0.5]
    assert (table["peak_lower"] <= table["peak_upper"]).all()
    assert table["half_max"].tolist() == pytest.approx([0.5, 0.5], abs=0.03)
