import copy
import pickle
from collections.abc import Mapping

import numpy as np
import pytest

from lineage_clust import GAM, TrendClusterer, UnknownNameError
from lineage_clust.trends.gene_trend import FailedTrend, GeneTrend
from lineage_clust.trends.lineage_fit import GeneTrends

from ..fits import QUICK


def fit(adata, **parameters):
    settings = {"lineage": "A", "clusterer": QUICK, "n_points": 30, "alpha": None, "random_state": 0}
    return TrendClusterer(**{**settings, **parameters}).fit(adata)


def with_holes(adata, **values):
    """The data with some genes overwritten in their first cell, and no expression of gene fall1 at all."""
    adata = adata.copy()
    matrix = adata.X.toarray()
    for gene, value in values.items():
        matrix[0, adata.var_names.get_loc(gene)] = value
    matrix[:, adata.var_names.get_loc("fall1")] = 0
    adata.X = matrix
    return adata


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata()


@pytest.fixture(scope="module")
def fitted(adata):
    return fit(adata)


def test_it_is_a_mapping_of_all_genes(fitted, adata):
    models = fitted.models_
    assert isinstance(models, Mapping)
    assert isinstance(models, GeneTrends)
    assert list(models) == list(adata.var_names)
    assert len(models) == 24
    assert "peak0" in models
    assert "Klf1" not in models
    with pytest.raises(KeyError, match="Klf1"):
        models["Klf1"]
    assert repr(models) == "GeneTrends[24 genes, lineages ['A']]"


def test_each_is_the_trend_that_was_fitted(fitted):
    for row, gene in enumerate(fitted.genes_):
        trend = fitted.models_[gene]["A"]
        assert isinstance(trend, GeneTrend)
        assert (trend.gene, trend.lineage) == (gene, "A")
        np.testing.assert_array_equal(trend.y_test, fitted.trends_[row])
        np.testing.assert_array_equal(trend.x_test, fitted.pseudotime_)
        half = (trend.conf_int[:, 1] - trend.conf_int[:, 0]) / 2
        np.testing.assert_allclose(half, 1.959964 * fitted.trend_se_[row], rtol=1e-6)
        np.testing.assert_allclose(trend.predict(trend.x_test), trend.y_test, rtol=1e-10)


def test_trends_are_built_when_asked_for(fitted):
    one, other = fitted.models_["peak0"]["A"], fitted.models_["peak0"]["A"]
    assert one is not other
    one.y_test = None  # nobody else's
    assert fitted.models_["peak0"]["A"].y_test is not None


def test_without_lineages_the_trajectory_has_no_name(adata):
    single = adata.copy()
    del single.obsm["palantir_fate_probabilities"]
    models = fit(single, lineage=None).models_
    assert set(models["peak0"]) == {""}
    assert models["rise0"][None].y_test.tolist() == models["rise0"][""].y_test.tolist()


def test_several_lineages(adata):
    models = fit(adata, lineage=["A", "B"]).models_
    assert set(models["peak0"]) == {"A", "B"}
    assert models["peak0"]["B"].lineage == "B"
    assert models["peak0"]["A"].x_test[-1] != models["peak0"]["B"].x_test[-1]


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_genes_that_failed_are_there_too(adata, family):
    if family == "poisson":
        adata = adata.copy()
        adata.X = adata.layers["counts"].copy()
    fitted = fit(with_holes(adata, peak0=np.nan, rise2=np.inf), model=GAM(family))
    failed = {"peak0", "rise2"} | ({"fall1"} if family == "poisson" else set())
    assert set(fitted.failed_) == failed
    assert {gene for gene, trends in fitted.models_.items() if not trends["A"]} == failed
    trend = fitted.models_["peak0"]["A"]
    assert isinstance(trend, FailedTrend)
    assert trend.stage == "fit"
    with pytest.raises(ValueError, match="'peak0' has no trend along 'A': it failed in fit: expression holds NaN"):
        trend.reraise()
    assert fitted.models_["peak1"]["A"]


def test_a_gene_can_fail_in_one_lineage_only(adata):
    def callback(trend, **keywords):
        if trend.lineage == "B" and trend.gene == "peak0":
            raise RuntimeError("not here")
        return trend.prepare(**keywords)

    trends = fit(adata, lineage=["A", "B"], callback=callback).models_["peak0"]
    assert trends["A"]
    assert not trends["B"]
    assert trends["B"].stage == "prepare"
    assert trends["B"].reason == "RuntimeError: not here"


# ---- without the cells, and with them


def test_trends_hold_no_cells(fitted):
    trend = fitted.models_["peak0"]["A"]
    for name in ("x", "y", "w", "x_all", "y_all", "w_all"):
        assert getattr(trend, name) is None
    with pytest.raises(ValueError, match="'peak0' has no cells"):
        trend.prepare()


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
@pytest.mark.filterwarnings("ignore:.*looks like counts")
@pytest.mark.first(1)
def test_their_size_does_not_depend_on_the_number_of_cells(make_adata, family):
    sizes = []
    for n_cells in (150, 1500):
        models = fit(make_adata(n_cells), layer="counts", model=GAM(family)).models_
        sizes.append([len(pickle.dumps(models)), len(pickle.dumps(models["peak0"]["A"]))])
    np.testing.assert_allclose(sizes[0], sizes[1], rtol=0.02)


