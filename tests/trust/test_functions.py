"""Invalid arguments of public functions and small classes: drivers, cluster_lineage, splits, scores and figures."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust import (
    GAM,
    DriverSelector,
    GeneTrend,
    GraphClusterer,
    NoTrendError,
    PseudotimeKFold,
    Trends,
    UnknownNameError,
)
from lineage_clust.plotting import cluster_colors, plot_clusters

pytestmark = pytest.mark.slow

TIME = "palantir_pseudotime"
T = np.linspace(0, 1, 40)
V, G = np.random.default_rng(0).normal(size=(3, 5)), np.linspace(0, 1, 5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"lineage": "C"}, UnknownNameError, "Lineage 'C' was not found"),
        ({"lineage": []}, ValueError, "lineage is an empty list"),
        ({"lineage": [["A"]]}, TypeError, r"A lineage must be one name; got \['A'\]"),
        ({"genes": 3}, TypeError, "genes must be a sequence of names; got 3"),
        ({"method": "kendall"}, ValueError, "method must be 'pearson' or 'spearman'; got 'kendall'"),
        ({"test": None}, ValueError, "test must be 'fisher' or 'permutation'; got None"),
        ({"n_permutations": 1.5, "test": "permutation"}, ValueError, "n_permutations must be an integer .* got 1.5"),
        ({"n_permutations": "x", "test": "permutation"}, ValueError, "got 'x'"),
        ({"random_state": "x", "test": "permutation"}, ValueError, "random_state must be None, .* got 'x'"),
        ({"confidence_level": "x"}, ValueError, "confidence_level must be between 0 and 1; got 'x'"),
        ({"confidence_level": 1}, ValueError, "got 1"),
        ({"lineage_key": []}, TypeError, "lineage_key must be one name"),
        ({"layer": []}, TypeError, "layer must be one name"),
        ({"cells": np.ones(5, bool)}, ValueError, r"boolean mask of 60 cells; got bool of shape \(5,\)"),
        ({"cells": [1, 2]}, ValueError, "got int64"),
        ({"cells": np.arange(60) < 3}, ValueError, "3 cells take part; a correlation and its error need at least 4"),
        ({"adata": 3}, TypeError, "adata must be an AnnData"),
    ],
    ids=str,
)
def test_lineage_drivers(arguments, error, message, cells, refuses):
    refuses(lambda: lc.lineage_drivers(**{"adata": cells, "lineage": "A", **arguments}), error, message, cells)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_genes": 0}, ValueError, "n_genes must be None or a positive integer; got 0"),
        ({"n_genes": True}, ValueError, "got True"),
        ({"alpha": "x"}, ValueError, "alpha must be None or a number in \\(0, 1\\]; got 'x'"),
        ({"alpha": 2}, ValueError, r"alpha must be None or a number in \(0, 1\]; got 2"),
        ({"alpha": 1e-300}, ValueError, "No gene of 8 goes with lineage 'A'.* Raise alpha"),
        ({"direction": "up"}, ValueError, "direction must be 'both', 'positive' or 'negative'; got 'up'"),
        ({"lineage": None}, ValueError, "several lineages .* Choose one"),
        ({"lineage": ["A", "B"]}, TypeError, "A lineage must be one name"),
    ],
    ids=str,
)
def test_driver_selector(parameters, error, message, cells, refuses):
    refuses(lambda: DriverSelector(**{"lineage": "A", **parameters}).fit(cells), error, message, cells)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_splits": 1}, ValueError, "n_splits must be an integer of at least 2; got 1"),
        ({"n_splits": "x"}, ValueError, "got 'x'"),
        ({"n_splits": 61}, ValueError, "60 cells cannot be split into 61 folds"),
        ({"time_key": []}, TypeError, "time_key must be one name"),
        ({"time_key": "batch"}, TypeError, "must be numeric; its dtype is category"),
        ({"random_state": -1}, ValueError, "random_state must be None, .* got -1"),
    ],
    ids=str,
)
def test_splits(parameters, error, message, cells, refuses):
    refuses(lambda: list(PseudotimeKFold(**parameters).split(cells)), error, message, cells)


@pytest.mark.parametrize("scorer", lc.scoring.SCORERS.values(), ids=lambda scorer: scorer.__name__)
def test_scorers(scorer, cells, refuses):
    refuses(lambda: scorer(lc.TrendClusterer(), cells), ValueError, "not fitted yet")
    refuses(lambda: scorer(GAM(), cells), TypeError, "require a fitted TrendClusterer; got GAM")


@pytest.mark.parametrize(
    ("complexity", "metric", "results", "error", "message"),
    [
        ("nope", "score", {}, ValueError, "no parameter 'nope', only 'clusterer__resolution'"),
        ([], "score", {}, TypeError, r"complexity must be one name; got \[\]"),
        (None, "nope", {}, ValueError, "no score 'nope'; it has 'score'"),
        (None, "score", {"mean_test_score": [np.nan, np.nan]}, ValueError, "Every candidate failed"),
        (None, "score", {"params": [{"clusterer__resolution": None}] * 2}, ValueError, "must be a number .* got None"),
    ],
)
def test_one_standard_error(complexity, metric, results, error, message, refuses):
    found = {
        "mean_test_score": [0.5, 0.6], "std_test_score": [0.1, 0.1], "split0_test_score": 0,
        "params": [{"clusterer__resolution": 1.0}, {"clusterer__resolution": 2.0}], **results,
    }  # fmt: skip
    refuses(lambda: lc.scoring.one_standard_error(complexity, metric)(found), error, message)


@pytest.mark.parametrize("results", [3, None, ["score"]])
def test_results_of_no_search(results, refuses):
    message = "cv_results must be those of a search, a mapping; got"
    refuses(lambda: lc.scoring.one_standard_error()(results), TypeError, message)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda tc: lc.compare(tc, 3),
            TypeError,
            "b must be a fitted TrendClusterer, or the cluster of each gene .* got int",
        ),
        (lambda tc: lc.compare(None, tc), TypeError, "a must be a fitted TrendClusterer, .* got NoneType"),
        (lambda tc: lc.compare(tc, lc.TrendClusterer()), TypeError, "got TrendClusterer that is not fitted"),
        (lambda tc: lc.compare(tc.labels_, tc), TypeError, "got ndarray"),
        (lambda tc: lc.compare({"a": 0}, {"b": 0}), ValueError, "no gene in common: a has 1, e.g. 'a'"),
        (lambda tc: lc.compare(pd.Series([0, 1], ["a", "a"]), tc), ValueError, "a contains a gene more than once: 'a'"),
        (lambda tc: tc.to_frame(values="x"), ValueError, "values must be 'trend', .* got 'x'"),
        (lambda tc: tc.to_frame(values=np.ones(2)), ValueError, "values must be 'trend', .* got array"),
        (lambda tc: tc.to_frame(level="x"), ValueError, "level must be between 0 and 1; got 'x'"),
        (lambda tc: tc.to_frame(level=1), ValueError, "got 1"),
        (lambda tc: tc.genes_by_cluster("no"), TypeError, "unassigned must be True or False; got 'no'"),
        (lambda tc: tc.write_gene_lists("a.gmt", 1), TypeError, "unassigned must be True or False; got 1"),
        (
            lambda tc: tc.write_gene_lists("a.xls"),
            ValueError,
            "written as .gmt or .csv; the suffix of 'a.xls' is '.xls'",
        ),
        (lambda tc: tc.write_gene_lists(None), TypeError, "path must be the name of a file; got None"),
        (lambda tc: tc.write_gene_lists("a\0.gmt"), ValueError, "cannot contain the character NUL"),
        (lambda tc: tc.report(3), TypeError, "path must be the name of a file; got 3"),
        (lambda tc: tc.report("a.html", 3), TypeError, "adata must be an AnnData"),
        (lambda tc: tc.save([]), TypeError, r"path must be the name of a file; got \[\]"),
        (lambda tc: tc.save("."), OSError, "'.' is a folder or a device, not a file"),
        (lambda tc: tc.load(None), TypeError, "path must be the name of a file; got None"),
        (lambda tc: GeneTrend.read(3), TypeError, "path must be the name of a file; got 3"),
        (lambda tc: tc.models_["rise0"]["A"].write(3), TypeError, "path must be the name of a file; got 3"),
    ],
)
def test_comparing_and_writing(call, error, message, fitted, refuses, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuses(lambda: call(fitted), error, message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_cells": 9}, "n_cells must be an integer of at least 10; got 9"),
        ({"n_genes": "x"}, "n_genes must be an integer of at least 1; got 'x'"),
        ({"n_cells": 10**12}, "n_cells=1000000000000, n_genes=20 .* require arrays of .* GB, .* Lower one of them"),
        ({"n_genes": 10**12}, "n_genes=1000000000000 .* require arrays"),
        ({"n_lineages": 10**10}, "n_lineages=10000000000 require arrays"),
        ({"n_modules": 15}, "n_modules must be an integer from 0 to 14; got 15"),
        ({"n_lineages": 0}, "n_lineages must be an integer of at least 1; got 0"),
        ({"flat_fraction": np.nan}, "flat_fraction must be a number between 0 and 1; got nan"),
        ({"depth": 1e300}, r"depth must be a number above 0 and at most 1e\+12; got 1e\+300"),
        ({"dispersion": -1}, "dispersion must be a finite number of at least 0; got -1"),
        ({"amplitude": 1e3}, "amplitude must be a number above 0 and at most 100; got 1000"),
        ({"module_sizes": "x"}, "module_sizes must contain one number for each .* got 'x'"),
        ({"shift": np.inf}, "shift must be a finite number of at least 0; got inf"),
        ({"scale": 100}, "scale must be a number between 0 and 2; got 100"),
        ({"random_state": "x"}, "random_state must be None, .* got 'x'"),
        ({"random_state": -1}, "got -1"),
    ],
    ids=str,
)
def test_simulate_lineage(parameters, message, refuses):
    arguments = {"n_cells": 20, "n_genes": 20, **parameters}
    refuses(lambda: lc.datasets.simulate_lineage(**arguments), ValueError, message)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x_all": T[:5]}, ValueError, r"must have one value per cell; their lengths are \[5, 40, 5\]"),
        ({"x_all": T[:, None]}, ValueError, r"x_all must have one dimension, .* got shape \(40, 1\)"),
        ({"x_all": "x"}, TypeError, "x_all must hold real numbers; got 'x'"),
        ({"y_all": 3}, ValueError, r"y_all must have one dimension, .* got shape \(\)"),
        ({"y_all": T * 1j}, TypeError, "y_all must hold real numbers"),
        ({"y_all": T * np.nan}, ValueError, "'g' cannot be fitted: expression holds NaN"),
        ({"w_all": -T}, ValueError, "must not be negative; the smallest is -1"),
        ({"w_all": ["a"] * 40}, TypeError, "w_all must hold real numbers"),
        ({"x_all": T * np.nan}, ValueError, "No cell has a finite pseudotime and weight"),
        ({"x_all": T * 0}, ValueError, "starts at 0 and ends at 0"),
        ({"n_points": 1}, ValueError, "n_points must be an integer of at least 2; got 1"),
        ({"n_points": "x"}, ValueError, "got 'x'"),
        ({"filter_cells": ()}, TypeError, r"filter_cells must be None or a number; got \(\)"),
        ({"filter_cells": 9}, ValueError, "No cell remains in .* with filter_cells=9"),
        ({"endpoint_threshold": "x"}, TypeError, "endpoint_threshold must be None or a number; got 'x'"),
        ({"model": "gam"}, TypeError, "model must have fit and predict; str"),
        ({"smoother": 3}, TypeError, "smoother must have fit and transform; int"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_gene_trend(arguments, error, message, refuses):
    cells = {"x_all": T, "y_all": np.sin(T), "w_all": None, "model": None, "smoother": None}
    made = {name: arguments.get(name, value) for name, value in cells.items()}
    prepared = {name: value for name, value in arguments.items() if name not in cells}
    refuses(lambda: GeneTrend("g", "A", **made).prepare(**prepared).fit(), error, message)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda trend: trend.predict(3), ValueError, r"x_test must have one dimension, .* got shape \(\)"),
        (lambda trend: trend.predict("x"), TypeError, "x_test must hold real numbers; got 'x'"),
        (lambda trend: trend.predict([1j]), TypeError, "x_test must hold real numbers"),
        (lambda trend: trend.predict([np.nan]), ValueError, "NaN"),
        (lambda trend: trend.confidence_interval(level=2), ValueError, "level must be between 0 and 1; got 2"),
        (lambda trend: trend.confidence_interval(level="x"), ValueError, "got 'x'"),
        (lambda trend: trend.prepare(), ValueError, r"has no cells .* TrendClusterer.gene_trends\(adata\)"),
        (lambda trend: GeneTrend("g", "A", T, T).predict(), ValueError, r"not fitted. Call prepare\(\) and fit\(\)"),
        (lambda trend: GeneTrend("g", "A", T, T).fit(), ValueError, r"Call prepare\(\) .* before fit\(\)"),
    ],
)
def test_methods_of_a_trend(call, error, message, fitted, refuses):
    refuses(lambda: call(fitted.models_["rise0"]["A"]), error, message)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: Trends(V, G, ["a"]),
            ValueError,
            r"values must have one row per gene .* \(1, 5\).* its shape is \(3, 5\)",
        ),
        (lambda: Trends(V, G[:3], list("abc")), ValueError, r"\(3, 3\)"),
        (lambda: Trends(V[0], G, ["a"]), ValueError, r"its shape is \(5,\)"),
        (lambda: Trends(V[:, :0], G[:0], list("abc")), ValueError, "at least one column"),
        (lambda: Trends("x", G, ["a"]), TypeError, "values must hold real numbers; got 'x'"),
        (lambda: Trends(V, G, list("abc"), se=V[:1]), ValueError, r"se must have the shape of values, \(3, 5\)"),
        (lambda: Trends(V, G, list("abc")).scaled("x"), ValueError, "scale must be .* got 'x'"),
        (lambda: Trends(V, G, list("abc")).subset([9]), ValueError, r"positions below 3, .* got \[9\]"),
        (lambda: Trends(V, G, list("abc")).subset([True]), ValueError, r"got \[True\]"),
        (lambda: plot_clusters(V, [0, 1], G), ValueError, r"one value per row .* \(3, 5\), \(2,\) and \(5,\)"),
        (lambda: plot_clusters(V, [0, 1, 0], G[:4]), ValueError, r"\(3,\) and \(4,\)"),
        (lambda: plot_clusters(V[0], [0], G), ValueError, "scaled must have two dimensions"),
        (lambda: plot_clusters(V, ["a", "b", "c"], G), TypeError, "labels must be numbers"),
        (lambda: plot_clusters(V, [-1, -1, -1], G), ValueError, "There is no cluster to draw"),
        (lambda: plot_clusters(V, [0, 1, 0], G, genes=["a"]), ValueError, "genes must have 3 values; it has 1"),
        (lambda: plot_clusters(V, [0, 1, 0], G, grid_lineage=["a"]), ValueError, "grid_lineage must have 5 values"),
        (lambda: cluster_colors(-1), ValueError, "n_clusters must be an integer of at least 0; got -1"),
        (lambda: cluster_colors("x"), ValueError, "got 'x'"),
    ],
)
def test_trends_and_pictures_of_arrays(call, error, message, refuses):
    refuses(call, error, message)


def test_trends_may_be_lists():
    assert Trends(V.tolist(), G.tolist(), tuple("abc")).scaled().shape == (3, 5)
    assert Trends(V, G, list("abc")).subset([]).genes == []


CLUSTER_LINEAGE = [
    ({"model": "gam"}, TypeError, "model must have fit and predict"),
    ({"genes": None}, ValueError, "genes is None. Name the genes"),
    ({"genes": ["nope"]}, UnknownNameError, "Gene 'nope' is not in"),
    ({"lineage": ["A", "B"]}, TypeError, r"A lineage must be one name; got \['A', 'B'\]"),
    ({"time_range": (1,)}, TypeError, "time_range must be None, a number"),
    ({"clusters": [9]}, ValueError, "There is no cluster 9"),
    ({"n_points": 0}, ValueError, "n_points must be an integer of at least 2; got 0"),
    ({"time_key": "nope"}, UnknownNameError, "time_key 'nope' is neither"),
    ({"time_key": []}, TypeError, "time_key must be one name"),
    ({"covariate_key": ["batch", "nope"]}, UnknownNameError, "covariate_key 'nope' is not in"),
    ({"covariate_key": 3}, TypeError, "covariate_key must be obs keys; got 3"),
    ({"covariate_key": "depth", "cmap": "nope"}, ValueError, "'nope' is not a colour map"),
    ({"covariate_key": "depth", "ratio": None}, TypeError, "ratio must be a number; got None"),
    ({"callback": "x"}, TypeError, "callback must be a function .* got 'x'"),
    ({"ncols": "x"}, ValueError, "ncols must be an integer of at least 1; got 'x'"),
    ({"sharey": "x"}, ValueError, "sharey must be"),
    ({"random_state": -1}, ValueError, "random_state must be None, .* got -1|Seed must be between 0 and"),
    ({"n_jobs": 0}, ValueError, "n_jobs must be None, a positive integer, .* got 0"),
    ({"pca_kwargs": None}, TypeError, "pca_kwargs must be a mapping; got None"),
    ({"neighbors_kwargs": {"n_neigbors": 3}}, TypeError, "neighbors_kwargs got an unknown key 'n_neigbors'"),
    ({"neighbors_kwargs": {"method": "nope"}}, ValueError, "neighbors_kwargs method must be one of .* got 'nope'"),
    ({"clustering_kwargs": {"resolution": "x"}}, ValueError, "resolution must be 'auto' or a positive number; got 'x'"),
    ({"clustering_kwargs": {"flavor": "x"}}, ValueError, "flavor must be 'igraph' or 'leidenalg'; got 'x'"),
    ({"data_key": "nope"}, UnknownNameError, "Layer 'nope' is not in"),
    ({"threshold": 5}, ValueError, "endpoint_threshold=5"),
    ({"filter_cells": "x"}, TypeError, "filter_cells must be None or a number; got 'x'"),
    ({"filter_cells": 99}, NoTrendError, "no cell has expression above filter_cells=99"),
    ({"gene_symbols": "nope"}, UnknownNameError, "gene_symbols 'nope' is not in var"),
    ({"gene_symbols": []}, TypeError, "gene_symbols must be one name"),
    ({"tresholds": 1}, TypeError, "unknown argument 'tresholds'.* Did you mean 'threshold'"),
    ({"adata": 3}, TypeError, "adata must be an AnnData"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), CLUSTER_LINEAGE, ids=str)
def test_cluster_lineage_stores_nothing_when_it_fails(arguments, error, message, cells, refuses):
    refuses(lambda: _cluster_lineage(**{"adata": cells, **arguments}), error, message, cells)


def _cluster_lineage(adata, **arguments):
    defaults = {
        "model": GAM(), "genes": ["rise0", "fall0", "peak0", "rise1", "fall1"], "lineage": "A", "time_key": TIME,
        "random_state": 0, "show_progress_bar": False, "n_points": 12, "neighbors_kwargs": {"n_neighbors": 3},
    }  # fmt: skip
    return lc.cluster_lineage(adata, **{**defaults, **arguments})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stored: 3,
        lambda stored: ad.AnnData(np.ones((2, 2))),
        lambda stored: stored.uns["lineage_clust"].update(source="{"),
        lambda stored: stored.uns["lineage_clust"].update(source="[]"),
        lambda stored: stored.uns.update(lineage_clust="x"),
        lambda stored: stored.obs.drop(columns="clusters", inplace=True),
        lambda stored: stored.var.drop(columns="x_test", inplace=True),
    ],
)
def test_a_stored_result_that_is_spoilt_is_recomputed(spoil, make_adata):
    adata = make_adata(n_cells=60, n_genes=8)
    _cluster_lineage(adata)
    expected = adata.uns["lineage_A_trend"].X.copy()
    spoilt = spoil(adata.uns["lineage_A_trend"])
    if spoilt is not None:
        adata.uns["lineage_A_trend"] = spoilt
    with pytest.warns(lc.LineageClustWarning, match="is recomputed: it was"):
        _cluster_lineage(adata)
    np.testing.assert_array_equal(adata.uns["lineage_A_trend"].X, expected)


def test_constant_fates_warn_and_correlate_with_nothing(make_adata):
    adata = make_adata(n_cells=60, n_genes=8)
    adata.obsm["palantir_fate_probabilities"]["A"] = 0.5
    with pytest.warns(lc.LineageClustWarning, match="correlations with them are undefined"):
        table = lc.lineage_drivers(adata, "A")
    assert table["A_corr"].isna().all()


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_gene_without_numbers_has_no_correlation(method, make_adata):
    adata = make_adata(n_cells=60, n_genes=8, kind="dense")
    expected = lc.lineage_drivers(adata, "A", method=method)
    for value in (np.nan, np.inf):
        adata.X[:, 1] = value
        found = lc.lineage_drivers(adata, "A", method=method).drop(index="peak0")
        pd.testing.assert_series_equal(found["A_corr"], expected.drop(index="peak0")["A_corr"])


def test_seeds_of_generators_of_numpy_work(cells):
    tables = [lc.lineage_drivers(cells, "A", test="permutation", n_permutations=20, random_state=0) for _ in range(2)]
    pd.testing.assert_frame_equal(*tables)
    labels = [GraphClusterer(3, random_state=np.random.RandomState(1)).fit(V).labels_.tolist() for _ in range(2)]
    assert labels[0] == labels[1]
