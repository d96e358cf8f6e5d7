"""A lineage as arrays: cells, weights, pseudotime, range and grid."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.errors import LineageClustWarning, UnknownNameError
from lineage_clust.lineage.lineage import Lineage
from tests.fits import read_lineage

from ..fits import dense

GENES = ["rise1", "flat0", "fall3"]


def plain_adata(**obs):
    """Cells without lineage data; `obs` are their columns, among them pseudotime."""
    n_cells = len(obs["pseudotime"])
    index = [f"cell{cell}" for cell in range(n_cells)]
    return ad.AnnData(np.arange(2.0 * n_cells).reshape(n_cells, 2), obs=pd.DataFrame(obs, index=index))


# ---- cells, weights and pseudotime


def test_what_a_lineage_holds(make_adata):
    adata = make_adata()
    lineage = read_lineage(adata, "A", genes=GENES)
    times = adata.obs["palantir_pseudotime"].to_numpy()
    inside = (times >= lineage.start) & (times <= lineage.end)
    np.testing.assert_array_equal(lineage.cells, np.flatnonzero(inside))
    np.testing.assert_array_equal(lineage.pseudotime, times[inside])
    np.testing.assert_array_equal(lineage.weights, adata.obsm["palantir_fate_probabilities"]["A"][inside])
    assert (lineage.name, lineage.covariates, lineage.covariate_keys, lineage.offset) == ("A", None, [], None)


@pytest.mark.filterwarnings("ignore:The time range .* extends far beyond the cells")
@given(start=st.floats(-2, 0.2), end=st.floats(0.5, 3), n_points=st.integers(2, 50))
def test_the_grid_spans_exactly_the_given_range(make_adata, start, end, n_points):
    lineage = read_lineage(make_adata(), "A", time_range=(start, end), n_points=n_points)
    grid = lineage.grid(n_points)
    assert (grid[0], grid[-1], len(grid)) == (start, end, n_points)
    assert np.allclose(np.diff(grid), (end - start) / (n_points - 1))
    assert lineage.pseudotime.min() >= start
    assert lineage.pseudotime.max() <= end


def test_without_lineage_data_every_weight_is_one(make_adata):
    adata = make_adata()
    del adata.obsm["palantir_fate_probabilities"]
    lineage = read_lineage(adata)
    assert lineage.name is None
    assert np.all(lineage.weights == 1)
    assert len(lineage.cells) == adata.n_obs


def test_cells_with_equal_pseudotime_are_all_kept():
    times = np.repeat([0.0, 1.0, 2.0], 20)
    lineage = read_lineage(plain_adata(pseudotime=times))
    np.testing.assert_array_equal(lineage.pseudotime, times)
    assert lineage.expression.shape == (60, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_cells_without_finite_values_are_left_out_with_one_warning(make_adata, value):
    adata = make_adata(n_cells=60)
    adata.obs.iloc[[3, 8], adata.obs.columns.get_loc("palantir_pseudotime")] = value
    adata.obsm["palantir_fate_probabilities"].iloc[[8, 11], 0] = value
    with pytest.warns(LineageClustWarning) as warned:
        lineage = read_lineage(adata, "A", time_range=(0, 1))
    assert [str(one.message)[:29] for one in warned] == ["3 of 60 cells are excluded: t"]
    np.testing.assert_array_equal(lineage.cells, np.setdiff1d(np.arange(60), [3, 8, 11]))


def test_nothing_finite_is_an_error(make_adata):
    adata = make_adata()
    adata.obs["palantir_pseudotime"] = np.nan
    with pytest.raises(ValueError, match="infinite in every cell: no cells remain to fit lineage 'A'"):
        read_lineage(adata, "A")


def test_cells_without_weight_and_time_are_not_reported(make_adata, recwarn):
    adata = make_adata(n_cells=60)
    times, fates = adata.obs["palantir_pseudotime"].to_numpy().copy(), adata.obsm["palantir_fate_probabilities"]
    fates.iloc[:20, 0] = 0.0
    times[:20] = np.nan  # as slingshot leaves the cells of other lineages
    adata.obs["palantir_pseudotime"] = times
    read_lineage(adata, "A", time_range=(0, 1))
    assert not [str(one.message) for one in recwarn if "excluded" in str(one.message)]
    adata.obs["palantir_pseudotime"] = np.where(np.isnan(times), 0.5, np.nan)
    with pytest.raises(ValueError, match="Pseudotime is NaN or infinite in every cell of positive weight"):
        read_lineage(adata, "A", time_range=(0, 1))


def test_no_cell_in_the_range_is_an_error(make_adata):
    with pytest.raises(ValueError, match=r"No cell lies in the time range \[3, 4\]: pseudotime spans \[0, 1\]"):
        read_lineage(make_adata(), "A", time_range=(3, 4))


def test_cells_of_weight_zero_take_no_part(make_adata):
    adata = make_adata()
    adata.obsm["palantir_fate_probabilities"].iloc[:50, 0] = 0
    lineage = read_lineage(adata, "A", weight_threshold=0, time_range=(0, 1))
    np.testing.assert_array_equal(lineage.cells, np.arange(50, adata.n_obs))
    clipped = read_lineage(adata, "A", weight_threshold=(0.01, 0.001), time_range=(0, 1))
    assert np.all(clipped.weights[:50] == 0.001)
    adata.obsm["palantir_fate_probabilities"]["A"] = 0.0
    with pytest.raises(ValueError, match=r"No cell belongs to lineage 'A': the largest weight is 0"):
        read_lineage(adata, "A", weight_threshold=(0.01, 0), time_range=(0, 1))


def test_both_endpoint_rules_reach_the_cells(make_adata):
    adata = make_adata()
    times = adata.obs["palantir_pseudotime"].to_numpy()
    adata.obsm["palantir_fate_probabilities"]["A"] = np.interp(times, [0, 0.4, 0.8, 0.85, 1], [0.1, 1, 1, 0, 0])
    ends = {rule: read_lineage(adata, "A", endpoint=rule).end for rule in ("argmax", "plateau")}
    assert ends["argmax"] < 0.5 < 0.7 < ends["plateau"] < 0.85


@pytest.mark.parametrize("seed", range(3))
def test_one_hot_weights_are_read_to_their_end(seed):
    rng = np.random.default_rng(seed)
    adata = ad.AnnData(
        rng.random((2000, 3)), obs=pd.DataFrame({"pseudotime": rng.random(2000)}, index=map(str, range(2000)))
    )
    adata.obsm["lineages"] = np.eye(4)[rng.integers(0, 4, 2000)]
    for lineage in range(4):
        read = read_lineage(adata, lineage, lineage_key="lineages")
        assert read.start < 0.01
        assert read.end > 0.98


def test_reading_changes_nothing(make_adata):
    adata, before = make_adata(), make_adata()
    read_lineage(adata, "A", genes=GENES, covariates=["batch"], offset="size_factors", weight_threshold=(0.3, 0.2))
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    pd.testing.assert_frame_equal(adata.obsm["palantir_fate_probabilities"], before.obsm["palantir_fate_probabilities"])
    np.testing.assert_array_equal(dense(adata.X), dense(before.X))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=30), st.integers(2, 20))
def test_no_cell_is_lost_and_each_is_near_its_point(cells, n_points):
    times, weights = np.array(cells).T
    lineage = Lineage("A", times, weights, np.zeros((len(times), 0)), [], 0.0, 1.0, np.arange(len(times)))
    found, grid = lineage.cells_on_grid(n_points), lineage.grid(n_points)
    assert found.shape == (n_points,)
    assert found.sum() == pytest.approx(weights.sum())
    assert found @ grid == pytest.approx(weights @ times, abs=weights.sum() * (grid[1] - grid[0]) / 2 + 1e-9)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"layer": "count"}, UnknownNameError, "Layer 'count' is not in adata.layers.*'counts'. Did you mean 'counts'"),
        ({"layer": "counts", "use_raw": True}, ValueError, "are mutually exclusive"),
        (
            {"covariates": ["bach"]},
            UnknownNameError,
            "Covariate 'bach' is not in adata.obs, which has .*. Did you mean 'batch'",
        ),
        ({"offset": "dept"}, UnknownNameError, "offset 'dept' is not in adata.obs, which has .*. Did you mean 'depth'"),
        (
            {"offset": np.zeros(3)},
            ValueError,
            r"shape \(3,\), but adata has 200 cells.*a column of obs is split together with the cells",
        ),
        ({"offset": "batch"}, TypeError, r"The offset adata.obs\['batch'\] must be numeric; its dtype is category"),
    ],
)
def test_wrong_keys(make_adata, arguments, error, message):
    with pytest.raises(error, match=message):
        read_lineage(make_adata(), "A", **arguments)
