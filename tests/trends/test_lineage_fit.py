import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import SplineTransformer
from sklearn.svm import SVR

from lineage_clust import GAM, BSplineSmoother, CubicSplineSmoother, CyclicSplineSmoother, NoTrendError
from lineage_clust.models import RegressorModel
from lineage_clust.trends import lineage_fit
from lineage_clust.trends.group_fit import check_distinct_times, fit_group
from lineage_clust.trends.lineage_fit import TrendFitter
from tests.fits import read_lineage

from ..fits import lineage_of

GENES = ["fall0", "peak0", "rise0", "flat0", "peak1"]


@pytest.fixture(scope="module")
def lineage(make_adata):
    return read_lineage(make_adata(), "A", genes=GENES)


def fit_trends(lineage, smoother, model, n_points):
    return TrendFitter(smoother, model, n_points).fit(lineage)


def alone(lineage, gene, model=None, smoother=None):
    """The trend of one gene by the components themselves."""
    smoother = (smoother or BSplineSmoother()).set_params(domain=(lineage.start, lineage.end))
    smoother.fit(lineage.pseudotime[:, None])
    y = lineage.expression[:, [GENES.index(gene)]].toarray()
    gam = (model or GAM()).fit(
        smoother.transform(lineage.pseudotime[:, None]), y, lineage.weights, penalty=smoother.penalty_
    )
    return gam.predict(smoother.transform(lineage.grid(30)[:, None])).ravel()


# ---- one model for all


def test_all_genes_are_fitted_together(lineage):
    fit = fit_trends(lineage, BSplineSmoother(), GAM(), 30)
    assert len(fit.groups) == 1
    assert fit.model is fit.groups[0].model
    assert fit.smoother is fit.groups[0].smoother
    assert fit.trends.genes == GENES
    assert fit.trends.failed == {}
    np.testing.assert_array_equal(fit.trends.grid, lineage.grid(30))
    for row, gene in enumerate(GENES):
        np.testing.assert_allclose(fit.trends.values[row], alone(lineage, gene), rtol=1e-8)
    table = fit.trends.table
    assert list(table.index) == GENES
    for column, attribute in (("edf", "edf_"), ("pvalue", "pvalue_"), ("lambda", "lambda_"), ("note", "note_")):
        assert list(table[column]) == list(getattr(fit.model, attribute))


def test_knots_and_grid_span_the_range_unless_a_domain_was_asked_for(lineage):
    assert fit_trends(lineage, BSplineSmoother(), GAM(), 30).smoother.domain == (lineage.start, lineage.end)
    assert fit_trends(lineage, BSplineSmoother(domain=(-1, 2)), GAM(), 30).smoother.domain == (-1, 2)


def test_components_that_were_passed_do_not_change(lineage):
    smoother, model = BSplineSmoother(), GAM()
    fit_trends(lineage, smoother, model, 30)
    assert smoother.domain is None
    assert not hasattr(smoother, "bases_")
    assert not hasattr(model, "coef_")


def test_a_progress_bar_counts_groups(lineage, monkeypatch):
    seen = []
    monkeypatch.setattr(
        lineage_fit, "bar", lambda groups, *_, **__: [*groups, seen.extend(part.genes for part in groups)][:-1]
    )
    fit_trends(lineage, BSplineSmoother(), {"peak0": GAM(smoothing=1.0), "*": GAM()}, 30)
    assert seen == [[gene for gene in lineage.genes if gene != "peak0"], ["peak0"]]


# ---- models by gene


def test_genes_with_the_same_model_are_fitted_together(lineage):
    common, special = GAM(), GAM(smoothing=100.0)
    fit = fit_trends(lineage, BSplineSmoother(), {"peak0": special, "flat0": {"A": special}, "*": common}, 30)
    assert [group.genes for group in fit.groups] == [["fall0", "rise0", "peak1"], ["peak0", "flat0"]]
    assert fit.trends.genes == GENES  # in the order of the lineage all the same
    for row, gene in enumerate(GENES):
        model = GAM(smoothing=100.0) if gene in ("peak0", "flat0") else GAM()
        np.testing.assert_allclose(fit.trends.values[row], alone(lineage, gene, model), rtol=1e-7)
    assert set(fit.model) == set(GENES)
    assert fit.model["peak0"] is fit.model["flat0"]
    assert fit.smoother["peak0"] is fit.smoother["flat0"]


