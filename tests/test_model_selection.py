"""Folds of cells spread over pseudotime."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, check_cv, cross_val_score

import lineage_clust as lc
from lineage_clust import PseudotimeKFold
from lineage_clust.errors import LineageClustWarning


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata(203)


def in_time_order(adata):
    return adata[np.argsort(adata.obs["palantir_pseudotime"].to_numpy())].copy()


@pytest.mark.parametrize("n_splits", [2, 3, 5, 203])
@pytest.mark.parametrize("is_sorted", [False, True])
def test_folds_are_a_partition_into_equal_parts(n_splits, is_sorted, adata):
    cells = in_time_order(adata) if is_sorted else adata
    splits = list(PseudotimeKFold(n_splits).split(cells))
    assert len(splits) == n_splits == PseudotimeKFold(n_splits).get_n_splits(cells)
    tested = np.concatenate([test for _, test in splits])
    assert sorted(tested) == list(range(203))
    assert np.ptp([len(test) for _, test in splits]) <= 1
    for train, test in splits:
        assert not set(train) & set(test)
        assert len(train) + len(test) == 203


@pytest.mark.parametrize("is_sorted", [False, True])
def test_each_fold_is_spread_over_pseudotime(is_sorted, adata):
    cells = in_time_order(adata) if is_sorted else adata
    time = cells.obs["palantir_pseudotime"].to_numpy()
    rank = np.argsort(np.argsort(time))
    for _, test in PseudotimeKFold(5).split(cells):
        # one cell of each five neighbours in time
        assert np.array_equal(np.sort(rank[test]) // 5, np.arange(len(test)))


def test_folds_are_reproducible_and_change_with_the_seed(adata):
    first, again, other = (
        [test.tolist() for _, test in PseudotimeKFold(4, random_state=seed).split(adata)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_folds_do_not_depend_on_the_order_of_the_cells(adata):
    shuffled = adata[np.random.default_rng(0).permutation(adata.n_obs)].copy()
    for (_, test), (_, moved) in zip(PseudotimeKFold(3).split(adata), PseudotimeKFold(3).split(shuffled), strict=True):
        assert set(adata.obs_names[test]) == set(shuffled.obs_names[moved])


@pytest.mark.slow
def test_sorted_cells_are_scored_as_shuffled_ones_are(adata):
    """Contiguous folds of sorted cells ask for extrapolation (measured: -0.6 instead of 0.5)."""
    graph = lc.GraphClusterer(5, resolution=1.0, random_state=0)
    tc = lc.TrendClusterer(lineage="A", clusterer=graph, n_points=50, time_range=(0, 1))
    ordered = in_time_order(adata)
    spread = cross_val_score(tc, ordered, cv=PseudotimeKFold(3))
    shuffled = cross_val_score(tc, adata, cv=KFold(3))
    with pytest.warns(LineageClustWarning, match="No cell of lineage 'A' lies between"):
        contiguous = cross_val_score(tc, ordered, cv=KFold(3))
    assert spread.mean() == pytest.approx(shuffled.mean(), abs=0.05)
    assert contiguous.mean() < spread.mean() - 0.1


def test_cells_without_pseudotime_are_dealt_out_too(adata):
    cells = adata.copy()
    cells.obs.loc[cells.obs_names[:20], "palantir_pseudotime"] = np.nan
    without = [np.sum(test < 20) for _, test in PseudotimeKFold(4).split(cells)]
    assert sum(without) == 20
    assert all(abs(number - 5) <= 1 for number in without)


def test_pseudotime_may_be_named_or_be_a_column_of_a_matrix(adata):
    cells = adata.copy()
    cells.obs["mine"] = -cells.obs["palantir_pseudotime"]
    assert next(PseudotimeKFold(2, time_key="mine").split(cells))[0].size
    del cells.obs["palantir_pseudotime"]
    times = {"A": adata.obs["palantir_pseudotime"], "B": 1.0}
    cells.obsm["slingshot"] = pd.DataFrame(times, index=cells.obs_names)
    by_column = list(PseudotimeKFold(2, time_key="slingshot", lineage="A").split(cells))
    for (_, test), (_, expected) in zip(by_column, PseudotimeKFold(2).split(adata), strict=True):
        np.testing.assert_array_equal(test, expected)


@pytest.mark.parametrize("n_splits", [1, 0, 2.0, True, "3", None])
def test_a_wrong_number_of_folds_is_refused(n_splits, adata):
    with pytest.raises(ValueError, match="n_splits must be an integer of at least 2"):
        next(PseudotimeKFold(n_splits).split(adata))


def test_more_folds_than_cells_and_other_data_are_refused(adata):
    with pytest.raises(ValueError, match="3 cells cannot be split into 5 folds"):
        next(PseudotimeKFold(5).split(adata[:3]))
    with pytest.raises(TypeError, match="must be an AnnData"):
        next(PseudotimeKFold(5).split(np.ones((10, 2))))


def test_several_lineages_are_refused(adata):
    with pytest.raises(TypeError, match=r"A lineage must be one name; got \['A', 'B'\]. Pass one of them"):
        next(PseudotimeKFold(2, lineage=["A", "B"]).split(adata))


def test_it_is_a_splitter_of_scikit_learn_and_shows_its_parameters():
    folds = PseudotimeKFold(4, lineage="A")
    assert check_cv(folds) is folds
    assert repr(folds) == "PseudotimeKFold(n_splits=4, time_key=None, lineage='A', random_state=0)"


def test_cells_without_any_pseudotime_are_refused(adata):
    adata.obs["pseudotime"] = np.nan
    with pytest.raises(ValueError, match="No cell has a finite pseudotime"):
        next(PseudotimeKFold(time_key="pseudotime").split(adata))
