"""Invalid parameters of TrendClusterer are rejected by name, before any computation."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

import lineage_clust as lc
from lineage_clust import GAM, BSplineSmoother, GraphClusterer, NoTrendError, PyGAM, UnknownNameError

FATE = "palantir_fate_probabilities"

REFUSED = [
    ({"genes": ["rise0", 3]}, UnknownNameError, "Gene 3 is not in"),
    ({"genes": [None]}, UnknownNameError, "Gene None is not in"),
    ({"genes": [np.nan]}, UnknownNameError, "Gene nan is not in"),
    ({"genes": [["rise0"]]}, TypeError, r"genes must be a flat sequence of names; it contains \['rise0'\]"),
    ({"genes": np.ones((1, 8), bool)}, TypeError, "genes must be a flat sequence"),
    ({"genes": {"rise0"}}, TypeError, "genes must be a sequence of names; got {'rise0'} of type set"),
    ({"genes": {"rise0": 1}}, TypeError, "of type dict"),
    ({"genes": iter(["rise0"])}, TypeError, "of type list_iterator"),
    ({"genes": np.ones(9, bool)}, ValueError, "boolean mask of genes needs 8 values; got 9"),
    ({"genes": np.zeros(8, bool)}, ValueError, "genes is empty"),
    ({"genes": np.arange(2)}, UnknownNameError, "2 genes .'0', '1'. are not in"),
    ({"genes": b"rise0"}, TypeError, "got the string b'rise0'"),
    ({"lineage": 3}, UnknownNameError, "Lineage '3' was not found"),
    ({"lineage": ""}, UnknownNameError, "Lineage '' was not found"),
    ({"lineage": "A "}, UnknownNameError, "Lineage 'A ' was not found.*Did you mean 'A'"),
    ({"lineage": True}, UnknownNameError, "Lineage 'True' was not found"),
    ({"lineage": ["A", "A"]}, ValueError, r"lineage contains duplicates: \['A', 'A'\]"),
    ({"lineage": ["A", None]}, ValueError, "several lineages"),
    ({"lineage": [["A"]]}, TypeError, r"lineage must be a name or a list of names; it contains \['A'\]"),
    ({"lineage": np.array([["A", "B"]])}, TypeError, "A lineage must be one name; got array"),
    ({"lineage": np.array([0.5, 0.5])}, TypeError, "A lineage must be one name; got array"),
    ({"lineage": pd.Index([0, 1])}, TypeError, r"A lineage must be one name; got (Index|RangeIndex)"),
    ({"lineage": np.array([], dtype=str)}, ValueError, "lineage is an empty list"),
    ({"time_key": 3}, UnknownNameError, "time_key 3 is neither in"),
    ({"time_key": ["palantir_pseudotime"]}, ValueError, r"time_key=\['palantir_pseudotime'\] is one pseudotime"),
    ({"time_key": "batch"}, TypeError, r"\['batch'\] must be numeric; its dtype is category.*astype"),
    ({"lineage_key": []}, TypeError, r"lineage_key must be one name; got \[\] of type list"),
    ({"lineage_key": ""}, UnknownNameError, "lineage_key '' is neither in"),
    ({"lineage_key": "batch"}, UnknownNameError, "Lineage 'A' was not found: 'batch' contains 'first', 'second'"),
    ({"layer": 3}, UnknownNameError, "Layer 3 is not in adata.layers, which has 'counts'"),
    ({"layer": ["counts"]}, TypeError, r"layer must be one name; got \['counts'\]"),
    ({"use_raw": "False"}, TypeError, "use_raw must be True or False; got 'False'"),
    ({"use_raw": 1}, TypeError, "use_raw must be True or False; got 1"),
    ({"backward": "no"}, TypeError, "backward must be True or False; got 'no'"),
    ({"time_range": True}, TypeError, "time_range must be None, a number .* got True"),
    ({"time_range": np.nan}, ValueError, "bounds of time_range must be finite; got nan"),
    ({"time_range": (0, np.inf)}, ValueError, "must be finite; got inf"),
    ({"time_range": ("a", "b")}, TypeError, "must be numbers or None; got 'a'"),
    ({"time_range": {"a": 1}}, TypeError, "got {'a': 1}"),
    ({"time_range": 1j}, TypeError, "got 1j"),
    ({"time_range": 1e300}, ValueError, r"Knots cannot be placed on \[0.0, 1e\+300\].*rescale pseudotime"),
    ({"time_range": 0}, ValueError, "starts at 0 and ends at 0"),
    ({"time_range": (0.5, 0.5)}, ValueError, "start 0.5 and end 0.5"),
    ({"time_range": 1e-300}, ValueError, "has 1 distinct pseudotime; BSplineSmoother needs at least 3. Widen"),
    ({"endpoint": None}, ValueError, "endpoint must be 'plateau' or 'argmax'; got None"),
    ({"endpoint": ["plateau"]}, ValueError, r"got \['plateau'\]"),
    ({"endpoint_threshold": "x"}, TypeError, "endpoint_threshold must be None or a number; got 'x'"),
    ({"endpoint_threshold": [0.5]}, TypeError, r"got \[0.5\]"),
    ({"endpoint_threshold": np.nan}, ValueError, "endpoint_threshold=nan .the largest is 0.*Lower endpoint_threshold"),
    (
        {"weight_threshold": None},
        ValueError,
        "weight_threshold must be a non-negative number or a pair .a, b. .* got None",
    ),
    ({"weight_threshold": (1, 2, 3)}, ValueError, r"got \(1, 2, 3\)"),
    ({"weight_threshold": (0.1, "a")}, ValueError, r"got \(0.1, 'a'\)"),
    ({"weight_threshold": (0.1, np.inf)}, ValueError, "got .0.1, inf."),
    (
        {"weight_threshold": (2, 0.0)},
        ValueError,
        "excludes cells below 2. Check 'palantir_fate_probabilities'; .* lower weight_threshold",
    ),
    ({"weight_threshold": 1e300}, ValueError, r"excludes cells below 1e\+300"),
    ({"weight_threshold": (0.5, 1e300)}, ValueError, r"largest value of sample_weight is 1e\+300.*Divide it"),
    ({"filter_cells": "x"}, TypeError, "filter_cells must be None or a number; got 'x'"),
    ({"filter_cells": ()}, TypeError, r"got \(\)"),
    ({"filter_cells": 1e300}, NoTrendError, r"no cell has expression above filter_cells=1e\+300"),
    ({"covariates": 3}, TypeError, "covariates must be obs keys; got 3"),
    ({"covariates": [["batch"]]}, TypeError, r"An entry of covariates must be one name; got \['batch'\]"),
    ({"covariates": [None]}, UnknownNameError, "Covariate None is not in"),
    ({"offset": 3.0}, ValueError, r"offset has shape \(\), but adata has 60 cells"),
    ({"offset": np.zeros((60, 1))}, ValueError, r"offset has shape \(60, 1\)"),
    ({"offset": ["a"] * 60}, TypeError, r"offset must hold real numbers; got \['a', 'a'"),
    ({"offset": np.zeros(60) * 1j}, TypeError, "offset must hold real numbers"),
    ({"offset": np.zeros(60, dtype="datetime64[D]")}, TypeError, "offset must hold real numbers"),
    ({"offset": {"a": 1}}, ValueError, r"offset has shape \(\)"),
    ({"offset": np.full(60, np.nan)}, ValueError, "Offset is NaN or infinite in every cell"),
    ({"offset": "batch"}, TypeError, r"offset adata.obs\['batch'\] must be numeric; its dtype is category"),
    ({"n_points": "200"}, ValueError, "n_points must be an integer of at least 2; got '200'"),
    ({"n_points": np.inf}, ValueError, "got inf"),
    ({"n_points": -1}, ValueError, "got -1"),
    ({"scale": True}, ValueError, "scale must be 'zscore', 'minmax', None or .* got True"),
    ({"scale": np.zeros(3)}, ValueError, r"got array\(\[0., 0., 0.\]\)"),
    ({"alpha": -0.1}, ValueError, r"alpha must be None or a number in \(0, 1\]; got -0.1"),
    ({"alpha": [0.1]}, ValueError, r"got \[0.1\]"),
    ({"alpha": 1j}, ValueError, "got 1j"),
    ({"callback": 3}, TypeError, "callback must be a function or a mapping of functions; got 3"),
    ({"callback": {}}, ValueError, "mapping of callbacks is empty. Give one callback"),
    ({"callback": {"rise0": {"A": "x"}}}, TypeError, "got 'x'"),
    ({"callback": lambda trend, **_: None}, NoTrendError, "must return the prepared trend; it returned NoneType"),
    ({"callback": lambda: None}, NoTrendError, "prepare: TypeError: .* unexpected keyword argument 'gene'"),
    ({"n_jobs": 0}, ValueError, "n_jobs must be None, a positive integer, or -1 for all cores; got 0"),
    ({"n_jobs": "2"}, ValueError, "got '2'"),
    ({"n_jobs": 1.5}, ValueError, "got 1.5"),
    (
        {"backend": "nope", "n_jobs": 2, "model": PyGAM()},
        ValueError,
        "backend must be a joblib backend, .*; got 'nope'",
    ),
    ({"backend": "nope"}, ValueError, "backend must be a joblib backend, .*; got 'nope'"),
    ({"random_state": "a"}, ValueError, "random_state must be None, an integer from 0 .* got 'a'"),
    ({"random_state": -1}, ValueError, "got -1"),
    ({"random_state": 2**40}, ValueError, "got 1099511627776"),
    ({"random_state": np.random.default_rng(0)}, ValueError, "a numpy RandomState; got Generator"),
    ({"model": {}}, ValueError, "mapping of models is empty. Give one model"),
    ({"model": {"nope": GAM()}}, UnknownNameError, "The mapping of models names an unknown gene. Gene 'nope' is"),
    ({"model": {"rise0": GAM()}}, UnknownNameError, "No model is given for 7 of 8 genes.*Add them, or '.'"),
    (
        {"model": {"*": {"B": GAM()}}},
        UnknownNameError,
        "No model is given for lineage 'A' of gene 'fall0', only for 'B'",
    ),
    ({"model": {"*": "gam"}}, TypeError, "model must have fit and predict; str"),
    ({"model": {"*": GAM}}, TypeError, r"got the class GAM. Use GAM\(\)"),
    ({"model": (GAM(),)}, TypeError, "tuple has no fit or predict"),
    (
        {"model": GraphClusterer()},
        TypeError,
        r"model must be a regressor; GraphClusterer is not. The default is GAM\(\)",
    ),
    ({"model": LogisticRegression()}, TypeError, "model must be a regressor; LogisticRegression is not"),
    ({"smoother": "spline"}, TypeError, "smoother must be a transformer, None or 'passthrough'; got 'spline'"),
    ({"smoother": {}}, TypeError, "dict has no fit or transform"),
    ({"smoother": KMeans}, TypeError, r"got the class KMeans. Use KMeans\(\)"),
    ({"clusterer": "leiden"}, TypeError, "clusterer must have fit; str has no fit"),
    ({"clusterer": GAM()}, TypeError, "clusterer must be a clusterer; GAM is not. The default is GraphClusterer"),
    ({"clusterer": BSplineSmoother()}, TypeError, "clusterer must have labels_ after fit; BSplineSmoother has none"),
]


def shown(value):
    """Return the id of a case, which is the same in every process: without addresses."""
    return str(value).partition(" at 0x")[0][:40].replace("\n", " ")


@pytest.mark.parametrize(("parameters", "error", "message"), REFUSED, ids=shown)
def test_it_is_refused_with_the_value_and_the_remedy(parameters, error, message, cells, fit, refuses):
    refuses(lambda: fit(cells, **parameters), error, message, cells)


@pytest.mark.parametrize(
    "parameters",
    [
        {"genes": np.array(["rise0", "peak0", "fall0"])},
        {"genes": pd.Index(["rise0", "rise0"])},
        {"lineage": np.str_("A")},
        {"lineage": ("A",)},
        {"layer": "X"},
        {"time_key": FATE},
        {"lineage_key": "depth", "lineage": None},
        {"time_range": np.array([0.1, 0.9])},
        {"endpoint_threshold": 0},
        {"weight_threshold": [0.1, 0.2]},
        {"weight_threshold": (0.0, 5)},
        {"filter_cells": -1},
        {"covariates": "batch"},
        {"covariates": ["batch", "batch", "depth"]},
        {"covariates": []},
        {"offset": [0] * 60},
        {"offset": pd.Series(np.zeros(60))},
        {"n_points": 2},
        {"n_points": np.int64(5)},
        {"alpha": np.float32(1)},
        {"random_state": np.random.RandomState(0)},
        {"model": {"rise0": GAM(), "*": None}, "genes": ["peak0", "fall0"]},
        {"n_jobs": -100},
    ],
    ids=shown,
)
@pytest.mark.slow
def test_odd_but_sensible_values_work(parameters, cells, fit):
    tc = fit(cells, **parameters)
    assert np.isfinite(tc.trends_).all()
    assert len(tc.labels_) == len(tc.genes_) > 0


@pytest.mark.filterwarnings("ignore:The time range")
@pytest.mark.parametrize(
    "parameters", [{"time_range": 1e80}, {"time_range": (-1e80, 1e80)}, {"alpha": 1e-320}], ids=str
)
def test_what_leaves_nothing_to_cluster_says_so(parameters, cells, fit):
    with pytest.warns(lc.LineageClustWarning, match=r"No gene is clustered: .*gene_table_"):
        tc = fit(cells, **parameters)
    assert (tc.labels_ == -1).all()
