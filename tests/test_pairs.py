"""Every smoother with every model: a fit, or one sentence that names both and the reason."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer
from sklearn.svm import SVR

from lineage_clust import GAM, TrendClusterer
from lineage_clust.models import MgcvGAM, PyGAM
from lineage_clust.models.mgcv import session as mgcv_session
from lineage_clust.smoothers import BSplineSmoother, CubicSplineSmoother, CyclicSplineSmoother, GaussianProcessSmoother

from .fits import QUICK

SMOOTHERS = {
    "none": None,
    "uniform": BSplineSmoother(10),
    "quantile": BSplineSmoother(10, knots="quantile"),
    "cubic": CubicSplineSmoother(10),
    "cyclic": CyclicSplineSmoother(8),
    "gaussian process": GaussianProcessSmoother(0.3, n_landmarks=30),
    "spline transformer": SplineTransformer(),
    "polynomials": PolynomialFeatures(3),
    "passthrough": "passthrough",
}
FAMILIES = ["gaussian", "poisson", "negative_binomial", "gamma", "binomial", "inverse_gaussian"]
MODELS = {
    **{family: GAM(family) for family in FAMILIES},
    "fixed lambda": GAM(smoothing=0.3),
    "gcv": GAM(smoothing="gcv"),
    "poisson gcv": GAM("poisson", smoothing="gcv"),
    "expectile": GAM(expectile=0.8),
    "ridge": Ridge(1e-3),
    "knn": KNeighborsRegressor(9),
    "svr": SVR(),
    "pipeline": make_pipeline(SplineTransformer(), Ridge(1e-3)),
    "pygam": PyGAM(),
    "mgcv": MgcvGAM(),
}
GENES = ["fall0", "peak0", "rise0", "flat0"]


def needs_r():
    try:
        mgcv_session.session()
    except ImportError as error:
        pytest.skip(str(error))


def data_for(name, make_adata):
    """Expression that the family can have."""
    adata = make_adata(150)
    counts = adata.layers["counts"].toarray()
    if name == "binomial":
        return adata, (counts > 1).astype(float)
    if name in ("gamma", "inverse_gaussian"):
        return adata, counts + np.random.default_rng(0).uniform(0.5, 1.5, counts.shape)
    return adata, counts


@pytest.mark.slow
@pytest.mark.parametrize("smoother", SMOOTHERS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:.*looks like counts")
def test_it_fits_or_says_why_not(smoother, name, make_adata):
    model = MODELS[name]
    if name == "mgcv":
        needs_r()
    adata, adata.X = data_for(name, make_adata)
    clusterer = TrendClusterer(
        model, SMOOTHERS[smoother], genes=GENES, lineage="A", alpha=None, n_points=40, clusterer=QUICK
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "KNeighborsRegressor does not support sample weights")
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            clusterer.fit(adata)
        except (TypeError, ValueError) as error:
            sentence = str(error).lower()
            given = SMOOTHERS[smoother]
            assert type(model).__name__.lower() in sentence
            assert (given if isinstance(given, str) else type(given).__name__.lower()) in sentence
            assert "\n" not in sentence
            assert (smoother, name) in REFUSED
            return
    assert (smoother, name) not in REFUSED
    assert clusterer.failed_ == {}
    assert clusterer.genes_ == GENES
    assert np.isfinite(clusterer.trends_).all()
    if clusterer.trend_se_ is not None:
        assert np.isfinite(clusterer.trend_se_).all()
        assert np.all(clusterer.trend_se_ > 0)
    if name not in ("knn", "svr"):
        assert_trends_follow_the_genes(clusterer, flexible=smoother not in ("passthrough", "cyclic"))


def assert_trends_follow_the_genes(fitted, flexible):
    """What falls falls, what rises rises, and the peak is inside."""
    trends = dict(zip(fitted.genes_, fitted.trends_, strict=True))
    third = 40 // 3
    first, last = (lambda trend: trend[:third].mean()), (lambda trend: trend[-third:].mean())
    assert first(trends["fall0"]) > last(trends["fall0"])
    assert first(trends["rise0"]) < last(trends["rise0"])
    if flexible:
        middle = trends["peak0"][third:-third].max()
        assert middle > first(trends["peak0"])
        assert middle > last(trends["peak0"])


REFUSED = {(smoother, "pipeline") for smoother in SMOOTHERS if smoother not in ("none", "passthrough")}
REFUSED |= {(smoother, "pygam") for smoother in SMOOTHERS if smoother not in ("none", "uniform")}
REFUSED |= {(smoother, "mgcv") for smoother in SMOOTHERS if smoother not in ("none", "uniform", "quantile")}
