import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer
from sklearn.svm import SVR

from lineage_clust import GAM, BSplineSmoother, FailedTrend, GaussianProcessSmoother, GeneTrend


def some_cells(n=120, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, n)
    return x, np.sin(4 * x) + rng.normal(0, 0.1, n), rng.uniform(0.1, 1, n)


def some_trend(**components):
    return GeneTrend("Klf1", "Ery", *some_cells(), **components)


# ---- prepare


def test_prepare_takes_the_cells_inside_the_range():
    x, y, w = some_cells()
    trend = some_trend().prepare(time_range=(0.2, 0.7), n_points=50)
    inside = (x >= 0.2) & (x <= 0.7)
    for found, whole in ((trend.x, x), (trend.y, y), (trend.w, w)):
        np.testing.assert_array_equal(found, whole[inside])
    np.testing.assert_array_equal(trend.x_test, np.linspace(0.2, 0.7, 50))
    for found, whole in ((trend.x_all, x), (trend.y_all, y), (trend.w_all, w)):
        np.testing.assert_array_equal(found, whole)


def test_equal_weights_span_the_whole_range():
    x, y, _ = some_cells()
    trend = GeneTrend("Klf1", None, x, y).prepare()
    assert len(trend.x) == len(x)  # cells with equal pseudotime are kept too
    assert (trend.x_test[0], trend.x_test[-1]) == (x.min(), x.max())


@given(st.integers(2, 300))
def test_any_number_of_points(n_points):
    assert some_trend().prepare(n_points=n_points).x_test.shape == (n_points,)


def test_weights_below_the_threshold_are_set():
    trend = some_trend().prepare(time_range=(0, 1), weight_threshold=(0.5, 0.2))
    assert trend.w.min() == 0.2
    assert len(some_trend().prepare(time_range=(0, 1), weight_threshold=(0.5, 0)).w) == np.sum(trend.w_all >= 0.5)


def test_cells_without_expression_can_be_left_out():
    trend = some_trend().prepare(time_range=(0, 1), filter_cells=0.5)
    assert trend.y.min() > 0.5
    assert (trend.x_test[0], trend.x_test[-1]) == (0, 1)  # whichever cells are left
    with pytest.raises(ValueError, match="No cell remains in .* with filter_cells=99"):
        some_trend().prepare(filter_cells=99)


def test_cells_that_are_not_finite_are_left_out():
    x, y, w = some_cells()
    x[0], w[1] = np.nan, np.inf
    assert len(GeneTrend("Klf1", "Ery", x, y, w).prepare(time_range=(0, 1)).x) == 118
    with pytest.raises(ValueError, match="No cell has a finite pseudotime and weight"):
        GeneTrend("Klf1", "Ery", np.full(120, np.nan), y, w).prepare()


def test_what_else_a_callback_gets_is_ignored():
    some_trend().prepare(gene="Klf1", time_key="dpt", layer=None, backward=False)


def test_preparing_again_forgets_the_fit():
    trend = some_trend().prepare().fit().prepare(time_range=0.5)
    assert trend.y_test is None
    assert trend.conf_int is None
    with pytest.raises(ValueError, match="The trend of 'Klf1' is not fitted"):
        trend.predict()


def test_arrays_of_different_lengths():
    with pytest.raises(ValueError, match=r"one value per cell; their lengths are \[3, 4, 3\]"):
        GeneTrend("Klf1", "Ery", [0, 1, 2], [0, 1, 2, 3])


