"""Lineage drivers: correlations against scipy, p-values, selection in pipelines."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import lineage_clust as lc
from lineage_clust import DriverSelector, LineageClustWarning, TrendClusterer, UnknownNameError, lineage_drivers

from .fits import QUICK


def cells(X, fates, names=("A", "B")):
    genes = [f"g{index}" for index in range(X.shape[1])]
    index = [f"c{cell}" for cell in range(X.shape[0])]
    adata = ad.AnnData(X, obs=pd.DataFrame(index=index), var=pd.DataFrame(index=genes))
    adata.obsm["fate_probabilities"] = pd.DataFrame(fates, index=index, columns=list(names))
    return adata


def example(seed, n_cells=60, n_genes=12):
    rng = np.random.default_rng(seed)
    X = rng.poisson(rng.uniform(0.2, 5, n_genes), (n_cells, n_genes)).astype(float)
    fate = rng.uniform(size=n_cells)
    X[:, 0] += np.round(6 * fate)
    return X, np.column_stack([fate, 1 - fate])


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([np.asarray, sparse.csr_matrix, sparse.csc_matrix]),
    st.sampled_from(["pearson", "spearman"]),
    st.floats(-2, 0),
)
def test_correlations_equal_scipys(seed, kind, method, shift):
    X, fates = example(seed)
    X = np.where(X > 0, X + np.round(shift), 0)  # negative values as well
    drivers = lineage_drivers(cells(kind(X), fates), method=method)
    correlate = stats.pearsonr if method == "pearson" else stats.spearmanr
    for gene in range(X.shape[1]):
        if np.ptp(X[:, gene]) > 0:
            expected = correlate(X[:, gene], fates[:, 0])[0]
            assert drivers.loc[f"g{gene}", "A_corr"] == pytest.approx(expected, abs=1e-10)
            assert drivers.loc[f"g{gene}", "B_corr"] == pytest.approx(-expected, abs=1e-10)
        else:
            assert np.isnan(drivers.loc[f"g{gene}", "A_corr"])


def test_fisher_interval_is_scipys():
    X, fates = example(1)
    drivers = lineage_drivers(cells(X, fates), "A", confidence_level=0.9)
    for gene in range(X.shape[1]):
        interval = stats.pearsonr(X[:, gene], fates[:, 0]).confidence_interval(0.9)
        row = drivers.loc[f"g{gene}"]
        np.testing.assert_allclose((row["A_ci_low"], row["A_ci_high"]), interval, atol=1e-10)


def test_wider_confidence_holds_narrower():
    X, fates = example(2)
    narrow, wide = (lineage_drivers(cells(X, fates), "A", confidence_level=level) for level in (0.8, 0.99))
    assert (wide["A_ci_low"] < narrow["A_ci_low"]).all()
    assert (wide["A_ci_high"] > narrow["A_ci_high"]).all()


def test_permutation_pvalues_agree_with_fishers_and_are_never_zero():
    X, fates = example(3, n_cells=200, n_genes=30)
    fisher = lineage_drivers(cells(X, fates), "A")
    permuted = lineage_drivers(cells(X, fates), "A", test="permutation", n_permutations=2000, random_state=0)
    assert permuted["A_pval"].min() == pytest.approx(1 / 2001)
    weak = fisher.index[fisher["A_pval"] > 0.01]
    np.testing.assert_allclose(permuted.loc[weak, "A_pval"], fisher.loc[weak, "A_pval"], atol=0.05)
    again = lineage_drivers(cells(X, fates), "A", test="permutation", n_permutations=2000, random_state=0)
    pd.testing.assert_frame_equal(permuted, again)


def test_qvalues_and_order():
    X, fates = example(4, n_genes=40)
    drivers = lineage_drivers(cells(X, fates), ["B", "A"])
    assert list(drivers.columns[:2]) == ["B_corr", "B_pval"]
    assert drivers["B_corr"].is_monotonic_decreasing
    np.testing.assert_allclose(drivers["A_qval"], stats.false_discovery_control(drivers["A_pval"]))
    assert drivers["A_corr"].between(-1, 1).all()
    assert drivers.index[-1] == "g0"  # it rises with A


def test_a_perfect_correlation_stays_within_bounds():
    fate = np.linspace(0, 1, 30)
    drivers = lineage_drivers(cells(np.column_stack([fate, 2 - fate]), np.column_stack([fate, 1 - fate])), "A")
    assert drivers["A_corr"].tolist() == pytest.approx([1.0, -1.0])
    assert (drivers["A_pval"] < 1e-10).all()


def test_constant_genes_have_no_correlation():
    X, fates = example(5)
    X[:, 3] = 7.0
    drivers = lineage_drivers(cells(X, fates), "A")
    assert drivers.loc["g3"].isna().all()
    assert drivers.index[-1] == "g3"


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_correlations_at_a_high_level_are_those_without_it(kind):
    X, fates = example(0)
    expected, found = (lineage_drivers(cells(kind(X + level), fates))["A_corr"].sort_index() for level in (0, 1e8))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_chosen_set_of_cells():
    X, fates = example(6)
    chosen = np.arange(60) < 40
    part = lineage_drivers(cells(X, fates), "A", cells=chosen)
    pd.testing.assert_frame_equal(part, lineage_drivers(cells(X[:40], fates[:40]), "A"))
    by_name = pd.Series(chosen, index=[f"c{cell}" for cell in range(60)])[::-1]
    pd.testing.assert_frame_equal(part, lineage_drivers(cells(X, fates), "A", cells=by_name))
    fates[45:] = np.nan
    pd.testing.assert_frame_equal(
        lineage_drivers(cells(X, fates), "A"), lineage_drivers(cells(X[:45], fates[:45]), "A")
    )


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"lineage": "C"}, UnknownNameError, "'C' was not found"),
        ({"method": "kendall"}, ValueError, "method must be"),
        ({"test": "perm"}, ValueError, "test must be"),
        ({"confidence_level": 1.5}, ValueError, "confidence_level"),
        ({"test": "permutation", "n_permutations": 0}, ValueError, "n_permutations"),
        ({"cells": [True]}, ValueError, "boolean mask of 60"),
        ({"cells": np.arange(60) < 3}, ValueError, "3 cells take part"),
        ({"show_progress_bar": 1}, TypeError, "show_progress_bar must be True or False; got 1"),
        ({"genes": ["g99"]}, UnknownNameError, "'g99' is not in"),
        ({"lineage": []}, ValueError, "empty list"),
    ],
)
def test_wrong_arguments(kwargs, error, message):
    with pytest.raises(error, match=message):
        lineage_drivers(cells(*example(7)), **kwargs)


def test_constant_fates_are_warned_of():
    X, fates = example(8)
    fates[:] = 0.5
    with pytest.warns(LineageClustWarning, match="probabilities of 'A' are constant over all cells"):
        drivers = lineage_drivers(cells(X, fates), "A")
    assert drivers["A_corr"].isna().all()


def test_known_drivers_of_bone_marrow_and_nothing_changes():
    adata = lc.datasets.bone_marrow()
    before = adata.copy()
    drivers = lineage_drivers(adata, lineage_key="palantir_fate_probabilities")
    assert drivers.loc["Klf1", "Ery_corr"] > 0.5
    assert drivers.loc["Mpo", "Ery_corr"] < -0.4
    assert (adata.X != before.X).nnz == 0
    assert adata.uns.keys() == before.uns.keys()
    assert adata.varm.keys() == before.varm.keys()


def test_selector():
    adata = lc.datasets.bone_marrow()
    selector = DriverSelector("Ery", n_genes=20, direction="positive")
    chosen = clone(selector).fit(adata).transform(adata)
    assert chosen.n_vars == 20
    assert "Klf1" in chosen.var_names
    assert list(chosen.var_names) == [name for name in adata.var_names if name in set(chosen.var_names)]
    fitted = selector.fit(adata)
    assert fitted.genes_[0] == fitted.drivers_["Ery_corr"].idxmax()
    falling = DriverSelector("Ery", n_genes=20, direction="negative").fit(adata)
    assert (fitted.drivers_.loc[falling.genes_, "Ery_corr"] < 0).all()


def test_selector_before_the_clusterer():
    adata = lc.datasets.bone_marrow()
    pipeline = make_pipeline(
        DriverSelector("Ery", n_genes=60), TrendClusterer(lineage="Ery", random_state=0, clusterer=QUICK)
    )
    scores = pipeline.fit_transform(adata)
    assert len(pipeline[-1].genes_) == 60
    assert scores.shape == (adata.n_obs, pipeline[-1].n_clusters_)


def test_selector_says_when_nothing_is_left():
    X, fates = example(9)
    rng = np.random.default_rng(0)
    nothing = DriverSelector("A", alpha=1e-6)
    with pytest.raises(ValueError, match="No gene of 12 goes with lineage 'A'"):
        nothing.fit(cells(rng.permutation(X), fates))
    with pytest.raises(NotFittedError):
        nothing.get_feature_names_out()
    with pytest.raises(ValueError, match="direction"):
        DriverSelector("A", direction="up").fit(cells(X, fates))
    with pytest.raises(ValueError, match="n_genes"):
        DriverSelector("A", n_genes=0).fit(cells(X, fates))
    adata = cells(X, fates)
    selector = DriverSelector("A", n_genes=2, alpha=None).fit(adata)
    with pytest.raises(UnknownNameError, match="not in adata"):
        selector.transform(adata[:, ["g5"]])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"use_raw": "x"}, TypeError, "use_raw must be True or False"),
        ({"layer": ["a"]}, TypeError, "layer must be one name"),
        ({"test": "permutation", "n_permutations": 10**12}, ValueError, "from 1 to 10,000,000"),
        ({"test": "permutation", "n_permutations": 0}, ValueError, "from 1 to 10,000,000"),
        ({"test": "permutation", "n_permutations": 2.5}, ValueError, "from 1 to 10,000,000"),
    ],
)
@pytest.mark.first(3)
def test_odd_parameters_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        lc.lineage_drivers(lc.datasets.bone_marrow(), "Ery", **given)


def test_a_selector_refuses_odd_flags():
    with pytest.raises(TypeError, match="use_raw must be True or False"):
        lc.DriverSelector(lineage="Ery", use_raw="x").fit(lc.datasets.bone_marrow())


def test_selector_s_advice_can_be_followed():
    X, fates = example(9)
    shuffled = cells(np.random.default_rng(0).permutation(X), fates)
    with pytest.raises(ValueError, match="below alpha=1e-06. Raise alpha, or pass alpha=None with n_genes"):
        DriverSelector("A", alpha=1e-6).fit(shuffled)
    assert len(DriverSelector("A", alpha=None, n_genes=2).fit(shuffled).genes_) == 2
    one = cells(X, fates)
    sign = np.sign(lineage_drivers(one, "A")["A_corr"].iloc[0])
    one = one[:, [lineage_drivers(one, "A").index[0]]].copy()
    wrong = "negative" if sign > 0 else "positive"
    with pytest.raises(ValueError, match=f"no correlation is {wrong}. Pass direction='both'"):
        DriverSelector("A", alpha=None, direction=wrong).fit(one)
    assert DriverSelector("A", alpha=None, direction="both").fit(one).genes_ == list(one.var_names)


@pytest.mark.filterwarnings("ignore:The fate probabilities of .all. are constant")
def test_selector_says_when_weights_do_not_vary():
    X, fates = example(9)
    adata = cells(X, fates)
    adata.obs["all"] = 1.0
    with pytest.raises(ValueError, match="weights, or all genes, are the same in all cells. Choose another lineage"):
        DriverSelector(lineage_key="all").fit(adata)


def test_one_column_of_weights_is_not_the_drivers_of_two_lineages():
    X, fates = example(9)
    adata = cells(X, fates)
    adata.obs["to_a"], adata.obs["to_b"] = np.asarray(fates)[:, 0], np.asarray(fates)[:, 1]
    with pytest.raises(
        ValueError, match=r"weights of one lineage, but 2 lineages are requested.*lineage_key=\['to_a', ...\]"
    ):
        lineage_drivers(adata, ["A", "B"], lineage_key="to_a")
    keys = ["to_a", "to_b"]
    table = lineage_drivers(adata, keys, lineage_key=keys)
    np.testing.assert_allclose(
        table["to_b_corr"], lineage_drivers(adata, "to_b", lineage_key="to_b")["to_b_corr"].loc[table.index]
    )
