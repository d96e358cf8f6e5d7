"""The result of a fit is one immutable object that all methods read."""

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import lineage_clust as lc
from lineage_clust.io import exports, gene_lists
from lineage_clust.plotting import views
from lineage_clust.results.result import FitResult, result_of
from lineage_clust.settings import FittedAttributes, FromResult

TREND_CLUSTERER = lc.TrendClusterer(clusterer=lc.GraphClusterer(resolution=0.5), n_points=30, random_state=0)


@pytest.fixture(scope="module")
def adata():
    return lc.datasets.simulate_lineage(200, 30, 3, n_lineages=1, random_state=1)


@pytest.fixture(scope="module")
def fitted(adata):
    return clone(TREND_CLUSTERER).fit(adata)


def test_a_result_cannot_be_changed(fitted):
    result = result_of(fitted)
    for field in fields(FitResult):
        with pytest.raises(FrozenInstanceError):
            setattr(result, field.name, None)


def test_attributes_of_the_estimator_are_those_of_its_result(fitted):
    public = {name: item for name, item in vars(FittedAttributes).items() if isinstance(item, FromResult)}
    assert len(public) > 20
    for name in public:
        assert getattr(fitted, name) is not None
        with pytest.raises(AttributeError):
            getattr(clone(fitted), name)
        with pytest.raises(AttributeError, match=f"{name} is a result of fit"):
            setattr(fitted, name, None)
    assert fitted.labels_ is result_of(fitted).labels
    assert fitted.models_ is fitted.models_


def test_functions_take_a_result_as_well(fitted):
    result = result_of(fitted)
    assert gene_lists.genes_by_cluster(result) == fitted.genes_by_cluster()
    exports.to_frame(result).equals(fitted.to_frame())
    drawn = views.plot_heatmap(result).images[0].get_array()
    np.testing.assert_array_equal(drawn, fitted.plot_heatmap().images[0].get_array())
    with pytest.raises(NotFittedError):
        result_of(lc.TrendClusterer())


def test_parameters_that_are_set_after_a_fit_wait_for_the_next(adata, fitted):
    changed = clone(TREND_CLUSTERER).fit(adata)
    changed.set_params(scale=None, alpha=1e-9, n_points=7, smoother__n_splines=5, lineage_key="nowhere")
    for ours, theirs in zip(changed.predict(adata, None, True), fitted.predict(adata, None, True), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(changed.transform(adata), fitted.transform(adata))
    assert changed.score(adata) == fitted.score(adata)


def test_a_fit_that_fails_leaves_the_result_before(adata):
    tc = clone(TREND_CLUSTERER).fit(adata)
    before = tc._result
    with pytest.raises(lc.UnknownNameError):
        tc.fit(adata, genes=["no such gene"])
    assert tc._result is before


def test_another_level_is_another_result(fitted):
    coarse = fitted.cut(n_clusters=2)
    assert coarse.n_clusters_ == len(coarse.cluster_centers_) == 2
    assert fitted.n_clusters_ > 2
    assert coarse._result.trends is fitted._result.trends
