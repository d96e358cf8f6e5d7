"""Names of clusters: numbers for the chosen partition, parts below and unions above it, always with the same genes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from lineage_clust import GraphClusterer, TrendClusterer, datasets
from lineage_clust.clusterers.tree import ClusterTree
from lineage_clust.results.tables import order_clusters
from lineage_clust.results.tabulating import cluster_names, names_of_genes, node_names, nodes_of, union_name


@st.composite
def trees(draw):
    """A tree with random merges, its rows, and a grid."""
    n_leaves = draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    leaves = np.append(np.arange(n_leaves), rng.integers(0, n_leaves, 12))
    alive, merges = list(range(n_leaves)), []
    n_below = dict.fromkeys(alive, 1)
    for step in range(n_leaves - 1):
        first, second = sorted(rng.choice(len(alive), 2, replace=False))
        pair = alive[first], alive[second]
        alive = [node for node in alive if node not in pair] + [n_leaves + step]
        n_below[n_leaves + step] = n_below[pair[0]] + n_below[pair[1]]
        merges.append((*sorted(pair), step + 1.0, n_below[n_leaves + step]))
    linkage = np.array(merges).reshape(-1, 4)
    tree = ClusterTree(leaves, linkage, np.ones(n_leaves - 1), draw(st.integers(1, n_leaves)))
    return tree, rng.normal(size=(len(leaves), 7)).cumsum(axis=1), np.linspace(0, 1, 7)


@settings(max_examples=40)
@given(trees())
def test_every_node_has_a_name_of_its_own_that_says_what_it_holds(made):
    tree, rows, grid = made
    names = node_names(tree, rows, grid)
    assert len(set(names)) == 2 * tree.n_leaves - 1
    own, _ = order_clusters(tree.cut(n_clusters=tree.n_clusters), rows, grid)
    assert [names[node] for node in nodes_of(tree, own)] == [str(number) for number in range(tree.n_clusters)]
    for name, members in zip(names, tree.rows(), strict=True):
        inside = sorted(set(own[members].tolist()))
        if len(inside) > 1:
            assert name == union_name(inside)
        else:
            assert name.split(".")[0] == str(inside[0])
    for row, children in enumerate(tree.linkage[:, :2].astype(int)):
        parent = names[tree.n_leaves + row]
        if "+" not in parent and "-" not in parent:
            assert {names[child] for child in children} == {f"{parent}.1", f"{parent}.2"}


@settings(max_examples=40)
@given(trees())
def test_a_name_means_the_same_genes_in_every_cut(made):
    tree, rows, grid = made
    genes_of = dict(zip(node_names(tree, rows, grid), map(tuple, tree.rows()), strict=True))

    class Clusterer:
        tree_ = tree

    for n_clusters in range(1, tree.n_leaves + 1):
        labels, _ = order_clusters(tree.cut(n_clusters=n_clusters), rows, grid)
        names = cluster_names(Clusterer, labels, rows, grid)
        for number, name in enumerate(names):
            assert tuple(np.flatnonzero(labels == number)) == genes_of[name]


@settings(max_examples=20)
@given(trees())
def test_means_of_nodes_are_means_of_their_rows(made):
    tree, rows, _ = made
    np.testing.assert_allclose(tree.means(rows), [rows[own].mean(axis=0) for own in tree.rows()], atol=1e-12)


def test_clusters_that_were_too_small_come_after_the_others():
    tree = ClusterTree(np.array([0, 1, 1]), np.array([[0, 1, 2.0, 2]]), np.array([1.0]), 2)
    rows = np.array([[1.0, 0, 0], [0, 0, 1], [0, 0, 1]])
    assert node_names(tree, rows, np.arange(3.0)) == ["0", "1", "0+1"]
    assert node_names(tree, rows, np.arange(3.0), least_size=2) == ["1", "0", "0+1"]


def test_names_of_genes_without_a_cluster():
    assert names_of_genes(np.array([1, -1, 0]), ["2.1", "2.2"]).tolist() == ["2.2", "unassigned", "2.1"]


@pytest.fixture(scope="module")
def fitted():
    return TrendClusterer(lineage="Ery", random_state=0).fit(datasets.bone_marrow())


@pytest.mark.slow
def test_tables_and_gene_lists_have_the_names(fitted, tmp_path):
    assert fitted.cluster_names_ == [str(number) for number in range(fitted.n_clusters_)]
    finer = fitted.cut(n_clusters=fitted.n_clusters_ + 2)
    assert sum("." in name for name in finer.cluster_names_) >= 2
    for tc in (fitted, finer, finer.cut(n_clusters=2)):
        assert tc.cluster_table_["name"].tolist() == tc.cluster_names_
        expected = names_of_genes(tc.labels_, tc.cluster_names_).tolist()
        assert tc.gene_table_["cluster_name"].tolist() == expected
        tc.write_gene_lists(tmp_path / "sets.gmt")
        sets = [line.split("\t")[0] for line in (tmp_path / "sets.gmt").read_text().splitlines()]
        assert sets == [f"Ery_cluster_{name}" for name in tc.cluster_names_]


def test_the_tree_is_a_table(fitted):
    tree, table = fitted.tree_, fitted.tree_table_
    assert table.index.is_unique
    assert table["size"].tolist() == tree.sizes.tolist()
    np.testing.assert_array_equal(table["support"].to_numpy()[tree.n_leaves :], tree.support)
    assert table.loc[table["cluster"] >= 0, "cluster"].to_dict() == {
        name: number for number, name in enumerate(fitted.cluster_names_)
    }
    own = table.loc[fitted.cluster_names_]
    for column in ("size", "direction", "peak", "top_genes"):
        assert own[column].tolist() == fitted.cluster_table_[column].tolist()
    assert (table["parent"] == "").sum() == 1
    assert set(table["parent"]) - {""} <= set(table.index)


@pytest.mark.slow
def test_names_are_kept_in_files(fitted, tmp_path):
    finer = fitted.cut(n_clusters=5)
    finer.save(tmp_path / "fit.lclust")
    again = TrendClusterer.load(tmp_path / "fit.lclust")
    assert again.cluster_names_ == finer.cluster_names_
    assert again.cut(n_clusters=fitted.n_clusters_).cluster_names_ == fitted.cluster_names_
    assert again.tree_table_.equals(finer.tree_table_)


def test_without_a_tree_numbers_are_names():
    cells = datasets.bone_marrow()
    tc = TrendClusterer(clusterer=KMeans(3, n_init=1, random_state=0), lineage="Ery").fit(cells)
    assert tc.cluster_names_ == ["0", "1", "2"]
    with pytest.raises(AttributeError, match="KMeans does not compute one"):
        _ = tc.tree_
    assert not hasattr(tc, "tree_")


@pytest.mark.slow
def test_small_clusters_have_no_number(fitted):
    clusterer = GraphClusterer(min_cluster_size=80)
    tc = TrendClusterer(clusterer=clusterer, lineage="Ery", random_state=0).fit(datasets.bone_marrow())
    assert tc.cluster_names_ == [str(number) for number in range(tc.n_clusters_)]
