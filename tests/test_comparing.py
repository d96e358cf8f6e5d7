"""Comparison of two fits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lineage_clust as lc
from lineage_clust import compare


def series(labels):
    return pd.Series(labels, index=[f"g{number}" for number in range(len(labels))])


@given(st.lists(st.integers(-1, 4), min_size=3, max_size=40), st.permutations(range(5)))
def test_names_of_clusters_do_not_matter(labels, names):
    renamed = [names[label] if label >= 0 else -1 for label in labels]
    found = compare(series(labels), series(renamed))
    assert not found.genes["moves"].any()
    assert found.matched["jaccard"].eq(1).all()
    assert np.isnan(found.ari) or found.ari == 1
    assert found.contingency.to_numpy().sum() == len(labels)


def test_genes_that_move_are_named():
    found = compare(series([0, 0, 0, 1, 1, -1]), series([2, 2, 0, 0, 0, 0]))
    assert found.genes.index[found.genes["moves"]].tolist() == ["g2", "g5"]
    assert found.matched.to_dict("list") == {
        "cluster_a": [0, 1], "cluster_b": [2, 0], "n_shared": [2, 2], "jaccard": [2 / 3, 2 / 4],
    }  # fmt: skip
    assert "2 move" in str(found)


def test_genes_of_one_side_only_are_listed():
    found = compare({"a": 0, "b": 1, "x": 0}, {"b": 0, "a": 0, "y": 1})
    assert (found.only_a, found.only_b, found.n_genes) == (["x"], ["y"], 2)


def test_missing_labels_are_unassigned():
    assert compare({"a": None, "b": 1.0}, {"a": -1, "b": 0}).genes["cluster_a"].tolist() == [-1, 1]
    adata_column = pd.Series(pd.Categorical(["0", None, "1"]), index=["a", "b", "c"])
    assert compare(adata_column, {"a": 0, "b": -1, "c": 1}).genes["moves"].sum() == 0


@pytest.mark.parametrize(
    ("a", "error", "message"),
    [
        ([0, 1], TypeError, "must be a fitted TrendClusterer"),
        (lc.TrendClusterer(), TypeError, "not fitted"),
        ({}, ValueError, "no gene"),
        ({"z": 0}, ValueError, "no gene in common"),
        ({"a": 0.5}, ValueError, "integers"),
        (pd.Series([0, 1], index=["a", "a"]), ValueError, "more than once"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, error, message):
    with pytest.raises(error, match=message):
        compare(a, {"a": 0})


def test_two_fits_of_the_same_modules_agree():
    fits = [
        lc.TrendClusterer(lineage="lineage_1", random_state=0).fit(
            lc.datasets.simulate_lineage(600, 60, 3, random_state=4)[rows]
        )
        for rows in (slice(0, None, 2), slice(1, None, 2))
    ]
    found = compare(*fits)
    assert found.ari > 0.9
    clustered = (found.genes[["cluster_a", "cluster_b"]] >= 0).all(axis=1)
    assert found.genes.loc[clustered, "correlation"].median() > 0.9
    assert found.genes.loc[clustered, ["confidence_a", "confidence_b"]].notna().all(axis=None)
    itself = compare(fits[0], fits[0])
    assert itself.ari == 1
    assert np.nanmin(itself.genes["correlation"]) == pytest.approx(1)


def test_the_order_in_which_lineages_are_named_does_not_matter():
    adata = lc.datasets.simulate_lineage(400, 30, 3, random_state=0)
    names = ["lineage_1", "lineage_2"]
    fits = [lc.TrendClusterer(lineage=order, alpha=None, random_state=0).fit(adata) for order in (names, names[::-1])]
    assert compare(*fits).genes["correlation"].min() == pytest.approx(1)