def test_lists_are_arrays():
    trend = GeneTrend("Klf1", "Ery", [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [1, 1, 1, 1, 1]).prepare(n_points=5).fit()
    np.testing.assert_allclose(trend.y_test, [0, 1, 2, 3, 4], atol=1e-6)


# ---- fit and predict


def test_the_trend_is_that_of_the_components_alone():
    x, y, w = some_cells()
    trend = some_trend().prepare(time_range=(0, 1)).fit()
    smoother = BSplineSmoother(domain=(0, 1)).fit(x[:, None])
    gam = GAM().fit(smoother.transform(x[:, None]), y, w, penalty=smoother.penalty_)
    rows = smoother.transform(trend.x_test[:, None])
    np.testing.assert_allclose(trend.y_test, gam.predict(rows), rtol=1e-9)
    np.testing.assert_allclose(trend.conf_int, np.column_stack(gam.confidence_interval(rows)), rtol=1e-9)
    np.testing.assert_allclose(trend.predict([0.3, 0.6]), gam.predict(smoother.transform([[0.3], [0.6]])), rtol=1e-9)
    assert trend.predict() is trend.y_test


def test_fitting_after_another_range_puts_the_knots_there():
    trend = some_trend().prepare(time_range=(0, 1)).fit()
    again = trend.prepare(time_range=(0.2, 0.6)).fit()
    np.testing.assert_allclose(again.y_test, some_trend().prepare(time_range=(0.2, 0.6)).fit().y_test, rtol=1e-9)


def test_a_domain_that_was_asked_for_is_kept():
    smoother = BSplineSmoother(domain=(-1, 2))
    one, other = (some_trend(smoother=s).prepare(time_range=(0, 1)).fit() for s in (smoother, None))
    assert np.abs(one.y_test - other.y_test).max() > 1e-6
    np.testing.assert_allclose(one.prepare(time_range=(0, 1)).fit().y_test, one.y_test)


def test_components_that_were_passed_do_not_change():
    smoother, model = BSplineSmoother(), GAM()
    some_trend(smoother=smoother, model=model).prepare().fit()
    assert smoother.domain is None
    assert not hasattr(smoother, "bases_")
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize(
    ("smoother", "model"),
    [
        (None, GAM("gaussian", smoothing=1.0)),
        (GaussianProcessSmoother(0.3), None),
        (SplineTransformer(), Ridge(1e-3)),
        (None, SVR(C=10)),
        ("passthrough", KNeighborsRegressor(9)),
        (None, make_pipeline(SplineTransformer(), Ridge(1e-3))),
    ],
)
@pytest.mark.filterwarnings("ignore:KNeighborsRegressor does not support sample weights")
def test_any_components(smoother, model):
    trend = some_trend(smoother=smoother, model=model).prepare(time_range=(0, 1)).fit()
    inner = slice(20, -20)
    np.testing.assert_allclose(trend.y_test[inner], np.sin(4 * trend.x_test[inner]), atol=0.2)
    assert (trend.conf_int is None) == (model is not None and not isinstance(model, GAM))


def test_intervals_widen_with_the_level():
    trend = some_trend().prepare().fit()
    widths = [np.ptp(trend.confidence_interval(level=level), axis=1) for level in (0.5, 0.95, 0.999)]
    assert np.all(np.diff(widths, axis=0) > 0)
    np.testing.assert_allclose(trend.confidence_interval(), trend.conf_int)
    assert trend.confidence_interval([0.1, 0.2], level=0.9).shape == (2, 2)
    with pytest.raises(ValueError, match="level must be between 0 and 1; got 95"):
        trend.confidence_interval(level=95)


def test_a_family_has_intervals_on_the_response_scale():
    x, _, w = some_cells()
    y = np.random.default_rng(0).poisson(np.exp(x))
    trend = GeneTrend("Klf1", "Ery", x, y, w, model=GAM("poisson")).prepare().fit()
    assert np.all((trend.conf_int[:, 0] > 0) & (trend.conf_int[:, 0] < trend.y_test))


def test_what_cannot_be_fitted_says_why():
    x, y, w = some_cells()
    with pytest.raises(ValueError, match=r"Call prepare\(\) on the trend of 'Klf1' before fit\(\)"):
        some_trend().fit()
    with pytest.raises(ValueError, match="'Klf1' cannot be fitted: expression holds NaN"):
        GeneTrend("Klf1", "Ery", x, y * np.nan, w).prepare().fit()
    with pytest.raises(ValueError, match="has no cells .* create one: GeneTrend"):
        GeneTrend("Klf1", "Ery").prepare()
    with pytest.raises(ValueError, match="have 2 distinct pseudotimes; BSplineSmoother needs at least 3"):
        GeneTrend("Klf1", "Ery", [0, 1, 0, 1], [1, 2, 3, 4]).prepare().fit()


# ---- as a table, a picture, a file


def test_as_a_table():
    table = some_trend().prepare(n_points=30).fit().to_frame()
    assert list(table) == ["gene", "lineage", "pseudotime", "trend", "lower", "upper"]
    assert table.shape == (30, 6)
    assert set(table["gene"]) == {"Klf1"}
    assert np.all(table["lower"] < table["upper"])
    without = some_trend(model=SVR()).prepare(n_points=30).fit().to_frame()
    assert without[["lower", "upper"]].isna().all(axis=None)
    pd.concat([table, without])


def test_as_a_picture():
    assert isinstance(some_trend().prepare().fit().plot(), Axes)
    with pytest.raises(ValueError, match="is not fitted"):
        some_trend().plot()


@pytest.mark.parametrize("way", ["file", "pickle"])
def test_written_and_read_again(way, tmp_path):
    trend = some_trend().prepare().fit()
    if way == "file":
        trend.write(tmp_path / "trend")
        again = GeneTrend.read(tmp_path / "trend")
    else:
        again = pickle.loads(pickle.dumps(trend))
    np.testing.assert_array_equal(again.y_test, trend.y_test)
    np.testing.assert_array_equal(again.x, trend.x)
    np.testing.assert_allclose(again.predict([0.5]), trend.predict([0.5]))
    np.testing.assert_allclose(again.confidence_interval(level=0.5), trend.confidence_interval(level=0.5))
    np.testing.assert_allclose(again.prepare(time_range=0.5).fit().y_test, trend.prepare(time_range=0.5).fit().y_test)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "other").write_bytes(pickle.dumps({"gene": "Klf1"}))
    with pytest.raises(ValueError, match="contains a dict, not a trend"):
        GeneTrend.read(tmp_path / "other")


