import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from lineage_clust import GAM, GraphClusterer, TrendClusterer
from lineage_clust.contracts.slots import component_for, with_defaults
from lineage_clust.lineage.lineage import Reader
from lineage_clust.models import PyGAM, RegressorModel
from lineage_clust.results.making import DEFAULTS
from lineage_clust.smoothers import BSplineSmoother, CubicSplineSmoother, GaussianProcessSmoother
from lineage_clust.trends.pairing import (
    PASSTHROUGH,
    adapt,
    are_of_counts,
    model_of,
    resolve_pair,
    smoother_for,
    smoother_of,
)

from ..fits import QUICK

RESOLVE = {
    "smoother": smoother_of,
    "model": model_of,
    "clusterer": lambda component: component_for("clusterer", component, GraphClusterer),
}
PIPELINE = make_pipeline(SplineTransformer(), Ridge())


# ---- one slot


@pytest.mark.parametrize(
    ("slot", "default"), [("smoother", BSplineSmoother), ("model", GAM), ("clusterer", GraphClusterer)]
)
def test_none_is_the_default(slot, default):
    assert DEFAULTS[slot] is default
    assert type(RESOLVE[slot](None)) is default
    assert RESOLVE[slot](None) is not RESOLVE[slot](None)


@pytest.mark.parametrize(
    ("slot", "component"),
    [("smoother", SplineTransformer(7)), ("model", Ridge(3.0)), ("model", GAM("poisson")), ("clusterer", KMeans(4))],
)
def test_a_component_is_cloned(slot, component):
    found = RESOLVE[slot](component)
    assert found is not component
    assert found.get_params() == component.get_params()


def test_passthrough_is_a_smoother():
    assert smoother_of("passthrough") == PASSTHROUGH


@pytest.mark.parametrize(
    ("slot", "component", "message"),
    [
        ("smoother", BSplineSmoother, r"smoother must be an instance; got the class .* Use BSplineSmoother\(\)"),
        ("model", Ridge, r"model must be an instance; got the class Ridge. Use Ridge\(\)"),
        ("clusterer", KMeans, "clusterer must be an instance; got the class KMeans"),
        ("smoother", "spline", "smoother must be a transformer, None or 'passthrough'; got 'spline'"),
        ("smoother", Ridge(), "Ridge has no transform. The default is BSplineSmoother"),
        ("model", StandardScaler(), "must have fit and predict; StandardScaler has no predict. The default is GAM"),
        ("model", "gam", "model must have fit and predict; str has no fit or predict"),
        ("model", 3, "model must have fit and predict; int has no fit or predict"),
        ("clusterer", np.zeros(3), "clusterer must have fit; ndarray has no fit"),
        ("clusterer", "leiden", r"clusterer must have fit; str has no fit. The default is GraphClusterer\(\)"),
    ],
)
def test_what_does_not_fit_its_slot(slot, component, message):
    with pytest.raises(TypeError, match=message):
        RESOLVE[slot](component)


# ---- smoother and model


@pytest.mark.parametrize(
    ("smoother", "model", "types"),
    [
        (None, None, (BSplineSmoother, GAM)),
        (CubicSplineSmoother(), GAM("gamma"), (CubicSplineSmoother, GAM)),
        (SplineTransformer(), Ridge(), (SplineTransformer, Ridge)),
        (None, Ridge(), (BSplineSmoother, Ridge)),
        ("passthrough", KNeighborsRegressor(), (str, KNeighborsRegressor)),
        (None, PIPELINE, (str, type(PIPELINE))),
        ("passthrough", PIPELINE, (str, type(PIPELINE))),
        (None, PyGAM(), (BSplineSmoother, PyGAM)),
        (BSplineSmoother(8), PyGAM(), (BSplineSmoother, PyGAM)),
    ],
)
def test_pairs_that_go_together(smoother, model, types):
    assert tuple(map(type, resolve_pair(smoother, model))) == types


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"smoother": BSplineSmoother(), "model": PIPELINE},
            r"A Pipeline as model receives pseudotime .* got smoother=BSplineSmoother as well. Leave smoother out",
        ),
        (
            {"smoother": GaussianProcessSmoother(), "model": PyGAM()},
            r"PyGAM needs a BSplineSmoother; got GaussianProcessSmoother. Use GAM\(...\) with it, or pass "
            r"smoother=BSplineSmoother\(\)",
        ),
        ({"smoother": "passthrough", "model": PyGAM()}, "PyGAM needs a BSplineSmoother; got 'passthrough'"),
        (
            {"smoother": None, "model": PyGAM(), "covariates": ["batch"]},
            r"PyGAM reads pseudotime and does not support covariates. Use GAM\(...\) with covariates",
        ),
        (
            {"smoother": None, "model": Ridge(), "offset": "depth"},
            r"Ridge does not support an offset. Use GAM\(...\) with offset",
        ),
        (
            {"smoother": None, "model": RegressorModel(Ridge()), "offset": "depth"},
            "RegressorModel does not support an offset",
        ),
        ({"smoother": None, "model": PIPELINE, "offset": "depth"}, "Pipeline does not support an offset"),
        # every model of a mapping is looked at
        (
            {"smoother": None, "model": {"a": Ridge(), "*": GAM()}, "offset": "depth"},
            "Ridge does not support an offset",
        ),
        ({"smoother": CubicSplineSmoother(), "model": {"*": {"A": PyGAM(), "*": GAM()}}}, "got CubicSplineSmoother"),
    ],
)
def test_pairs_that_do_not(arguments, message):
    asked = {name: value for name, value in arguments.items() if name not in ("smoother", "model")}
    with pytest.raises(ValueError, match=message):
        resolve_pair(arguments["smoother"], arguments["model"], Reader(**asked))