@pytest.mark.filterwarnings("ignore:KNeighborsRegressor does not support sample weights")
def test_models_with_and_without_errors_may_be_mixed(lineage):
    fit = fit_trends(lineage, BSplineSmoother(), {"peak0": KNeighborsRegressor(), "*": GAM()}, 30)
    row = GENES.index("peak0")
    assert np.isfinite(fit.trends.values).all()
    assert fit.trends.se is None or np.isnan(fit.trends.se[row]).all()
    assert np.isnan(fit.trends.table.loc["peak0", "pvalue"])
    assert fit.trends.table.loc["peak0", "note"] == "fitted without weights"


# ---- failures


class Refusing(RegressorMixin, BaseEstimator):
    """A model of many genes of its own, which fails at one stage or another."""

    reads = "design"

    def __init__(self, stage="fit"):
        self.stage = stage

    def fit(self, X, y, sample_weight=None):
        if self.stage == "fit":
            raise RuntimeError("no licence")
        self.failed_, self.n_genes_ = {}, y.shape[1]
        return self

    def predict(self, X, return_std=False):
        if self.stage == "predict":
            raise RuntimeError("no forecast")
        return np.full((X.shape[0], self.n_genes_), np.nan), None


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        ("fit", "fit: RuntimeError: no licence"),
        ("predict", "predict: RuntimeError: no forecast"),
        ("nan", "predict: the prediction is not finite"),
    ],
)
def test_a_model_that_fails_costs_its_genes_only(lineage, stage, reason):
    fit = fit_trends(lineage, BSplineSmoother(), {"peak0": Refusing(stage), "*": GAM()}, 30)
    assert fit.trends.genes == [gene for gene in GENES if gene != "peak0"]
    assert fit.trends.failed == {"peak0": reason}
    for row, gene in enumerate(fit.trends.genes):
        np.testing.assert_allclose(fit.trends.values[row], alone(lineage, gene), rtol=1e-8)
    assert fit.trends.se is not None


def test_what_concerns_every_gene_is_raised_as_it_is(lineage):
    with pytest.raises(RuntimeError, match="no licence"):
        fit_trends(lineage, BSplineSmoother(), Refusing(), 30)
    with pytest.raises(ValueError, match="smoothing must be 'reml', 'gcv' or a non-negative number"):
        fit_trends(lineage, BSplineSmoother(), GAM(smoothing="aic"), 30)


def test_when_every_gene_fails_the_most_frequent_reason_is_given(lineage):
    with pytest.raises(NoTrendError, match="5 of them because: predict: the prediction is not finite"):
        fit_trends(lineage, BSplineSmoother(), Refusing("nan"), 30)
    models = {"peak0": Refusing("nan"), "*": Refusing("fit")}
    with pytest.raises(NoTrendError, match="4 of them because: fit: RuntimeError: no licence"):
        fit_trends(lineage, BSplineSmoother(), models, 30)


# ---- covariates, and models and smoothers of others


@pytest.mark.parametrize("model", [GAM(), GAM("poisson"), LinearRegression()], ids=["gam", "poisson", "sklearn"])
@pytest.mark.parametrize("smoother", [BSplineSmoother(6), SplineTransformer(4), "passthrough"], ids=str)
@pytest.mark.first(2)
def test_covariates_are_columns_after_the_smoother_s(make_adata, model, smoother):
    adata = make_adata()
    lineage = read_lineage(adata, "A", genes=GENES, covariates=["batch", "depth"], layer="counts")
    fit = fit_trends(lineage, smoother, model, 30)
    group = fit.groups[0]
    assert group.n_covariates == 2
    assert np.isfinite(fit.trends.values).all()
    without = fit_trends(read_lineage(adata, "A", genes=GENES, layer="counts"), smoother, model, 30)
    np.testing.assert_allclose(fit.trends.values, without.trends.values, atol=0.5)  # noise covariates: nearly the same
    assert not np.allclose(fit.trends.values, without.trends.values, atol=1e-6)


