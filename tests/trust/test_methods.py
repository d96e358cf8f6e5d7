"""Invalid arguments of methods of TrendClusterer, fitted and not fitted."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import lineage_clust as lc
from lineage_clust import UnknownNameError

pytestmark = pytest.mark.slow

NOT_CELLS = [None, 3, "cells.h5ad", np.ones((5, 3)), [[1.0]]]
METHODS = ["transform", "predict", "score", "write_to", "trends_for"]


@pytest.mark.parametrize("value", NOT_CELLS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("method", [*METHODS, "fit", "fit_transform"])
def test_what_is_no_anndata(method, value, fitted, refuses):
    tc = lc.TrendClusterer() if method.startswith("fit") else fitted
    message = f"adata must be an AnnData .cells x genes.; got {type(value).__name__}. Wrap a matrix"
    refuses(lambda: getattr(tc, method)(value), TypeError, message)


@pytest.mark.parametrize("method", [*METHODS, "gene_trends"])
def test_no_cells(method, fitted, cells, refuses):
    refuses(lambda: getattr(fitted, method)(cells[:0]), ValueError, "adata is empty: it has 0 cells")


@pytest.mark.parametrize("method", ["transform", "predict", "score", "trends_for", "gene_trends"])
def test_genes_that_are_missing(method, fitted, cells, refuses):
    refuses(
        lambda: getattr(fitted, method)(cells[:, :3]),
        UnknownNameError,
        "^5 .*are not in .*'flat0', 'fall1'|^5 .*'flat0', 'fall1'.* are not in",
    )


@pytest.mark.parametrize("method", ["predict", "trends_for"])
def test_too_few_cells(method, fitted, cells, refuses):
    message = "2 cells of lineage 'A' in .* have 2 distinct pseudotimes"
    refuses(lambda: getattr(fitted, method)(cells[:2]), ValueError, message)


@pytest.mark.parametrize("method", [*METHODS, "gene_trends", "to_anndata", "plot", "save", "get_feature_names_out"])
def test_what_is_not_fitted(method, cells, tmp_path):
    arguments = {"save": [tmp_path / "file"], "to_anndata": [], "plot": [], "get_feature_names_out": []}
    with pytest.raises(NotFittedError, match=r"not fitted yet. Call 'fit'"):
        getattr(lc.TrendClusterer(), method)(*arguments.get(method, [cells]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["predict", "trends_for"])
@pytest.mark.parametrize(
    ("genes", "error", "message"),
    [
        (["rise9"], UnknownNameError, "Gene 'rise9' is not in .* Did you mean"),
        ("rise0", TypeError, r"got the string 'rise0'. Use genes=\['rise0'\]"),
        (3, TypeError, "got 3 of type int"),
        ([], ValueError, "genes is empty"),
        ([["rise0"]], TypeError, "flat sequence"),
    ],
    ids=str,
)
def test_genes(method, genes, error, message, fitted, cells, refuses):
    refuses(lambda: getattr(fitted, method)(cells, genes), error, message, cells)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"clusters": [9]}, ValueError, r"There is no cluster 9; the clusters are \[0, "),
        ({"clusters": [0.5]}, ValueError, "no cluster 0.5"),
        ({"clusters": [None]}, ValueError, "no cluster None"),
        ({"clusters": [[0]]}, ValueError, "no cluster"),
        ({"clusters": []}, ValueError, "clusters is empty. Name at least one"),
        ({"covariate_key": "depth", "adata": None}, ValueError, "covariate_key needs the cells: pass adata="),
        ({"covariate_key": "depth", "adata": 3}, TypeError, "adata must be an AnnData"),
        ({"covariate_key": "dept"}, UnknownNameError, "'dept' is not in adata.obs, .* Did you mean 'depth'"),
        ({"covariate_key": 3}, TypeError, "covariate_key must be obs keys; got 3"),
        ({"covariate_key": [["depth"]]}, TypeError, "An entry of covariate_key must be one name"),
        ({"covariate_key": "depth", "ratio": "x"}, TypeError, "ratio must be a number; got 'x'"),
        ({"covariate_key": "depth", "ratio": -1}, ValueError, "ratio must be a number from 0 to 10; got -1"),
        ({"covariate_key": "depth", "ratio": np.nan}, ValueError, "got nan"),
        (
            {"covariate_key": "depth", "cmap": "virids"},
            ValueError,
            "'virids' is not a colour map .* Did you mean 'viridis",
        ),
        (
            {"covariate_key": "depth", "cmap": 3},
            TypeError,
            "cmap must be the name of a colour map, or a Colormap; got 3",
        ),
        ({"ncols": 0}, ValueError, "ncols must be an integer of at least 1; got 0"),
        ({"ncols": "3"}, ValueError, "got '3'"),
        ({"sharey": "rows"}, ValueError, "sharey must be True, False, 'row', .* got 'rows'"),
        ({"sharey": []}, ValueError, r"got \[\]"),
        ({"figsize": (-1, 2)}, ValueError, r"figsize must be None or \(width, height\) .* got \(-1, 2\)"),
    ],
    ids=str,
)
def test_plots(arguments, error, message, fitted, cells, refuses):
    refuses(lambda: fitted.plot(**{"adata": cells, **arguments}), error, message, cells)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda tc: tc.models_["rise9"], KeyError, "Gene 'rise9' was not fitted. Did you mean"),
        (lambda tc: tc.models_[3], KeyError, "Gene 3 was not fitted"),
        (lambda tc: tc.set_params(nope=1), ValueError, "Invalid parameter 'nope'"),
        (
            lambda tc: tc.set_params(clusterer__nope=1),
            ValueError,
            "Invalid parameter 'nope' for estimator GraphClusterer",
        ),
        (lambda tc: tc.get_feature_names_out(["x"]), ValueError, "input_features"),
    ],
)
def test_look_ups(call, error, message, fitted):
    with pytest.raises(error, match=message):
        call(fitted)


def test_a_lineage_that_was_not_fitted(fitted, cells, refuses):
    refuses(lambda: fitted._result.held_out(cells, "B"), UnknownNameError, "Lineage 'B' was not fitted; 'A' was", cells)


def test_results_for_other_genes_are_missing_and_not_wrong(fitted, make_adata):
    other = make_adata(n_cells=20, n_genes=12)
    key = fitted.write_to(other)
    known = other.var_names.isin(fitted.genes_)
    assert np.isnan(other.varm[key][~known]).all()
    np.testing.assert_array_equal(other.varm[key][known], fitted.trends_)
    assert other.var[f"{key}_cluster"][~known].isna().all()


@pytest.mark.parametrize(("key", "stored"), [("a/b", "a_b"), ("..", "__"), ("", "_"), (3, "3")])
def test_keys_that_files_would_refuse_are_replaced(key, stored, fitted, cells):
    assert fitted.write_to(cells.copy(), key) == stored
