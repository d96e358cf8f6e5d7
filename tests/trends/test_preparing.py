"""Selection of cells per gene: filters and callbacks (the cases of CellRank's `TestCreateCallbacks`)."""

import numpy as np
import pytest
from scipy import sparse

from lineage_clust import GeneTrend, NoTrendError, TrendClusterer, UnknownNameError
from lineage_clust.trends.preparing import column_values, prepared_lineages
from tests.fits import read_lineage

from ..fits import QUICK

GENES = ["fall0", "peak0", "rise0", "flat0", "peak1"]


def fit(adata, **parameters):
    defaults = {"clusterer": QUICK, "genes": GENES, "lineage": "A", "alpha": None, "n_points": 30, "random_state": 0}
    return TrendClusterer(**{**defaults, **parameters}).fit(adata)


def plainly(trend, **keywords):
    return trend.prepare(**keywords)


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata()


@pytest.fixture(scope="module")
def fitted(adata):
    return fit(adata)


def assert_same_trends(one, other, genes=GENES):
    rows = [[fit.genes_.index(gene) for gene in genes] for fit in (one, other)]
    np.testing.assert_allclose(one.trends_[rows[0]], other.trends_[rows[1]], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.trend_se_[rows[0]], other.trend_se_[rows[1]], rtol=1e-7, atol=1e-12)


# ---- callbacks that do what they should


@pytest.mark.parametrize(
    "callback", [plainly, {"*": plainly}, {"*": {"*": plainly}}, {"*": {"A": plainly}}, {"*": None}]
)
@pytest.mark.first(2)
def test_preparing_plainly_changes_nothing(adata, fitted, callback):
    assert_same_trends(fit(adata, callback=callback), fitted)


@pytest.mark.filterwarnings("ignore:.*looks like counts")
def test_a_callback_gets_the_trend_and_all_that_was_asked_for(adata):
    calls = []

    def callback(trend, **keywords):
        calls.append((trend, keywords))
        return trend.prepare(**keywords)

    fit(
        adata, callback=callback, filter_cells=-1.0, time_range=(0, 0.9), time_key="palantir_pseudotime", layer="counts"
    )
    assert [keywords["gene"] for _, keywords in calls] == GENES
    trend, keywords = calls[1]
    assert isinstance(trend, GeneTrend)
    expected = {
        "gene": "peak0", "lineage": "A", "time_range": (0, 0.9), "n_points": 30, "filter_cells": -1.0,
        "time_key": "palantir_pseudotime", "layer": "counts", "use_raw": False, "backward": False,
        "weight_threshold": (0.01, 0.0), "endpoint": "plateau", "endpoint_threshold": None,
    }  # fmt: skip
    assert keywords == expected
    np.testing.assert_array_equal(trend.x_all, adata.obs["palantir_pseudotime"])
    np.testing.assert_array_equal(trend.y_all, adata[:, "peak0"].layers["counts"].toarray().ravel())
    np.testing.assert_array_equal(trend.w_all, adata.obsm["palantir_fate_probabilities"]["A"])


def test_a_callback_may_choose_the_cells(adata, fitted):
    def callback(trend, **keywords):
        trend = trend.prepare(**keywords)
        kept = np.arange(len(trend.x)) % 2 == 0
        trend.x, trend.y, trend.w = trend.x[kept], trend.y[kept], trend.w[kept]
        return trend

    half = fit(adata, callback={"peak0": callback, "*": None})
    assert_same_trends(half, fitted, [gene for gene in GENES if gene != "peak0"])
    row = half.genes_.index("peak0")
    assert np.abs(half.trends_[row] - fitted.trends_[row]).max() > 1e-3
    assert half.trend_se_[row].mean() > fitted.trend_se_[row].mean()
    inside = read_lineage(adata, "A", genes=["peak0"]).cells[::2]
    span = (half.pseudotime_[0], half.pseudotime_[-1])
    alone = fit(adata[np.isin(np.arange(200), inside)], genes=["peak0"], time_range=span)
    np.testing.assert_allclose(half.trends_[row], alone.trends_[0], rtol=1e-8)


def test_a_callback_may_change_values_and_weights(adata):
    def callback(trend, **keywords):
        trend = trend.prepare(**keywords)
        trend.y, trend.w = trend.y * 10, np.ones_like(trend.w)
        return trend

    changed = fit(adata, callback=callback)
    single = adata.copy()
    single.X = single.X * 10
    single.obs["one"] = 1.0
    span = (changed.pseudotime_[0], changed.pseudotime_[-1])
    expected = fit(single, lineage=None, lineage_key="one", time_range=span)
    np.testing.assert_allclose(changed.trends_, expected.trends_, rtol=1e-8)