def test_trends_are_at_the_weighted_average_of_the_covariates(make_adata):
    adata = make_adata()
    adata.obs["batch"] = np.arange(200) % 2 * 10.0 + 3
    adata.X = adata.X.toarray() + 0.7 * adata.obs["batch"].to_numpy()[:, None]
    lineage = read_lineage(adata, "A", genes=GENES, covariates=["batch"])
    fit = fit_trends(lineage, BSplineSmoother(), GAM(), 30)
    cleaned = read_lineage(make_adata(), "A", genes=GENES)
    average = np.average(adata.obs["batch"].iloc[lineage.cells], weights=lineage.weights)
    expected = fit_trends(cleaned, BSplineSmoother(), GAM(), 30).trends.values + 0.7 * average
    np.testing.assert_allclose(fit.trends.values, expected, atol=0.1)


def test_regressors_do_not_depend_on_the_order_of_the_cells(make_adata):
    adata = make_adata()
    order = np.random.default_rng(0).permutation(200)
    one, other = (
        fit_trends(read_lineage(data, "A", genes=GENES), BSplineSmoother(), SVR(), 30).trends.values
        for data in (adata, adata[order])
    )
    np.testing.assert_array_equal(one, other)


def test_one_group_by_itself():
    x = np.linspace(0, 1, 50)
    Y = np.column_stack([x, np.full(50, np.nan), 1 - x])
    grid = np.linspace(0, 1, 11)
    group = fit_group(lineage_of(x, np.ones(50), Y, ["a", "b", "c"]), grid, BSplineSmoother(), GAM())
    np.testing.assert_allclose(group.values[[0, 2]], [grid, 1 - grid], atol=1e-6)
    assert group.failed == {1: "expression holds NaN or infinite values"}
    assert group.se.shape == (3, 11)
    assert list(group.table.index) == ["a", "b", "c"]
    smoother, model = group.asked
    assert smoother.domain is None
    assert not hasattr(model, "coef_")


# ---- enough distinct times


@pytest.mark.parametrize(
    ("smoother", "needed"),
    [
        (BSplineSmoother(), 3),
        (BSplineSmoother(penalty_order=1), 2),
        (CubicSplineSmoother(), 3),
        (CyclicSplineSmoother(), 2),
        (SplineTransformer(), 2),
        ("passthrough", 2),
    ],
)
def test_there_must_be_enough_distinct_times(smoother, needed):
    grid, name = np.linspace(0, 1, 5), smoother if isinstance(smoother, str) else type(smoother).__name__
    check_distinct_times(np.repeat(np.linspace(0, 1, needed), 9), smoother, grid)
    message = rf"cells of lineage 'Ery' in \[0, 1\] have {needed - 1} distinct .*; {name} needs at least {needed}"
    with pytest.raises(ValueError, match=message):
        check_distinct_times(np.repeat(np.linspace(0, 1, needed - 1), 9), smoother, grid, "Ery")


@pytest.mark.parametrize("model", [GAM(), GAM("poisson"), RegressorModel(Ridge())], ids=["gam", "poisson", "ridge"])
def test_the_least_number_of_times_is_enough(model):
    x = np.repeat([0.0, 0.5, 1.0], 20)
    Y = np.random.default_rng(0).poisson(3 + 2 * x[:, None], (60, 2)).astype(float)
    group = fit_group(lineage_of(x, np.ones(60), Y, ["a", "b"]), np.linspace(0, 1, 9), BSplineSmoother(), model)
    assert group.failed == {}
    assert np.isfinite(group.values).all()
    assert np.all((group.values > 0) & (group.values < 12))
