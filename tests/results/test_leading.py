"""Genes listed first fit the mean trend of their cluster, in any order of input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.results.tables import agreement, top_genes, top_order

GRID = np.linspace(0, 1, 30)


def test_the_top_genes():
    rows = pd.DataFrame({"deviance_explained": [0.2, np.nan, 0.9, 0.2]}, index=list("abcd"))
    assert top_genes(rows, 3) == ["c", "a", "d"]
    assert top_genes(rows, 10) == ["c", "a", "d", "b"]


def test_agreement_is_a_correlation():
    rng = np.random.default_rng(0)
    rows, centers, labels = rng.normal(size=(20, 30)), rng.normal(size=(3, 30)), rng.integers(-1, 3, 20)
    found = agreement(rows, labels, centers)
    assert np.isnan(found[labels < 0]).all()
    expected = [np.corrcoef(row, centers[label])[0, 1] for row, label in zip(rows, labels, strict=True) if label >= 0]
    np.testing.assert_allclose(found[labels >= 0], expected)


def test_nothing_agrees_with_what_is_constant_or_not_there():
    assert agreement(np.ones((2, 3)), np.array([0, 0]), np.array([[0.0, 1.0, 2.0]])).tolist() == [0.0, 0.0]
    assert np.isnan(agreement(np.ones((2, 3)), np.array([-1, -1]), np.zeros((0, 3)))).all()


def test_a_gene_that_goes_against_its_cluster_is_named_last():
    table = pd.DataFrame({"deviance_explained": [0.9, 0.2, 0.3], "agreement": [-0.95, 0.9, 0.8]}, index=list("abc"))
    assert top_genes(table) == ["c", "b", "a"]


@pytest.mark.parametrize(("ways", "first"), [("uuud", "a"), ("uudd", "d")])
def test_genes_that_go_the_way_of_most_come_first(ways, first):
    table = pd.DataFrame(
        {"deviance_explained": [0.4, 0.3, 0.2, 0.9], "cluster": 0, "direction": list(ways), "agreement": 0.9},
        list("abcd"),
    )
    assert top_genes(table)[0] == first


def test_without_deviances_agreement_decides():
    table = pd.DataFrame({"deviance_explained": np.nan, "agreement": [0.5, 0.9, 0.7]}, index=list("abc"))
    assert top_genes(table) == ["b", "c", "a"]


@given(st.lists(st.sampled_from([0.0, 0.2, 0.5, np.nan]), min_size=2, max_size=12), st.randoms())
def test_ties_go_by_name_and_not_by_place(strengths, shuffle):
    names = [f"g{number}" for number in range(len(strengths))]
    table = pd.DataFrame({"deviance_explained": strengths}, index=names)
    table = table.sample(frac=1, random_state=shuffle.randrange(1000))
    found = pd.Series(top_order(table), index=table.index)
    assert found.is_unique
    again = pd.Series(top_order(table.sort_index()), index=sorted(names))
    pd.testing.assert_series_equal(found.sort_index(), again)