def test_one_trend_is_small(fitted):
    assert len(pickle.dumps(fitted.models_["peak0"]["A"])) < 0.5 * len(pickle.dumps(fitted.models_))


def test_what_a_trend_without_cells_advises_can_be_followed(fitted, adata):
    with pytest.raises(ValueError, match=r"Get it from TrendClusterer.gene_trends\(adata\)"):
        fitted.models_["peak0"]["A"].prepare()
    trend = fitted.gene_trends(adata)["peak0"]["A"]
    own = GeneTrend("peak0", "A", trend.x_all, trend.y_all, trend.w_all)
    for one in (trend, own):
        one.prepare(time_range=(fitted.pseudotime_[0], fitted.pseudotime_[-1]), n_points=len(fitted.pseudotime_)).fit()
        np.testing.assert_allclose(one.y_test, fitted.models_["peak0"]["A"].y_test, rtol=1e-8)


def test_with_data_trends_hold_their_cells_and_can_be_fitted_again(fitted, adata):
    trend = fitted.gene_trends(adata)["peak0"]["A"]
    np.testing.assert_array_equal(trend.x_all, adata.obs["palantir_pseudotime"])
    np.testing.assert_array_equal(trend.y_all, adata[:, "peak0"].X.toarray().ravel())
    np.testing.assert_array_equal(trend.w_all, adata.obsm["palantir_fate_probabilities"]["A"])
    again = copy.deepcopy(trend).fit()
    np.testing.assert_allclose(again.y_test, trend.y_test, rtol=1e-8)
    shorter = trend.prepare(time_range=(0, 0.5)).fit()
    assert shorter.x_test[-1] == 0.5
    np.testing.assert_allclose(
        shorter.y_test[:20], np.interp(shorter.x_test, again.x_test, again.y_test)[:20], atol=0.2
    )


@pytest.mark.parametrize(
    ("settings", "term"),
    [
        ({"covariates": ["depth"]}, "covariates"),
        ({"offset": "depth"}, "an offset"),
        ({"sample_key": "donor"}, "donors"),
        ({"time_key": ["palantir_pseudotime", "later"]}, "draws of pseudotime"),
        ({"covariates": ["depth"], "offset": "depth"}, "covariates and an offset"),
    ],
)
def test_trends_of_more_than_their_cells_are_not_fitted_again_without_the_rest(settings, term, adata):
    rng = np.random.default_rng(0)
    adata = adata.copy()
    adata.obs["depth"], adata.obs["donor"] = rng.normal(size=adata.n_obs), rng.choice(list("abcde"), adata.n_obs)
    adata.obs["later"] = adata.obs["palantir_pseudotime"] ** 1.1
    trend = fit(adata, **settings).gene_trends(adata)["rise0"]["A"]
    values = trend.predict()
    with pytest.raises(ValueError, match=f"'rise0' was fitted with {term}, which a single trend does not contain"):
        trend.fit()
    assert (trend.predict() == values).all()
    with pytest.raises(ValueError, match="use TrendClusterer"):
        trend.prepare(time_range=0.8).fit()


def test_with_data_the_cells_are_those_that_were_fitted(adata):
    fitted = fit(adata, filter_cells=0.0, genes=["peak0", "fall0"])
    trend = fitted.gene_trends(adata)["peak0"]["A"]
    assert trend.x is not None
    assert trend.y.min() > 0
    again = copy.deepcopy(trend).fit()
    np.testing.assert_allclose(again.y_test, trend.y_test, rtol=1e-8)


def test_pickled(fitted):
    again = pickle.loads(pickle.dumps(fitted.models_))
    assert list(again) == list(fitted.models_)
    np.testing.assert_array_equal(again["peak0"]["A"].y_test, fitted.models_["peak0"]["A"].y_test)
    np.testing.assert_allclose(again["peak0"]["A"].predict([0.5]), fitted.models_["peak0"]["A"].predict([0.5]))


def test_written_and_read_again(fitted, tmp_path):
    trend = fitted.models_["peak0"]["A"]
    trend.write(tmp_path / "trend")
    again = GeneTrend.read(tmp_path / "trend")
    np.testing.assert_array_equal(again.y_test, trend.y_test)
    np.testing.assert_allclose(again.confidence_interval(level=0.5), trend.confidence_interval(level=0.5))


def test_a_lineage_that_was_not_fitted_is_named(fitted):
    for lineage in ("B", None):
        with pytest.raises(UnknownNameError, match=f"Lineage {lineage!r} was not fitted, only 'A'"):
            fitted.models_["rise0"][lineage]
