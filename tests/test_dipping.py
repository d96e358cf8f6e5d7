"""dipping_check: counts without a trajectory, p-values after using them twice, and correction by count splitting."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context

import lineage_clust as lc
from lineage_clust import DippingCheck, dipping_check
from lineage_clust.dipping import permuted, simulated


@pytest.fixture(scope="module")
def adata():
    return lc.datasets.simulate_lineage(800, 100, 0, n_lineages=1, random_state=11)


@pytest.mark.slow
def test_the_same_counts_twice_are_not_valid_and_halves_are(adata):
    same = dipping_check(adata, "counts", random_state=0)
    halves = dipping_check(adata, "counts", thin=True, n_repetitions=2, random_state=0)
    assert same.rejected[0.05] > 0.2
    assert not same.thinned
    assert halves.rejected[0.05] < 0.09
    assert halves.pvalues.shape == (100, 2)
    assert len(halves.n_clusters) == len(halves.n_clustered) == 2
    assert halves.thinned


def test_an_order_that_knows_nothing_of_the_genes_gives_valid_p_values(adata):
    seen = []

    def chance(cells):
        seen.append(cells)
        return np.random.default_rng(0).permutation(cells.n_obs)

    check = dipping_check(
        adata, "counts", genes=adata.var_names[:60].tolist(), order=chance, n_cells=500, random_state=1
    )
    assert check.rejected[0.05] < 0.15
    assert check.pvalues.index.tolist() == adata.var_names[:60].tolist()
    assert seen[0].shape == (500, 60)
    assert set(seen[0].layers) == {"counts"}


def test_quantiles_and_picture():
    check = DippingCheck(pd.DataFrame({0: [0.2, np.nan, 0.4], 1: [0.6, 0.8, 0.01]}), [0, 1], [0, 3], False)
    assert check.quantiles()["expected"].tolist() == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert check.quantiles()["observed"].tolist() == [0.01, 0.2, 0.4, 0.6, 0.8]
    assert check.rejected.tolist() == [0.2, 0.0, 0.0]
    ax = check.plot()
    assert "0.20" in ax.get_title(loc="left")
    assert check.plot(plt.figure().add_subplot()).lines
    with pytest.raises(ValueError, match="no p-value"):
        DippingCheck(pd.DataFrame({0: [np.nan]}), [0], [0], False).plot()


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"order": "pca"}, TypeError, "order must be a function"),
        ({"order": lambda cells: np.zeros(3)}, ValueError, "one finite number for each of the 800 cells"),
        ({"order": lambda cells: np.full(800, np.nan)}, ValueError, "not finite"),
        ({"clusterer": lc.GAM()}, TypeError, "TrendClusterer or None"),
        ({"layer": None}, ValueError, "Only counts"),
        ({"n_repetitions": 0}, ValueError, "n_repetitions"),
        ({"null": "none"}, ValueError, "null must be"),
        ({"thin": "no"}, TypeError, "thin must be True or False"),
        ({"genes": ["nothing"]}, lc.UnknownNameError, "nothing"),
    ],
)
def test_errors_say_what_to_do(adata, options, error, message):
    with pytest.raises(error, match=message):
        dipping_check(adata, **{"layer": "counts", **options})


def test_a_series_from_order_goes_by_the_names_of_the_cells(adata):
    values = {}

    def order(cells, shuffled):
        made = pd.Series(np.random.default_rng(0).permutation(cells.n_obs), index=cells.obs_names)
        return made.sort_values() if shuffled else made

    for shuffled in (False, True):
        values[shuffled] = dipping_check(
            adata, "counts", genes=adata.var_names[:8].tolist(), order=lambda cells, how=shuffled: order(cells, how),
            n_cells=200, random_state=0,
        ).pvalues  # fmt: skip
    pd.testing.assert_frame_equal(values[False], values[True])


def test_what_is_no_order_and_no_count_is_named(adata):
    with pytest.raises(ValueError, match="one finite number for each of the .* it returned 'dpt'"):
        dipping_check(adata, "counts", order=lambda cells: "dpt", n_cells=50)
    nothing = adata[:50].copy()
    nothing.layers["counts"] = nothing.layers["counts"] * 0
    with pytest.raises(ValueError, match="All counts are 0"):
        dipping_check(nothing, "counts")


def test_one_gene_orders_the_cells_by_itself(adata):
    check = dipping_check(adata, "counts", genes=[adata.var_names[0]], n_cells=100, random_state=0)
    assert check.pvalues.shape == (1, 1)


@pytest.mark.slow
def test_tables_as_output_change_nothing_within(adata):
    options = {"genes": list(adata.var_names[:5]), "n_cells": 100, "random_state": 0}
    with config_context(transform_output="pandas"):
        check = dipping_check(adata, "counts", **options)
    pd.testing.assert_frame_equal(check.pvalues, dipping_check(adata, "counts", **options).pvalues)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 150))
def test_permuted_genes_keep_their_counts(seed, n_cells):
    counts = sparse.csr_matrix(np.random.default_rng(seed).poisson(1.0, (n_cells, 6)))
    found = permuted(counts, np.random.RandomState(seed))
    assert found.shape == counts.shape
    assert np.array_equal(np.sort(found.toarray(), axis=0), np.sort(counts.toarray(), axis=0))


def test_simulated_counts_have_the_means_depths_and_dispersions_and_no_groups():
    rng = np.random.default_rng(0)
    depth, group = np.exp(rng.normal(0, 0.6, 1500)), rng.integers(0, 2, 1500)
    levels = np.where(np.arange(80) < 40, 1.0, np.where(group[:, None] == 1, 1.8, 0.2)) * rng.uniform(1, 8, 80)
    dispersion = 0.3
    counts = rng.poisson(depth[:, None] * levels * rng.gamma(1 / dispersion, dispersion, levels.shape))
    found = simulated(sparse.csr_matrix(counts), np.random.RandomState(1)).toarray()
    assert found.mean(axis=0) == pytest.approx(counts.mean(axis=0), rel=0.15)
    assert np.corrcoef(np.log(found.sum(axis=1)), np.log(counts.sum(axis=1)))[0, 1] > 0.9
    size = counts.sum(axis=1) / counts.sum(axis=1).mean()
    means = size[:, None] * found.mean(axis=0)
    excess = ((found - means) ** 2 - means).sum(axis=0) / (means**2).sum(axis=0)
    assert np.median(excess) == pytest.approx(dispersion, abs=0.08)
    together = [np.corrcoef(both[:, 60] / size, both[:, 61] / size)[0, 1] for both in (counts, found)]
    assert together[0] > 0.3
    assert abs(together[1]) < 0.1


def test_hardly_any_counts():
    for counts in (np.zeros((5, 3)), np.ones((1, 3))):
        assert simulated(sparse.csr_matrix(counts), np.random.RandomState(0)).shape == counts.shape
