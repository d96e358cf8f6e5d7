"""Errors for invalid input state the problem, the value and the remedy."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans

from lineage_clust import GAM, BSplineSmoother, GraphClusterer, NoTrendError, TrendClusterer, UnknownNameError

from .fits import QUICK

TIME, FATE = "palantir_pseudotime", "palantir_fate_probabilities"


class Uncloneable:
    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return X


class OfCellRank(Uncloneable):
    __module__ = "cellrank.models._pygam_model"


@pytest.fixture
def adata(make_adata):
    return make_adata(n_cells=80, n_genes=8)


@pytest.fixture(scope="module")
def fitted(make_adata):
    clusterer = GraphClusterer(resolution=1.0)
    return TrendClusterer(lineage="A", alpha=None, clusterer=clusterer).fit(make_adata(n_cells=80, n_genes=8))


def expect(error, message, adata, **parameters):
    tc = TrendClusterer(**{"lineage": "A", **parameters})
    with pytest.raises(error, match=message):
        tc.fit(adata)
    assert not hasattr(tc, "labels_")


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        # genes
        (
            {"genes": ["Rise0", "fall0"]},
            UnknownNameError,
            "Gene 'Rise0' is not in adata.var_names. Did you mean 'rise0'",
        ),
        ({"genes": ["nope", "none"]}, UnknownNameError, "2 genes .'nope', 'none'. are not in adata.var_names"),
        ({"genes": []}, ValueError, "genes is empty. Name at least one gene, or pass genes=None"),
        (
            {"genes": "rise0"},
            TypeError,
            r"genes must be a sequence of names; got the string 'rise0'. Use genes=\['rise0'\]",
        ),
        ({"genes": 3}, TypeError, "genes must be a sequence of names; got 3 of type int. Pass a list"),
        # lineages and keys
        (
            {"lineage": "a"},
            UnknownNameError,
            f"Lineage 'a' was not found: '{FATE}' contains 'A', 'B'. Did you mean 'A'",
        ),
        ({"lineage": None}, ValueError, f"several lineages .'{FATE}': 'A', 'B'.. Choose one with lineage="),
        ({"lineage": []}, ValueError, "lineage is an empty list"),
        ({"lineage": ["A", "C"]}, UnknownNameError, "Lineage 'C' was not found"),
        (
            {"lineage_key": "palantir_fate_probs"},
            UnknownNameError,
            f"neither in adata.obsm nor .* Did you mean '{FATE}'",
        ),
        ({"time_key": "palantir_time"}, UnknownNameError, f"'palantir_time' is neither in .* Did you mean '{TIME}'"),
        ({"time_key": "celltype"}, TypeError, r"adata.obs\['celltype'\] must be numeric"),
        (
            {"layer": "count"},
            UnknownNameError,
            "Layer 'count' is not in adata.layers, which has 'counts'. Did you mean 'counts'",
        ),
        ({"layer": "counts", "use_raw": True}, ValueError, "are mutually exclusive. Pass one of them"),
        ({"backward": True}, UnknownNameError, "adata.obsm contains no lineage weights .none of 'lineages_bwd'"),
        ({"covariates": ["bach"]}, UnknownNameError, "Covariate .bach. is not in adata.obs, .*. Did you mean .batch."),
        ({"offset": "dept"}, UnknownNameError, "offset 'dept' is not in adata.obs, which has .*. Did you mean 'depth'"),
        ({"offset": np.zeros(7)}, ValueError, r"offset has shape \(7,\), but adata has 80 cells. Put it in adata.obs"),
        # numbers
        ({"n_points": 1}, ValueError, "n_points must be an integer of at least 2; got 1"),
        ({"n_points": 0}, ValueError, "n_points must be an integer of at least 2; got 0"),
        ({"n_points": 50.0}, ValueError, "n_points must be an integer"),
        ({"n_points": None}, ValueError, "n_points must be an integer"),
        ({"n_points": True}, ValueError, "n_points must be an integer"),
        ({"alpha": 0}, ValueError, r"alpha must be None or a number in \(0, 1\]; got 0"),
        ({"alpha": "strict"}, ValueError, "alpha must be None or a number"),
        ({"alpha": np.nan}, ValueError, "alpha must be None or a number"),
        (
            {"scale": "standard"},
            ValueError,
            "scale must be 'zscore', 'minmax', None or a scikit-learn transformer; got 'standard'",
        ),
        ({"endpoint": "last"}, ValueError, "endpoint must be 'plateau' or 'argmax'; got 'last'"),
        (
            {"endpoint_threshold": 5.0},
            ValueError,
            "No cell of lineage 'A' has a weight of at least endpoint_threshold=5",
        ),
        ({"weight_threshold": -1}, ValueError, "weight_threshold must be a non-negative number or a pair"),
        ({"time_range": "early"}, TypeError, "time_range must be None, a number"),
        ({"time_range": (0.1, 0.2, 0.3)}, TypeError, "time_range must be None, a number"),
        ({"time_range": (0.9, 0.1)}, ValueError, "must start before it ends; got start 0.9 and end 0.1. Swap the two"),
        ({"time_range": (0.5, 0.5)}, ValueError, "got start 0.5 and end 0.5. Pass two different times"),
        ({"show_progress_bar": "no"}, TypeError, "show_progress_bar must be True or False; got 'no'"),
        ({"backend": "treads"}, ValueError, "backend must be a joblib backend, one of .*'threading'; got 'treads'"),
        ({"backend": 3}, ValueError, "backend must be a joblib backend, .*; got 3"),
        ({"time_range": (5, 6)}, ValueError, r"No cell lies in the time range \[5, 6\]: pseudotime spans \[0, 1\]"),
        ({"time_range": -1}, ValueError, "time range of lineage 'A' is empty: it starts at 0 and ends at -1"),
        # components
        (
            {"model": Uncloneable()},
            TypeError,
            "model must be an estimator .* Uncloneable has no get_params. The default is GAM",
        ),
        ({"clusterer": Uncloneable()}, TypeError, r"has no get_params. The default is GraphClusterer\(\).$"),
        ({"model": OfCellRank()}, TypeError, "In place of CellRank's models, pass GAM"),
        ({"model": "gam"}, TypeError, "model must have fit and predict; str has no fit or predict"),
        ({"model": GAM}, TypeError, r"model must be an instance; got the class GAM. Use GAM\(\)"),
        (
            {"clusterer": object()},
            TypeError,
            r"clusterer must have fit; object has no fit. The default is GraphClusterer\(\)",
        ),
        ({"clusterer": KMeans}, TypeError, r"got the class KMeans. Use KMeans\(\)"),
        ({"smoother": GAM()}, TypeError, "smoother must have fit and transform; GAM has no transform"),
        ({"smoother": BSplineSmoother(n_splines=2)}, ValueError, "n_splines must be an integer of at least 4; got 2"),
        (
            {"model": GAM(smoothing="ml")},
            ValueError,
            "smoothing must be 'reml', 'gcv' or a non-negative number; got 'ml'",
        ),
        ({"clusterer": GraphClusterer(n_neighbors=0)}, ValueError, "n_neighbors must be an integer of at least 2"),
    ],
)
def test_wrong_parameters(adata, parameters, error, message):
    expect(error, message, adata, **parameters)


@pytest.mark.parametrize(
    ("not_adata", "name"),
    [
        (np.ones((5, 3)), "ndarray"),
        (pd.DataFrame(np.ones((5, 3))), "DataFrame"),
        (None, "NoneType"),
        ("cells.h5ad", "str"),
        ([[1.0]], "list"),
    ],
)
def test_not_an_anndata(fitted, not_adata, name):
    with pytest.raises(TypeError, match=rf"adata must be an AnnData \(cells x genes\); got {name}. Wrap a matrix with"):
        TrendClusterer().fit(not_adata)
    for method in (fitted.transform, fitted.write_to):
        with pytest.raises(TypeError, match=f"got {name}"):
            method(not_adata)


def test_no_cells_and_no_genes(adata):
    expect(ValueError, "adata is empty: it has 0 cells and 8 genes", adata[:0].copy())
    expect(ValueError, "adata is empty: it has 80 cells and 0 genes", adata[:, :0].copy())


def test_duplicate_var_names(adata):
    adata.var_names = ["twice", "twice", *adata.var_names[2:]]
    expect(ValueError, r"var_names contains 'twice' more than once. Call adata.var_names_make_unique\(\) first", adata)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_finite_pseudotime(adata, value):
    adata.obs[TIME] = value
    expect(ValueError, "NaN or infinite in every cell: no cells remain to fit lineage 'A'. Check time_key", adata)


def test_no_finite_weight(adata):
    adata.obsm[FATE]["A"] = np.nan
    expect(ValueError, "NaN or infinite in every cell.*lineage_key", adata)


def test_negative_weights(adata):
    adata.obsm[FATE]["A"] -= 1
    expect(ValueError, "Lineage weights must not be negative; the smallest is -", adata)


def test_weights_that_are_all_zero(adata):
    adata.obsm[FATE]["A"] = 0.0
    expect(
        ValueError,
        f"No cell belongs to lineage 'A': the largest weight is 0. Check '{FATE}'",
        adata,
        weight_threshold=0,
    )


def test_no_pseudotime_at_all(adata):
    del adata.obs[TIME]
    expect(
        UnknownNameError, "No pseudotime was found: none of 'palantir_pseudotime', .* Pass its key as time_key", adata
    )


def test_several_pseudotimes(adata):
    adata.obs["dpt_pseudotime"] = adata.obs[TIME]
    expect(ValueError, f"several pseudotimes: '{TIME}', 'dpt_pseudotime'. Choose one with time_key", adata)


def test_no_lineage_data(adata):
    del adata.obsm[FATE]
    expect(
        UnknownNameError, "Lineage 'A' is requested, but adata.obsm contains no lineage weights .* omit lineage", adata
    )


def test_no_raw(adata):
    adata.raw = None
    expect(ValueError, "use_raw=True, but adata.raw is None", adata, use_raw=True)


@pytest.mark.parametrize("times", [[0.0, 1.0], [0.0]])
def test_too_few_distinct_times(adata, times):
    adata.obs[TIME] = np.resize(times, adata.n_obs)
    counted = f"{len(times)} distinct pseudotimes?; BSplineSmoother needs at least 3"
    message = counted if len(times) > 1 else "is empty|" + counted
    expect(ValueError, message, adata)
    expect(ValueError, f"80 cells of lineage 'A' in .* have {counted}", adata, time_range=(-0.25, 1.25))


def test_three_distinct_times_are_enough(adata):
    adata.obs[TIME] = np.resize([0.0, 0.5, 1.0], adata.n_obs)
    assert np.isfinite(TrendClusterer(lineage="A", alpha=None, clusterer=QUICK).fit(adata).trends_).all()


def test_every_gene_has_nan(adata):
    adata.X = np.full(adata.shape, np.nan, dtype=np.float32)
    expect(NoTrendError, "None of the 8 genes could be fitted; 8 of them because: .*NaN", adata)


def test_expression_without_numbers(adata):
    adata.layers["words"] = np.full(adata.shape, "high", dtype=object)
    expect((ValueError, TypeError), "numeric", adata, layer="words")


@pytest.mark.parametrize("error", [KeyError, ValueError])
def test_unknown_names_are_caught_as_either(adata, error):
    expect(error, "Did you mean 'rise0'", adata, genes=["rise00"])


def test_missing_genes_in_transform(adata, fitted):
    with pytest.raises(UnknownNameError, match=r"1 of the 8 clustered genes is not in adata .'flat1'."):
        fitted.transform(adata[:, :7])


@pytest.mark.parametrize(
    ("clusters", "message"),
    [([99], "There is no cluster 99; the clusters are"), ("early", "no cluster 'early'"), ([], "clusters is empty")],
)
def test_unknown_clusters(fitted, clusters, message):
    with pytest.raises(ValueError, match=message):
        fitted.plot(clusters)


@pytest.mark.parametrize(
    "wrong",
    [{"genes": ["nope"]}, {"model": GAM(smoothing="ml")}, {"clusterer": GraphClusterer(n_neighbors=0)}],
    ids=str,
)
@pytest.mark.first(1)
def test_a_wrong_call_leaves_an_earlier_fit_whole(adata, wrong):
    tc = TrendClusterer(lineage="A", alpha=None, random_state=0).fit(adata)
    labels, trends = tc.labels_.copy(), tc.trends_.copy()
    with pytest.raises(ValueError):
        tc.set_params(n_points=50, **wrong).fit(adata)
    np.testing.assert_array_equal(tc.labels_, labels)
    np.testing.assert_array_equal(tc.trends_, trends)
    assert tc.transform(adata).shape == (80, tc.n_clusters_)


def test_words_instead_of_weights(adata):
    adata.obs["branch"] = "B"
    expect(ValueError, "Lineage 'A' was not found: 'branch' contains 'B'", adata, lineage_key="branch")
    adata.obs["since"] = pd.Timestamp("2020")
    expect(TypeError, r"Lineage weights adata.obs\['since'\] must be numbers or booleans", adata, lineage_key="since")


def test_anndata_without_x(adata):
    expect(ValueError, "adata.X is None. Pass layer=", ad.AnnData(obs=adata.obs, var=adata.var, obsm=adata.obsm))
