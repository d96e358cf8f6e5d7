import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lineage_clust.results.tables import cluster_table, gene_table, order_clusters
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
        "edf", "deviance_explained", "pvalue", "qvalue", "peak", "onset", "half_max", "half_max_flank", "half_back",
        "direction", "amplitude", "converged", "lambda", "note",
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
        "size", "direction", "direction_share", "peak", "peak_lower", "peak_upper", "onset", "half_max", "half_max_flank",
        "half_back", "amplitude", "confidence", "deviance_explained", "top_genes",
    ]  # fmt: skip
    joined = cluster_table(genes, np.zeros((0, 82)), np.tile(GRID, 2), np.repeat(["A", "B"], 41))
    assert len(joined) == 0
    assert {"direction_A", "direction_B", "changes_in", "specificity", "moves_most_in", "onset_B"} <= set(joined)


def test_clusters_of_several_lineages_are_shared_or_specific():
    rise, level = np.linspace(0, 1, 41), np.zeros(41)
    values = np.array([np.r_[rise, rise], np.r_[rise, -rise], np.r_[rise, level], np.r_[level, rise]])
    lineage = np.repeat(["A", "B"], 41)
    grid = np.tile(GRID, 2)
    genes = gene_table(Trends(values, grid, list("abcd"), grid_lineage=lineage))
    assert genes["direction"].tolist() == ["up", "differs", "up", "up"]
    assert genes["changes_in"].tolist() == ["A, B", "A, B", "A", "B"]
    assert genes["direction_B"].tolist() == ["up", "down", "flat", "up"]
    genes["deviance_explained"] = 0.5
    genes.insert(0, "cluster", range(4))
    table = cluster_table(genes, values, grid, lineage)
    assert table["specificity"].tolist() == ["all", "all", "only A", "only B"]
    assert table["changes_in"].tolist() == ["A, B", "A, B", "A", "B"]
    genes["pvalue_A"], genes["pvalue_B"] = 1e-5, [1e-5, 0.8, 0.8, 1e-5]
    assert cluster_table(genes, values, grid, lineage)["specificity"].tolist() == ["all", "only A", "only A", "only B"]
    genes["pvalue_A"] = genes["pvalue_B"] = 0.5
    assert cluster_table(genes, values, grid, lineage)["specificity"].tolist() == ["none"] * 4


def test_clusters_are_described_by_the_shapes_of_their_genes():
    values = np.array([GRID, GRID**2, 1 - GRID, bumps([0.3])[0]])
    genes = gene_table(Trends(values, GRID, list("abcd")))
    genes["deviance_explained"] = 0.5
    genes.insert(0, "cluster", [0, 0, 1, 1])
    table = cluster_table(genes, np.array([GRID, 1 - GRID]), GRID)
    assert table["direction"].tolist() == ["up", "mixed"]
    assert table["direction_share"].tolist() == [1.0, 0.5]
    assert (table["peak_lower"] <= table["peak_upper"]).all()
    assert table["half_max"].tolist() == pytest.approx([0.5, 0.5], abs=0.03)


@pytest.mark.parametrize(("n_down", "word"), [(0, "up"), (2, "up"), (3, "mixed"), (4, "mixed")])
def test_two_thirds_of_the_genes_make_a_direction(n_down, word):
    values = np.array([GRID] * (6 - n_down) + [1 - GRID] * n_down)
    genes = gene_table(Trends(values, GRID, list("abcdef")))
    genes.insert(0, "cluster", 0)
    table = cluster_table(genes, GRID[None], GRID)
    assert table["direction"].tolist() == [word]
    assert table["direction_share"].tolist() == pytest.approx([1 - n_down / 6])


# ---- several lineages


def two_lineages(values, names=("A", "B")):
    """A has times from 0 to 1, B from 0 to 3."""
    return np.r_[GRID, 3 * GRID], np.repeat(names, 41), np.asarray(values)