def test_callbacks_by_gene_and_lineage(adata):
    seen = []

    def noting(name):
        def callback(trend, **keywords):
            seen.append((name, trend.gene, trend.lineage))
            return trend.prepare(**keywords)

        return callback

    spec = {"peak0": {"A": noting("peak A"), "*": noting("peak")}, "*": {"B": noting("B"), "*": noting("all")}}
    before = {gene: dict(by_lineage) for gene, by_lineage in spec.items()}
    fit(adata, genes=["peak0", "fall0"], lineage=["A", "B"], callback=spec)
    expected = [("peak A", "peak0", "A"), ("all", "fall0", "A"), ("peak", "peak0", "B"), ("B", "fall0", "B")]
    assert seen == expected
    assert spec == before


def test_genes_with_the_same_cells_are_fitted_together(adata):
    lineage = read_lineage(adata, "A", genes=GENES)
    [together], failed = prepared_lineages(lineage, 30, plainly, None, {})
    assert failed == {}
    assert together.genes == GENES
    np.testing.assert_array_equal(together.expression, lineage.expression.toarray())


# ---- callbacks that do not


def raising(trend, **keywords):
    raise RuntimeError("no such thing")


def nothing(trend, **keywords):
    trend.prepare(**keywords)


def unprepared(trend, **keywords):
    return trend


def without_keywords(trend):
    return trend.prepare()


def another_gene(trend, **keywords):
    return GeneTrend("fall1", "A", trend.x_all, trend.y_all, trend.w_all).prepare(**keywords)


def another_grid(trend, **keywords):
    return trend.prepare(**{**keywords, "time_range": (0, 0.5)})


def more_points(trend, **keywords):
    return trend.prepare(**{**keywords, "n_points": 31})


def too_few_values(trend, **keywords):
    trend = trend.prepare(**keywords)
    trend.y = trend.y[:-1]
    return trend


def no_cells(trend, **keywords):
    return trend.prepare(**{**keywords, "filter_cells": 99})


BAD = {
    raising: "RuntimeError: no such thing",
    nothing: "TypeError: the callback must return the prepared trend; it returned NoneType",
    unprepared: "ValueError: the callback returned a trend that is not prepared: call trend.prepare",
    another_gene: r"ValueError: the callback returned the trend of another gene \('fall1'\)",
    another_grid: "ValueError: the callback changed the grid; all genes of a lineage share one",
    more_points: "ValueError: the callback changed the grid",
    too_few_values: "ValueError: x, y and w must have one value per cell; they have",
    no_cells: r"ValueError: No cell remains in \[.*\] with filter_cells=99",
    without_keywords: "TypeError: .* unexpected keyword argument",
}


@pytest.mark.parametrize(("callback", "reason"), BAD.items(), ids=[callback.__name__ for callback in BAD])
@pytest.mark.first(3)
def test_a_bad_callback_costs_its_gene_only(adata, fitted, callback, reason):
    found = fit(adata, callback={"peak0": callback, "*": plainly})
    others = [gene for gene in GENES if gene != "peak0"]
    assert found.genes_ == others
    assert list(found.failed_) == ["peak0"]
    trend = found.models_["peak0"]["A"]
    assert trend.stage == "prepare"
    with pytest.raises(ValueError, match=reason):
        trend.reraise()
    assert_same_trends(found, fitted, others)


def test_a_bad_callback_for_all_genes_is_an_error(adata):
    message = "None of the 5 genes could be fitted; 5 of them because: prepare: RuntimeError: no such thing"
    with pytest.raises(NoTrendError, match=message):
        fit(adata, callback=raising)


@pytest.mark.parametrize("callback", ["prepare", 3, {"peak0": "prepare", "*": plainly}, {"*": {"A": 3}}])
def test_what_is_not_callable(adata, callback):
    with pytest.raises(TypeError, match="callback must be a function or a mapping of functions; got ('prepare'|3)"):
        fit(adata, callback=callback)


@pytest.mark.parametrize(
    ("callback", "error", "message"),
    [
        ({}, ValueError, "The mapping of callbacks is empty"),
        ({"peak0": plainly}, UnknownNameError, "No callback is given for 1 of 1 gene "),
    ],
)
def test_mappings_without_any_of_the_genes(adata, callback, error, message):
    with pytest.raises(error, match=message):
        fit(adata, callback=callback, genes=["fall0"])


@pytest.mark.parametrize(
    "callback", [{"peak0": {"A": raising}}, {"peak0": raising}, {"peak0": {"B": plainly, "A": raising}}]
)
def test_other_genes_are_prepared_as_usual(adata, fitted, callback):
    found = fit(adata, callback=callback)
    assert list(found.failed_) == ["peak0"]
    others = [gene for gene in found.genes_ if gene != "peak0"]
    assert_same_trends(found, fitted, others)


