"""Unusual and invalid AnnData: rejected with a reason, or the result is right."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import lineage_clust as lc
from lineage_clust import GAM, NoTrendError, UnknownNameError

pytestmark = pytest.mark.slow

TIME, FATE = "palantir_pseudotime", "palantir_fate_probabilities"
N = 60


def with_time(values):
    def change(adata):
        adata.obs[TIME] = values(adata.obs[TIME].to_numpy()) if callable(values) else values

    return change


def with_fates(values):
    def change(adata):
        adata.obsm[FATE] = values(adata.obsm[FATE])

    return change


def with_expression(values):
    def change(adata):
        adata.X = values(adata.X.toarray().astype(float))

    return change


def only(*index):
    return lambda adata: adata[index].copy()


def repeated_names(adata):
    adata.var_names = ["twice", "twice", *adata.var_names[2:]]


REFUSED = {
    "categorical time": (with_time(pd.Categorical(np.arange(N) % 7)), TypeError, "must be numeric; its dtype is category"),
    "time in words": (with_time([str(value) for value in range(N)]), TypeError, "must be numeric; .*astype.float."),
    "boolean time": (with_time(np.arange(N) > 30), TypeError, "must be numeric; its dtype is bool"),
    "complex time": (with_time(np.arange(N) * 1j), TypeError, "must be numeric; its dtype is complex128"),
    "dates": (with_time(pd.date_range("2020", periods=N)), TypeError, "must be numeric; its dtype is datetime64"),
    "time beyond precision": (with_time(lambda t: t + 1e17), ValueError, r"starts at 1e\+17 and ends at 1e\+17"),
    "time of little precision": (with_time(lambda t: t + 1e13), ValueError, "Knots cannot be placed on"),
    "time as wide as floats": (with_time(lambda t: (2 * t - 1) * 1.7e308), ValueError, r"spans \[-1.7e\+308, .*Rescale it"),
    "time as wide as 1e300": (with_time(lambda t: t * 1e300), ValueError, "Knots cannot be placed .* rescale pseudotime"),
    "time as narrow as 1e-300": (with_time(lambda t: t * 1e-300), ValueError, "Knots cannot be placed"),
    "constant time": (with_time(0.5), ValueError, "its cells span .0.5, 0.5.. Set time_range"),
    "infinite time": (with_time(np.inf), ValueError, "infinite in every cell: no cells remain .* Check time_key"),
    "two times": (with_time(np.arange(N) % 2.0), ValueError, "have 2 distinct pseudotimes; BSplineSmoother needs at least 3"),
    "fates without names": (with_fates(lambda f: f.to_numpy()), UnknownNameError, "'A' was not found: .* contains '0', '1'"),
    "fates without columns": (with_fates(lambda f: f[[]]), UnknownNameError, "contains no lineage"),
    "two fates of one name": (
        with_fates(lambda f: f.set_axis(["A", "A"], axis=1)), ValueError, "has 2 columns named 'A'. Give its columns unique",
    ),
    "fates in three dimensions": (
        lambda a: a.obsm.__setitem__(FATE, np.ones((N, 2, 2))), UnknownNameError, "'A' was not found",
    ),
    "fates that are words": (
        with_fates(lambda f: f.assign(A=pd.Categorical(["x"] * N))), TypeError, "column 0, must hold real numbers; got",
    ),
    "negative fates": (with_fates(lambda f: f - 0.5), ValueError, "must not be negative; the smallest is -0.4"),
    "fates that are huge": (with_fates(lambda f: f * 1e300), ValueError, "largest value of sample_weight is .*Divide it"),
    "fates that are NaN": (with_fates(lambda f: f * np.nan), ValueError, "NaN or infinite in every cell"),
    "fates as small as 1e-90": (with_fates(lambda f: f * 1e-90), ValueError, "No cell belongs to lineage 'A'"),
    "weight on two cells": (
        with_fates(lambda f: f.assign(A=(np.arange(N) < 2) * 1.0)), ValueError, "have 2 distinct pseudotimes"
    ),
    "expression that is NaN": (with_expression(lambda x: x * np.nan), NoTrendError, "None of the 8 genes .*NaN"),
    "expression that is huge": (with_expression(lambda x: x * 1e200), NoTrendError, "so large that its squares overflow"),
    "expression that is complex": (with_expression(lambda x: x * 1j), TypeError, "must be real; its dtype is complex"),
    "names that are there "
    "twice": (repeated_names, ValueError, "'twice' more than once. Call adata.var_names_make_unique"),
    "one cell": (only([0]), ValueError, "starts at 0 and ends at 0"),
    "two cells": (only([0, 1]), ValueError, "have 2 distinct pseudotimes"),
    "no cell": (only(slice(0)), ValueError, "adata is empty: it has 0 cells and 8 genes"),
    "no gene": (only(slice(None), slice(0)), ValueError, "adata is empty: it has 60 cells and 0 genes"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name, make_adata, fit, refuses):
    change, error, message = REFUSED[name]
    adata = make_adata(n_cells=N, n_genes=8)
    changed = change(adata)
    adata = adata if changed is None else changed
    refuses(lambda: fit(adata), error, message, adata)


WORKS = {
    "integer time": with_time(np.arange(N)),
    "nullable integer time": with_time(pd.array([None, *range(N - 1)], dtype="Int64")),
    "nullable float time": with_time(pd.array([None, *np.arange(N - 1.0)], dtype="Float64")),
    "float16 time": with_time(lambda t: t.astype(np.float16)),
    "time from 1e8 on": with_time(lambda t: t + 1e8),
    "negative time": with_time(lambda t: -5 * t),
    "one time far away": with_time(lambda t: np.where(np.arange(N) == 5, 1e6, t)),
    "three times": with_time(np.arange(N) % 3.0),
    "fates in words for numbers": with_fates(lambda f: f.astype(str)),
    "fates as booleans": with_fates(lambda f: f > 0.5),
    "fates as objects": with_fates(lambda f: f.astype(object)),
    "fates above 1": with_fates(lambda f: f * 7),
    "one fate": with_fates(lambda f: f[["A"]]),
    "constant fates": with_fates(lambda f: f * 0 + 0.3),
    "one infinite fate": with_fates(lambda f: f.assign(A=np.where(np.arange(N) == 3, np.inf, f["A"]))),
    "negative expression": with_expression(lambda x: x - 5),
    "tiny expression": with_expression(lambda x: x * 1e-100),
    "integer expression": with_expression(lambda x: x.astype(np.int8)),
    "unsigned expression": with_expression(lambda x: x.astype(np.uint8)),
    "boolean expression": with_expression(lambda x: x > 0),
    "float16 expression": with_expression(lambda x: x.astype(np.float16)),
    "expression as objects": with_expression(lambda x: x.astype(object)),
    "Fortran order": with_expression(np.asfortranarray),
    "three cells": only([0, 1, 2]),
    "one gene": only(slice(None), [0]),
    "two genes": only(slice(None), [0, 1]),
    "every second cell and gene, a view": lambda adata: adata[::2, ::2],
    "genes that are all the same": with_expression(lambda x: np.repeat(x[:, :1], 8, axis=1)),
    "cells of one name": lambda adata: setattr(adata, "obs_names", ["cell"] * N),
    "genes with any names": lambda adata: setattr(adata, "var_names", [f"gène\n é/{i} .." for i in range(8)]),
    "genes named by digits": lambda adata: setattr(adata, "var_names", [str(i) for i in range(8)]),
}  # fmt: skip


@pytest.mark.parametrize("name", WORKS)
@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning", "ignore:Observation names:UserWarning")
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_it_works(name, make_adata, fit):
    adata = make_adata(n_cells=N, n_genes=8)
    changed = WORKS[name](adata)
    tc = fit(adata if changed is None else changed)
    assert np.isfinite(tc.trends_).all()
    assert (tc.trend_se_ >= 0).all()
    assert tc.trends_.shape == (len(tc.genes_), 12)


def test_values_that_leave_out_a_cell_are_counted(make_adata, fit):
    adata = make_adata(n_cells=N, n_genes=8)
    adata.obs.loc[adata.obs_names[:7], TIME] = np.nan
    adata.obsm[FATE].iloc[7:9, 0] = np.inf
    with pytest.warns(lc.LineageClustWarning, match="9 of 60 cells are excluded"):
        tc = fit(adata)
    np.testing.assert_allclose(tc.trends_, fit(adata[9:].copy()).trends_, atol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_a_gene_that_is_not_finite_fails_alone(value, family, make_adata, fit):
    adata = make_adata(n_cells=N, n_genes=8)
    adata.X = adata.layers["counts"].copy() if family == "poisson" else adata.X
    expected = fit(adata, genes=[name for name in adata.var_names if name != "rise0"], model=GAM(family))
    adata.X = np.where(adata.var_names == "rise0", value, adata.X.toarray())
    tc = fit(adata, model=GAM(family))
    assert list(tc.failed_) == ["rise0"]
    assert "NaN or infinite" in tc.failed_["rise0"]
    np.testing.assert_allclose(tc.trends_, expected.trends_, rtol=1e-6)


def test_genes_that_are_only_in_raw_are_named_with_the_remedy(make_adata, fit, refuses):
    adata = make_adata(n_cells=N, n_genes=8)
    few = adata[:, :4].copy()
    few.raw = adata
    refuses(lambda: fit(few, genes=["flat1"]), UnknownNameError, "is in adata.raw: pass use_raw=True", few)
    assert fit(few, genes=["flat1", "rise1"], use_raw=True).genes_ == ["flat1", "rise1"]


@pytest.mark.parametrize("name", ["Mono/Mac", "..", "1 é\n*" + "a" * 200])
@pytest.mark.filterwarnings("ignore:Forward slashes:FutureWarning")
def test_lineages_may_have_any_name(name, make_adata, fit, tmp_path):
    adata = make_adata(n_cells=N, n_genes=8)
    adata.obsm[FATE] = adata.obsm[FATE].rename(columns={"A": name})
    tc = fit(adata, lineage=name)
    both = fit(adata, lineage=[name, "B"])
    tc.save(tmp_path / "fit")
    assert lc.TrendClusterer.load(tmp_path / "fit").lineage_ == name
    for number, one in enumerate((tc, both)):
        results = one.to_anndata()
        results.write_h5ad(tmp_path / f"{number}.h5ad")
        assert list(ad.read_h5ad(tmp_path / f"{number}.h5ad").obs_names) == one.genes_
    keys = [one.write_to(adata) for one in (tc, both)]
    del adata.obsm[FATE]  # names of columns are anndata's own business
    adata.write_h5ad(tmp_path / "cells.h5ad")
    again = ad.read_h5ad(tmp_path / "cells.h5ad")
    for key, one in zip(keys, (tc, both), strict=True):
        np.testing.assert_array_equal(again.varm[key], one.trends_)
        assert again.uns[key]["lineage"].tolist() == (
            one.lineage_ if isinstance(one.lineage_, list) else [one.lineage_]
        )


def test_sparse_matrices_with_entries_stored_twice_count_their_sum(make_adata, fit):
    adata = make_adata(n_cells=N, n_genes=8)
    expected = fit(adata)
    whole = adata.X.tocoo()
    rows, columns, halves = np.tile(whole.row, 2), np.tile(whole.col, 2), np.tile(whole.data / 2, 2)
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=N))])
    adata.X = sparse.csr_matrix((halves[order], columns[order], starts), shape=whole.shape)
    assert not adata.X.has_canonical_format
    np.testing.assert_allclose(fit(adata).trends_, expected.trends_, atol=1e-6)