def test_plain_times_are_those_of_the_lineage_in_which_a_gene_moves_most():
    late, early = bumps([0.8])[0], bumps([0.2])[0]
    grid, lineage, values = two_lineages([np.r_[2 * late, early], np.r_[late, 2 * early], np.r_[late + 5, 2 * early]])
    table = gene_table(Trends(values, grid, list("abc"), grid_lineage=lineage))
    assert table["moves_most_in"].tolist() == ["A", "B", "B"]
    for column in ("peak", "onset", "half_max", "half_max_flank", "half_back", "amplitude"):
        chosen = [table[f"{column}_{name}"].iloc[row] for row, name in enumerate("ABB")]
        assert table[column].tolist() == chosen, column
    np.testing.assert_allclose(table["peak"], [0.8, 0.6, 0.6])
    genes = table.assign(cluster=range(3), deviance_explained=0.5)
    clusters = cluster_table(genes, values, grid, lineage)
    assert clusters["moves_most_in"].tolist() == ["A", "B", "B"]
    for column in ("peak", "onset", "half_max", "half_back"):
        np.testing.assert_allclose(clusters[column], table[column])
        np.testing.assert_allclose(clusters[f"{column}_B"], table[f"{column}_B"])
    assert (clusters["peak_lower"] == clusters["peak"]).all()


@settings(max_examples=20)
@given(st.floats(0.01, 3), st.floats(0.01, 3), st.floats(0.01, 3))
@pytest.mark.slow
def test_a_lineage_counts_where_a_trend_moves_a_third_as_far(one, two, three):
    sizes = np.array([one, two, three])
    grid, lineage = np.tile(GRID, 3), np.repeat(["A", "B", "C"], 41)
    values = np.concatenate([size * GRID for size in sizes])[None]
    genes = gene_table(Trends(values, grid, ["a"], grid_lineage=lineage))
    genes.insert(0, "cluster", 0)
    table = cluster_table(genes, values, grid, lineage)
    share = table[[f"relative_amplitude_{name}" for name in "ABC"]].to_numpy()[0]
    np.testing.assert_allclose(share, sizes / sizes.max())
    if np.abs(share - 1 / 3).min() < 1e-9:
        return
    found = [name for name, far in zip("ABC", share, strict=True) if far >= 1 / 3]
    assert table["changes_in"].iloc[0] == genes["changes_in"].iloc[0] == ", ".join(found)
    words = {1: f"only {found[0]}", 2: " and ".join(found), 3: "all"}
    assert table["specificity"].iloc[0] == words[len(found)]


def test_clusters_of_several_lineages_are_numbered_by_the_peak_that_the_table_has():
    late, early = bumps([0.9])[0], bumps([0.3])[0]
    grid, lineage, values = two_lineages([np.r_[1.2 * late, 2 * early], np.r_[2 * late, 1.2 * early]])
    labels, order = order_clusters(np.array([1, 0]), values, grid, lineage)
    genes = gene_table(Trends(values, grid, ["a", "b"], grid_lineage=lineage))
    genes.insert(0, "cluster", labels)
    table = cluster_table(genes, values[np.argsort(labels)], grid, lineage)
    assert table["peak"].is_monotonic_increasing
    assert order.tolist() == [1, 0] if labels[0] == 0 else [0, 1]


@settings(max_examples=15)
@given(st.permutations(["Ery", "Mono", "Neu"]), st.integers(0, 1000))
@pytest.mark.slow
def test_the_order_of_the_lineages_changes_nothing_but_columns(names, seed):
    rng = np.random.default_rng(seed)
    parts = {}
    for number, name in enumerate(["Ery", "Mono", "Neu"]):
        part = trends_with_table(rng.uniform(size=8) ** 3)
        grid = (1 + number / 3) * GRID
        values = rng.uniform(size=(8, 1)) * np.cumsum(rng.normal(size=(8, 41)), axis=1)
        lineage = np.repeat(np.array([name], dtype=object), 41)
        parts[name] = Trends(values, grid, part.genes, grid_lineage=lineage, table=part.table)
    one, other = (concatenate([parts[name] for name in order], order) for order in (sorted(names), list(names)))
    pd.testing.assert_frame_equal(gene_table(other), gene_table(one), check_like=True, check_exact=True)
    np.testing.assert_array_equal(other.onset(), one.onset())
    np.testing.assert_array_equal(other.peak(), one.peak())
    for scale in ("zscore", "minmax"):
        places = np.argsort(other.grid_lineage, kind="stable")
        np.testing.assert_array_equal(other.scaled(scale)[:, places], one.scaled(scale))
        np.testing.assert_array_equal(other.location_and_scale(scale), one.location_and_scale(scale))
    labels = rng.integers(0, 3, 8)
    first, second = (order_clusters(labels, each.scaled(), each.grid, each.grid_lineage) for each in (one, other))
    np.testing.assert_array_equal(first[0], second[0])