def test_genes_that_were_not_fitted_are_prepared_as_usual(adata):
    others = ["rise0", "flat0"]
    found = fit(adata, callback={"peak0": plainly}, genes=["peak0", "fall0", "fall1"])
    expected = fit(adata, genes=["peak0", "fall0", "fall1"]).trends_for(adata, others)
    np.testing.assert_allclose(found.trends_for(adata, others).values, expected.values)
    assert found.predict(adata, others).shape == (2,)


def test_the_only_gene_with_a_callback_may_fail(adata):
    found = fit(adata, callback={"peak0": raising})
    assert np.isfinite(found.score(adata))
    assert len(found.predict(adata)) == len(found.genes_)


def without_zeros(trend, **keywords):
    return trend.prepare(**{**keywords, "filter_cells": 0.0})


@pytest.mark.parametrize("callback", [without_zeros, {"peak0": without_zeros}])
def test_trends_with_cells_hold_those_that_the_callback_chose(adata, callback):
    found = fit(adata, callback=callback)
    trend = found.gene_trends(adata)["peak0"]["A"]
    assert trend.y.min() > 0
    assert len(trend.y) < len(trend.y_all)
    values = trend.predict()
    np.testing.assert_allclose(trend.fit().predict(), values)
    if isinstance(callback, dict):
        assert found.gene_trends(adata)["fall0"]["A"].y.min() == 0


def test_other_lineages_are_prepared_as_usual(adata, fitted):
    found = fit(adata, callback={"*": {"B": raising}})
    assert_same_trends(found, fitted, found.genes_)


@pytest.mark.parametrize("more", [{"covariates": ["batch"]}, {"offset": "depth"}])
def test_callbacks_do_not_go_with_covariates_or_offset(adata, more):
    with pytest.raises(ValueError, match="cannot be combined with covariates or offset"):
        fit(adata, callback=plainly, **more)


# ---- filter_cells


def test_cells_without_expression_are_left_out_for_that_gene(adata, fitted):
    found = fit(adata, filter_cells=0.0)
    for gene in ("peak0", "rise0"):
        expressing = adata[adata[:, gene].X.toarray().ravel() > 0]
        alone = fit(expressing, genes=[gene], time_range=(fitted.pseudotime_[0], fitted.pseudotime_[-1]))
        np.testing.assert_allclose(found.trends_[found.genes_.index(gene)], alone.trends_[0], rtol=1e-8)


def test_covariates_and_offset_follow_the_cells_that_are_left(adata):
    lineage = read_lineage(adata, "A", genes=GENES, covariates=["depth"], offset="depth")
    groups, _ = prepared_lineages(lineage, 30, None, 0.0, {})
    assert [own.genes for own in groups] == [[gene] for gene in GENES]
    for gene, own in enumerate(groups):
        kept = lineage.expression[:, [gene]].toarray().ravel() > 0
        np.testing.assert_array_equal(own.pseudotime, lineage.pseudotime[kept])
        np.testing.assert_array_equal(own.weights, lineage.weights[kept])
        np.testing.assert_array_equal(own.covariates, lineage.covariates[kept])
        np.testing.assert_array_equal(own.offset, lineage.offset[kept])
        np.testing.assert_array_equal(own.expression, lineage.expression[:, [gene]].toarray()[kept])


def test_a_filter_that_no_cell_passes_changes_nothing(adata, fitted):
    assert_same_trends(fit(adata, filter_cells=-1.0), fitted)


@pytest.mark.parametrize(("n_left", "reason"), [(0, "no cell has expression above"), (2, "distinct pseudotime")])
def test_a_gene_with_too_few_cells_left_fails_alone(adata, n_left, reason):
    few = adata.copy()
    values = few.X.toarray()
    column = few.var_names.get_loc("peak0")
    values[:, column] = 0
    values[20 : 20 + n_left, column] = 1
    few.X = values
    found = fit(few, filter_cells=0.0)
    assert list(found.failed_) == ["peak0"]
    assert reason in found.failed_["peak0"]


def test_a_gene_with_nan_keeps_its_reason(adata):
    broken = adata.copy()
    values = broken.X.toarray()
    values[20, broken.var_names.get_loc("peak0")] = np.nan
    broken.X = values
    assert fit(broken, filter_cells=0.0).failed_ == {"peak0": "expression holds NaN or infinite values"}


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_column_values(storage):
    values = np.array([[1, 0], [0, 3]])
    found = column_values(storage(values), 1)
    assert found.dtype == float
    assert found.tolist() == [0, 3]