def test_a_file_of_an_earlier_version_is_refused(tmp_path):
    trend = some_trend().prepare().fit()
    del trend._group  # which had several parts
    (tmp_path / "trend").write_bytes(pickle.dumps(trend))
    with pytest.raises(ValueError, match="written by an earlier version. Fit the trend again"):
        GeneTrend.read(tmp_path / "trend")


def test_its_name():
    trend = some_trend()
    states = [repr(trend), repr(trend.prepare()), repr(trend.fit())]
    assert states == [f"GeneTrend[gene='Klf1', lineage='Ery', {state}]" for state in ("empty", "prepared", "fitted")]


# ---- what failed


def test_a_failed_trend_is_false_and_raises_when_used(tmp_path):
    failed = FailedTrend("Klf1", "Ery", "fit", "no expression in any cell")
    assert not failed
    assert some_trend()  # the others are true
    message = "'Klf1' has no trend along 'Ery': it failed in fit: no expression in any cell"
    for use in (failed.reraise, lambda: failed.predict(), lambda: failed.y_test, lambda: failed.plot()):
        with pytest.raises(ValueError, match=message):
            use()
    assert (failed.gene, failed.stage, failed.reason) == ("Klf1", "fit", "no expression in any cell")
    assert "stage='fit'" in repr(failed)


def test_a_failed_trend_in_a_file(tmp_path):
    failed = FailedTrend("Klf1", "Ery", "fit", "no expression in any cell")
    failed.write(tmp_path / "failed")
    again = GeneTrend.read(tmp_path / "failed")
    assert not again
    assert repr(again) == repr(failed)
