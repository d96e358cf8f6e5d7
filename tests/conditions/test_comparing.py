"""compare_conditions: results, input formats, errors, and clusters of differences."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.preprocessing import PolynomialFeatures

import lineage_clust as lc
from lineage_clust import GraphClusterer
from lineage_clust.conditions.comparing import group_differences, scaled_differences
from lineage_clust.errors import LineageClustWarning, UnknownNameError


def test_planted_differences_are_found(found):
    table = found.table
    assert (table["qvalue_level"].iloc[:4] < 0.05).all()
    assert (table["qvalue_shape"].iloc[4:8] < 0.05).all()
    assert (table["qvalue_both"].iloc[8:] > 0.05).mean() > 0.85
    assert (table["direction"].iloc[:8] == "higher").all()
    assert table["level"].iloc[:4].mean() == pytest.approx(1.5, abs=0.3)
    assert table["log_fold_change_end"].iloc[4:8].mean() == pytest.approx(2.5, abs=0.5)
    assert (table["largest_at"].iloc[4:8] > 0.7).all()
    assert_levels_and_shapes_are_apart(found.labels)


def assert_levels_and_shapes_are_apart(labels):
    assert set(labels[:4]) & set(labels[4:8]) == set()
    assert (labels[:8] >= 0).all()


@pytest.mark.slow
def test_the_number_of_clusters_is_searched_for(cells, settings):
    found = lc.compare_conditions(cells, "condition", "donor", **settings)
    assert_levels_and_shapes_are_apart(found.labels)


def test_it_says_what_was_replicated(found, without_donors):
    assert found.replicates == "donors"
    assert "8 donors were taken as replicates: 4 control, 4 treated." in str(found)
    assert without_donors.replicates == "cells"
    assert "Cells were taken as replicates, not donors" in str(without_donors)
    differ = without_donors.table["pvalue_level"].iloc[8:] < 0.05
    assert differ.mean() > 0.4  # of genes that do not differ between conditions: why it is said
    assert (found.table["pvalue_level"].iloc[8:] < 0.05).mean() < 0.2


def test_bands_hold_the_difference(found):
    lower, upper = found.difference_band(["gene0", "gene1"])
    narrow_lower, narrow_upper = found.difference_band(["gene0", "gene1"], simultaneous=False)
    assert np.all(lower < narrow_lower)
    assert np.all(upper > narrow_upper)
    assert np.all((lower < 1.5) & (upper > 1.5))


def test_effect_sizes_lie_in_their_intervals(found):
    table = found.table
    for name in ("level", "largest_difference", "largest_at", "log_fold_change_end", "half_max_shift"):
        assert (table[f"{name}_lower"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_upper"]).all()
    lower, upper = found.difference_band()
    at, genes = np.searchsorted(found.pseudotime, table["largest_at"]), np.arange(len(table))
    np.testing.assert_allclose(table["largest_difference_lower"], lower[genes, at], rtol=1e-5)
    np.testing.assert_allclose(table["largest_difference_upper"], upper[genes, at], rtol=1e-5)


@pytest.mark.slow
def test_a_file_sparse_matrices_and_other_orders_give_the_same(cells, found, tmp_path, quick_settings):
    shuffled = cells[np.random.default_rng(0).permutation(cells.n_obs)].copy()
    shuffled.X = sparse.csr_matrix(shuffled.X)
    shuffled.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    again = lc.compare_conditions(backed, "condition", "donor", **quick_settings, memory_budget=30_000)
    backed.file.close()
    np.testing.assert_allclose(again.trends, found.trends, atol=1e-6)
    np.testing.assert_allclose(again.table["pvalue_both"], found.table["pvalue_both"], rtol=1e-3, atol=1e-12)
    np.testing.assert_array_equal(again.labels, found.labels)


@pytest.mark.slow
def test_cells_of_no_condition_take_no_part_and_the_reference_is_ours(cells, found, quick_settings):
    more = cells.copy()
    more.obs["condition"] = more.obs["condition"].astype(object)
    more.obs.loc[more.obs["donor"].isin(["g", "h"]), "condition"] = None
    swapped = lc.compare_conditions(more, "condition", "donor", conditions=["treated", "control"], **quick_settings)
    assert swapped.reference == "treated"
    assert len(swapped.samples) == 6
    assert swapped.samples["n_cells"].sum() == 360
    assert swapped.table["level"].iloc[0] < -1


@pytest.mark.slow
def test_three_conditions(quick_settings, make_cells):
    cells = make_cells(n_donors=9)
    codes = cells.obs["donor"].map({name: place % 3 for place, name in enumerate("abcdefghi")}).to_numpy()
    cells.obs["dose"] = np.array(["none", "low", "high"])[codes]
    cells.X[:, 8:12] += 2.0 * (codes == 2)[:, None]
    found = lc.compare_conditions(cells, "dose", "donor", conditions=["none", "low", "high"], **quick_settings)
    assert found.differences.shape == (2, 24, 40)
    assert (found.table["differs_most"].iloc[8:12] == "high").all()
    assert found.table["level_high"].iloc[8:12].mean() == pytest.approx(2.0, abs=0.4)
    assert found.plot_volcano("high").get_xlabel().startswith("largest difference, high minus none")
    with pytest.raises(ValueError, match="condition must be one of"):
        found.plot_volcano()


@pytest.mark.slow
def test_donors_in_both_conditions_are_pairs(quick_settings, make_cells):
    cells = make_cells(shift=2.0)
    cells.obs["condition"] = np.where(np.arange(cells.n_obs) % 2, "treated", "control")
    cells.X[:, 12:18] += 0.6 * (cells.obs["condition"] == "treated").to_numpy()[:, None]
    found = lc.compare_conditions(cells, "condition", "donor", **quick_settings)
    assert "compared within donors" in found.replicates_note
    assert (found.table["pvalue_level"].iloc[12:18] < 0.05).all()


@pytest.mark.slow
def test_covariates_of_donors(cells, found, quick_settings):
    adjusted = lc.compare_conditions(cells, "condition", "donor", covariates=["age"], **quick_settings)
    assert (adjusted.table["qvalue_both"].iloc[:8] < 0.05).mean() > 0.7
    assert not np.allclose(adjusted.table["level"], found.table["level"])


def test_genes_that_cannot_be_fitted_are_named(cells, quick_settings):
    broken = cells.copy()
    broken.X[0, 20] = np.nan
    found = lc.compare_conditions(broken, "condition", **quick_settings)
    assert list(found.failed) == ["gene20"]
    assert "gene20" not in found.table.index
    with pytest.raises(UnknownNameError, match="gene20"):
        found.sample_trends("gene20")


def test_no_difference_is_a_warning(cells, settings):
    rng = np.random.default_rng(5)
    same = anndata.AnnData(rng.standard_normal(cells.shape), obs=cells.obs, var=cells.var)
    with pytest.warns(LineageClustWarning, match="No gene differs"):
        found = lc.compare_conditions(same, "condition", alpha=1e-6, **settings)
    assert found.n_clusters == 0
    found.plot_volcano()
    with pytest.raises(lc.NoTrendError, match="no heatmap"):
        found.plot_heatmap()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"condition_key": "conditions"}, UnknownNameError, "Did you mean 'condition'"),
        ({"condition_key": "pseudotime"}, TypeError, "numbers with fractions"),
        ({"conditions": ["control", "treatd"]}, UnknownNameError, "Did you mean 'treated'"),
        ({"conditions": ["control"]}, ValueError, "two to 10 can be compared"),
        ({"conditions": "control"}, TypeError, "a list of names"),
        ({"sample_key": "condition"}, ValueError, "at least 4 are needed"),
        ({"lineage": ["a", "b"]}, TypeError, "one lineage at a time"),
        ({"alpha": 2}, ValueError, "alpha must be between 0 and 1"),
        ({"smoother": "passthrough"}, TypeError, "smoother must have fit and transform"),
        ({"time_key": ["pseudotime", "pseudotime"]}, TypeError, "time_key must be one name"),
    ],
)
def test_what_cannot_be_compared_is_refused(cells, given, error, message, quick_settings):
    given = {"condition_key": "condition", "sample_key": "donor", **quick_settings, **given}
    with pytest.raises(error, match=message):
        lc.compare_conditions(cells, **given)


def test_conditions_whose_columns_would_have_the_same_names_are_refused(cells, quick_settings):
    three = cells.copy()
    three.obs["condition"] = np.array(["control", "dose", "lower_dose"])[np.arange(cells.n_obs) % 3]
    with pytest.raises(ValueError, match="'dose', 'lower_dose' would have the same columns"):
        lc.compare_conditions(three, "condition", **quick_settings)


@pytest.mark.filterwarnings("ignore:No cell lies between pseudotime")
def test_conditions_that_are_stretches_of_time_are_refused(cells, quick_settings):
    apart = cells.copy()
    apart.obs["pseudotime"] += 2.0 * (apart.obs["condition"] == "treated")
    with (
        pytest.warns(LineageClustWarning, match="between the donors"),
        pytest.raises(ValueError, match="no common interval"),
    ):
        lc.compare_conditions(apart, "condition", "donor", **quick_settings)


def test_frames(found, tmp_path):
    long = found.to_frame()
    assert len(long) == 2 * 24 * 40
    assert long.loc[long["condition"] == "control", "difference"].isna().all()
    found.write_csv(tmp_path / "table.csv")
    again = pd.read_csv(tmp_path / "table.csv", index_col=0)
    np.testing.assert_allclose(again["pvalue_both"], found.table["pvalue_both"])
    assert set(again["replicates"]) == {"donors"}


def test_cells_of_other_conditions_change_nothing(cells, without_donors, quick_settings):
    more = cells.copy()
    more.obs_names = [f"other {name}" for name in cells.obs_names]
    more.obs["pseudotime"] *= 3.0
    more.obs["condition"], more.obs["donor"] = "other", None
    more.X = np.full(cells.shape, 50.0)
    both = anndata.concat([more, cells])
    found = lc.compare_conditions(both, "condition", conditions=["control", "treated"], **quick_settings)
    np.testing.assert_array_equal(found.pseudotime, without_donors.pseudotime)
    numbers = without_donors.table.select_dtypes(float)
    np.testing.assert_allclose(found.table[numbers.columns], numbers, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_cells_of_other_conditions_need_no_donor(cells, found, quick_settings):
    more = cells[:100].copy()
    more.obs_names = [f"other {name}" for name in more.obs_names]
    more.obs["condition"], more.obs["donor"] = "other", None
    both = anndata.concat([cells, more])
    again = lc.compare_conditions(both, "condition", "donor", conditions=["control", "treated"], **quick_settings)
    np.testing.assert_allclose(again.table["level"], found.table["level"], rtol=1e-6)


def test_the_order_of_genes_does_not_matter(cells, without_donors, quick_settings):
    order = np.random.default_rng(1).permutation(cells.n_vars)
    again = lc.compare_conditions(cells[:, order].copy(), "condition", **quick_settings)
    numbers = without_donors.table.select_dtypes(float)
    np.testing.assert_allclose(again.table.loc[numbers.index, numbers.columns], numbers, rtol=1e-5, atol=1e-7)
    assert (again.table.loc[numbers.index, "cluster"] == without_donors.table["cluster"]).all()


@pytest.mark.parametrize("sample_key", [None, "donor"])
def test_cells_must_suffice_for_the_curves(cells, quick_settings, sample_key):
    with pytest.raises(ValueError, match="12 cells are too few for the curves of 2 conditions, which have"):
        lc.compare_conditions(cells[:12].copy(), "condition", sample_key, **quick_settings)


def test_grids_of_a_few_points_are_refused(cells, quick_settings):
    with pytest.raises(ValueError, match="n_points must be at least 10"):
        lc.compare_conditions(cells, "condition", **{**quick_settings, "n_points": 2})


def counted(cells, seed=3):
    """Return cells with a layer of counts whose logarithms differ as expression does."""
    rng = np.random.default_rng(seed)
    depth = rng.lognormal(0, 0.3, cells.n_obs)
    mean = depth[:, None] * np.exp(0.7 * np.asarray(cells.X) - 0.5)
    other = cells.copy()
    other.obs["log_depth"] = np.log(depth)
    other.layers["counts"] = sparse.csr_matrix(rng.poisson(mean * rng.gamma(4, 0.25, mean.shape)).astype(float))
    return other


@pytest.mark.parametrize("sample_key", ["donor", pytest.param(None, marks=pytest.mark.slow)])
def test_counts_are_compared_on_the_scale_of_logarithms(cells, quick_settings, sample_key):
    found = lc.compare_conditions(
        counted(cells), "condition", sample_key, model=lc.GAM("negative_binomial"), layer="counts", offset="log_depth",
        **quick_settings,
    )  # fmt: skip
    assert (found.family, found.link) == ("negative_binomial", "log")
    assert (found.table["qvalue_both"].iloc[:8] < 0.05).all()
    assert found.table["level"].iloc[:4].mean() == pytest.approx(0.7 * 1.5, abs=0.3)
    if sample_key:
        assert (found.table["qvalue_both"].iloc[8:] > 0.05).mean() > 0.8
        assert found.sample_trends("gene10").shape == (8, 40)
    assert np.isfinite(found.difference_band()[0]).all()
    assert found.plot_genes("gene0").axes[0].get_ylabel() == "log expression"


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (lc.PyGAM(), TypeError, "model must be a GAM"),
        (lc.GAM("poisson", smoothing=3.0), ValueError, "smoothing must be 'reml'"),
        (lc.GAM("gamma", "inverse"), ValueError, "log or logit link"),
        (lc.GAM("negative_binomial"), ValueError, "is for counts"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(cells, model, error, message, quick_settings):
    with pytest.raises(error, match=message):
        lc.compare_conditions(cells, "condition", "donor", model=model, **quick_settings)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_smoother_without_a_penalty_has_no_smoothing_parameter_to_draw(cells, quick_settings):
    given = quick_settings | {"smoother": PolynomialFeatures(2)}
    found = lc.compare_conditions(cells, "condition", **given)
    assert np.isfinite(found.difference_band()[0]).all()


@pytest.mark.slow
def test_a_gap_in_one_condition_is_named_and_left_out(cells, quick_settings):
    time, treated = cells.obs["pseudotime"].to_numpy(), (cells.obs["condition"] == "treated").to_numpy()
    less = cells[~(treated & (time > 0.4) & (time < 0.65))].copy()
    gap = (less.obs["pseudotime"] > 0.4) & (less.obs["pseudotime"] < 0.65)
    less.X[gap.to_numpy(), 20] += 8.0  # of untreated cells only: what treated ones would have, nobody knows
    with pytest.warns(LineageClustWarning, match="'treated' from 0.4"):
        found = lc.compare_conditions(less, "condition", "donor", **quick_settings)
    assert len(found.gaps) == 1
    gap = found.gaps.iloc[0]
    assert (gap.condition, gap.start, gap.end) == (
        "treated",
        pytest.approx(0.4, abs=0.03),
        pytest.approx(0.64, abs=0.03),
    )
    at = found.table["largest_at"]
    assert not ((at > gap.start) & (at < gap.end)).any()
    assert "Hardly any cells are treated" in str(found)
    solid = found.plot_genes("gene0").axes[1].lines[2].get_ydata()
    assert np.isnan(solid[(found.pseudotime >= gap.start) & (found.pseudotime <= gap.end)]).all()


GRID = np.linspace(0, 1, 30)


def differences(seed=0):
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.3, 3, (36, 1))
    kinds = np.stack([np.ones(30), -np.ones(30), GRID])
    return size * (np.repeat(kinds, 12, axis=0) + 0.05 * rng.standard_normal((36, 1)))


def test_sign_and_level_stay():
    scaled = scaled_differences(differences())
    np.testing.assert_allclose(np.mean(scaled**2, axis=1), 1.0)
    assert np.all(scaled[:12] > 0)
    assert np.all(scaled[12:24] < 0)


def test_higher_and_lower_throughout_are_two_clusters():
    values = differences()
    draws = values + 0.05 * np.random.default_rng(1).standard_normal((20, 36, 1))
    labels, _ = group_differences(GraphClusterer(random_state=0), values, draws, GRID)
    assert len(set(labels[:12]) & set(labels[12:24])) == 0
    assert labels.min() >= 0


def test_other_clusterers_and_few_genes():
    values = differences()
    labels, _ = group_differences(KMeans(3, random_state=0, n_init=2), values, values[None], GRID)
    assert [len(set(part)) for part in labels.reshape(3, 12)] == [1, 1, 1]
    for n_genes in (0, 1, 2, 3):
        labels, _ = group_differences(GraphClusterer(random_state=0), values[:n_genes], values[None, :n_genes], GRID)
        assert len(labels) == n_genes