@pytest.mark.parametrize("model", [Ridge, {"a": Ridge, "*": GAM()}, {"a": {"A": "gam"}, "*": GAM()}])
def test_every_model_of_a_mapping_must_be_one(model):
    with pytest.raises(TypeError, match="model must"):
        resolve_pair(None, model)


def test_only_models_of_counts_that_take_an_offset_get_size_factors():
    assert are_of_counts(GAM("negative_binomial"))
    assert are_of_counts({"a": GAM("poisson"), "*": GAM("negative_binomial")})
    for model in (
        None,
        Ridge(),
        GAM("poisson", "identity"),
        PyGAM("poisson", "log"),
        {"a": GAM(), "*": GAM("poisson")},
    ):
        assert not are_of_counts(model)


@pytest.mark.parametrize(("model", "arguments"), [(GAM(), {}), (PyGAM(), {})])
def test_models_of_ours_take_an_offset(model, arguments):
    resolve_pair(None, model, Reader(offset="depth"))


def test_wrong_pairs_are_found_before_anything_is_read(make_adata):
    with pytest.raises(ValueError, match="PyGAM needs a BSplineSmoother"):
        TrendClusterer(PyGAM(), CubicSplineSmoother(), clusterer=QUICK).fit(
            make_adata(), genes=["no such gene"], lineage="A"
        )


def test_a_mapping_is_returned_as_it_is():
    spec = {"a": PIPELINE, "*": GAM()}
    smoother, model = resolve_pair(None, spec)
    assert model is spec
    assert isinstance(smoother, BSplineSmoother)


@pytest.mark.slow
def test_beside_a_pipeline_others_keep_their_smoother(make_adata):
    """A pipeline for one gene makes its own basis; the other genes get the smoother's all the same."""
    assert smoother_for(PIPELINE, BSplineSmoother()) == PASSTHROUGH
    assert isinstance(smoother_for(GAM(), BSplineSmoother()), BSplineSmoother)
    assert smoother_for(GAM(), "passthrough") == PASSTHROUGH
    adata = make_adata()
    settings = {"lineage": "A", "genes": ["peak0", "rise0"], "alpha": None, "n_points": 20}
    plain = TrendClusterer(**settings).fit(adata)
    mixed = TrendClusterer({"peak0": PIPELINE, "*": GAM()}, **settings).fit(adata)
    np.testing.assert_allclose(mixed.trends_[1], plain.trends_[1])
    only = TrendClusterer(PIPELINE, **settings).fit(adata)
    np.testing.assert_allclose(mixed.trends_[0], only.trends_[0])


# ---- models of one gene


def test_models_of_others_are_wrapped():
    model = adapt(Ridge(), n_jobs=2, backend="threading")
    assert isinstance(model, RegressorModel)
    assert (model.n_jobs, model.backend) == (2, "threading")
    gam = GAM()
    assert adapt(gam, n_jobs=2) is gam
    assert gam.n_jobs == 2
    assert adapt(GAM(n_jobs=3), n_jobs=2).n_jobs == 3


def test_defaults_go_only_where_there_is_none():
    assert with_defaults(KMeans(), random_state=3).random_state == 3
    assert with_defaults(KMeans(random_state=1), random_state=3).random_state == 1
    assert with_defaults(KMeans(), random_state=None).random_state is None
    assert with_defaults(Ridge(), no_such_parameter=3) is not None
