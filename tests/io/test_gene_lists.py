"""Gene lists by cluster, and their files."""

import numpy as np
import pandas as pd
import pytest

from lineage_clust.io.gene_lists import lists_of, set_name, write_lists

LISTS = {0: ["b"], 1: ["c", "a, the first"], -1: ["flat"]}


def table(clusters, explained, genes="abcdefgh"):
    return pd.DataFrame({"cluster": clusters, "deviance_explained": explained}, index=list(genes[: len(clusters)]))


def test_genes_are_listed_by_what_the_trend_explains():
    lists = lists_of(table([1, 0, 1, 1, -1], [0.1, 0.5, 0.9, 0.1, 0.0]))
    assert lists == {0: ["b"], 1: ["c", "a", "d"]}  # equal ones in the order of the table
    assert all(type(cluster) is int for cluster in lists)
    assert all(type(gene) is str for genes in lists.values() for gene in genes)


def test_the_unassigned_come_last():
    lists = lists_of(table([-1, 0, -1], [0.1, 0.5, 0.2]), unassigned=True)
    assert list(lists.items()) == [(0, ["b"]), (-1, ["c", "a"])]
    assert lists_of(table([0, 0], [0.1, 0.5]), unassigned=True) == {0: ["b", "a"]}


def test_models_that_explain_nothing_leave_the_order():
    assert lists_of(table([0, 0, 0], [np.nan] * 3)) == {0: ["a", "b", "c"]}


def test_without_clusters_there_is_no_list():
    assert lists_of(table([-1, -1], [0.1, 0.2])) == {}


@pytest.mark.parametrize(
    ("cluster", "prefix", "name"), [(3, "Ery", "Ery_cluster_3"), (0, "", "cluster_0"), (-1, "B", "B_unassigned")]
)
def test_names_of_gene_sets(cluster, prefix, name):
    assert set_name(cluster, prefix) == name


def test_gmt_has_one_gene_set_a_line(tmp_path):
    write_lists(LISTS, tmp_path / "lists.gmt", "Ery")
    assert (tmp_path / "lists.gmt").read_bytes() == (
        b"Ery_cluster_0\t1_genes\tb\nEry_cluster_1\t2_genes\tc\ta, the first\nEry_unassigned\t1_genes\tflat\n"
    )


def test_readers_that_split_gmt_at_whitespace_find_the_genes(tmp_path):
    write_lists({0: ["b", "c"]}, tmp_path / "lists.gmt", "T cells")
    assert (tmp_path / "lists.gmt").read_text().split() == ["T_cells_cluster_0", "2_genes", "b", "c"]


def test_csv_has_one_gene_a_line(tmp_path):
    write_lists(LISTS, str(tmp_path / "lists.CSV"), "Ery")
    back = pd.read_csv(tmp_path / "lists.CSV")
    assert list(back) == ["gene_set", "cluster", "gene"]
    assert back.groupby("cluster")["gene"].agg(list).to_dict() == LISTS
    assert back["gene_set"].tolist() == ["Ery_cluster_0", *["Ery_cluster_1"] * 2, "Ery_unassigned"]


@pytest.mark.parametrize("name", ["lists.txt", "lists", "lists.gmt.gz"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"as \.gmt or \.csv"):
        write_lists(LISTS, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("gene", ["a\tb", "a\nb", "a\rb"])
def test_names_that_would_break_a_gmt_file_are_refused(tmp_path, gene):
    (tmp_path / "lists.gmt").write_text("before")
    with pytest.raises(ValueError, match=r"Rename it, or write a \.csv"):
        write_lists({0: [gene]}, tmp_path / "lists.gmt")
    assert (tmp_path / "lists.gmt").read_text() == "before"


@pytest.mark.parametrize("gene", ["a\tb", "a\nb", "a,b", 'with "quotes"', "ß"])
def test_csv_files_take_any_name(tmp_path, gene):
    write_lists({0: [gene, "b"]}, tmp_path / "lists.csv")
    assert pd.read_csv(tmp_path / "lists.csv")["gene"].tolist() == [gene, "b"]
