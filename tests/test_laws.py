"""Invariances for any data under changes of units, order, weights and smoothness."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

import lineage_clust as lc
from lineage_clust import GAM, BSplineSmoother, CubicSplineSmoother, GraphClusterer, Trends
from lineage_clust.io.files.persistence import from_bytes, to_bytes

TIME, FATE = "palantir_pseudotime", "palantir_fate_probabilities"
FAMILIES = ["gaussian", "poisson", "negative_binomial", "gamma", "binomial"]
seeds = st.integers(0, 10_000)
SHARE = settings().max_examples / 40  # less than 1 where slow tests are left out
few, fewer = settings(max_examples=round(12 * SHARE)), settings(max_examples=round(6 * SHARE))  # array fits, whole fits
may_warn = pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning")  # that noise has no cluster


def cells(make_adata, seed, kind="csr"):
    return make_adata(n_cells=60, n_genes=12, seed=seed, kind=kind)


def clusterer(**parameters):
    defaults = {"lineage": "A", "n_points": 30, "random_state": 0, "clusterer": GraphClusterer(4, resolution=1.0)}
    return lc.TrendClusterer(**{**defaults, **parameters})


def problem(seed, family="gaussian", n_cells=60, n_genes=3):
    """Return times, design, penalty, expression and weights of a small fit."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, 1, n_cells))
    t[[0, -1]] = 0, 1
    smoother = BSplineSmoother(8).fit(t[:, None])
    mean = np.exp(np.sin(rng.uniform(2, 6, n_genes) * t[:, None] + rng.uniform(0, 3, n_genes)))
    noise = {
        "gaussian": lambda: mean + rng.normal(0, 0.3, mean.shape),
        "poisson": lambda: rng.poisson(3 * mean).astype(float),
        "negative_binomial": lambda: rng.poisson(3 * mean * rng.gamma(4, 0.25, mean.shape)).astype(float),
        "gamma": lambda: mean * rng.gamma(5, 0.2, mean.shape) + 1e-3,
        "binomial": lambda: (rng.random(mean.shape) < mean / 4).astype(float),
    }
    y = noise[family]()
    y[:2] = [[1.0], [0.5]] if family == "gamma" else [[1.0], [0.0]]  # no gene without expression
    return t, smoother.transform(t[:, None]), smoother.penalty_, y, rng.uniform(0.1, 1, n_cells)


# ---------------------------------------------------------------------------------------------- units and order


@fewer
@given(seed=seeds, factor=st.floats(1e-6, 1e6), shift=st.floats(-1e6, 1e6))
@may_warn
def test_units_of_expression_do_not_change_the_clusters(make_adata, seed, factor, shift):
    adata = cells(make_adata, seed, "dense")
    tc = clusterer().fit(adata)
    adata.X = factor * adata.X.astype(float) + shift * factor
    other = clusterer().fit(adata)
    np.testing.assert_array_equal(other.labels_, tc.labels_)
    np.testing.assert_allclose(other.trends_ / factor - shift, tc.trends_, atol=1e-8 + 1e-12 * abs(shift))
    np.testing.assert_allclose(other.trend_se_, factor * tc.trend_se_, rtol=1e-4)


@fewer
@given(seed=seeds, factor=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
@may_warn
def test_units_of_pseudotime_do_not_change_the_clusters(make_adata, seed, factor, shift):
    adata = cells(make_adata, seed)
    tc = clusterer().fit(adata)
    adata.obs[TIME] = factor * adata.obs[TIME] + shift
    other = clusterer().fit(adata)
    np.testing.assert_array_equal(other.labels_, tc.labels_)
    np.testing.assert_allclose(other.pseudotime_, factor * tc.pseudotime_ + shift, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(other.trends_, tc.trends_, rtol=1e-5, atol=1e-6)


@few
@given(seed=seeds, factor=st.floats(1e-3, 1e3))
def test_units_of_the_weights_do_not_change_a_gaussian_trend(seed, factor):
    _, X, S, y, w = problem(seed)
    ours, other = (GAM().fit(X, y, sample_weight=weights, penalty=S) for weights in (w, factor * w))
    np.testing.assert_allclose(other.predict(X), ours.predict(X), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(other.pvalue_, ours.pvalue_, rtol=1e-3, atol=1e-12)
    np.testing.assert_allclose(other.edf_, ours.edf_, rtol=1e-5)


@fewer
@given(seed=seeds, kind=st.sampled_from(["csr", "csc", "dense"]))
@may_warn
def test_the_order_of_cells_and_genes_changes_only_the_order(make_adata, seed, kind):
    adata = cells(make_adata, seed, kind)
    rng = np.random.default_rng(seed)
    tc = clusterer().fit(adata)
    genes = rng.permutation(adata.n_vars)
    other = clusterer().fit(adata[rng.permutation(adata.n_obs)][:, genes].copy())
    assert other.genes_ == [tc.genes_[gene] for gene in genes]
    np.testing.assert_array_equal(other.labels_, tc.labels_[genes])
    np.testing.assert_allclose(other.trends_, tc.trends_[genes], rtol=1e-8, atol=1e-10)


def with_ties(seed, n_lines=16, n_others=8):
    """Return genes many of which have the same trend, once it is scaled: straight lines up and down."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 1, 80)
    t[:2] = 0, 1
    slopes = rng.choice([-1, 1], n_lines) * rng.uniform(0.1, 2, n_lines)
    waves = np.sin(rng.uniform(2, 6, n_others) * t[:, None] + rng.uniform(0, 3, n_others))
    values = np.hstack([slopes * t[:, None], waves]) + rng.normal(0, 0.3, (80, n_lines + n_others))
    obs = pd.DataFrame({TIME: t}, index=[f"cell{cell}" for cell in range(80)])
    return ad.AnnData(values, obs=obs, var=pd.DataFrame(index=[f"gene{gene}" for gene in range(values.shape[1])]))


CLUSTERERS = {
    "default": {},
    "one resolution": {"clusterer": GraphClusterer(4, resolution=1.0)},
    "lines only": {"model": GAM(smoothing=1e12)},
    "no posterior": {"model": make_pipeline(SplineTransformer(4), LinearRegression())},
}


@fewer
@given(seed=seeds, kind=st.sampled_from(sorted(CLUSTERERS)))
@may_warn
@pytest.mark.slow
def test_the_order_of_cells_and_genes_changes_only_the_order_of_ties_too(seed, kind):
    adata, rng = with_ties(seed), np.random.default_rng(seed)
    tc = lc.TrendClusterer(alpha=None, n_points=30, random_state=0, **CLUSTERERS[kind])
    plain, genes = clone(tc).fit(adata), rng.permutation(adata.n_vars)
    for chosen in (genes, np.arange(adata.n_vars)[::-1]):
        other = clone(tc).fit(adata[rng.permutation(adata.n_obs)][:, chosen].copy())
        np.testing.assert_array_equal(other.labels_, plain.labels_[chosen])
        confidence, expected = (table["confidence"] for table in (other.gene_table_, plain.gene_table_))
        np.testing.assert_allclose(confidence, expected.loc[confidence.index])


@few
@given(seed=seeds, resolution=st.sampled_from(["auto", 0.5, 2.0]), as_iterator=st.booleans())
def test_the_order_of_identical_rows_with_draws_does_not_matter(seed, resolution, as_iterator):
    rng = np.random.default_rng(seed)
    kinds = rng.normal(size=(6, 8))
    rows = kinds[np.sort(rng.integers(0, 6, 40))]
    draws = rows + rng.normal(0, rng.choice([0.3, 1.0, 2.0]), (12, 40, 8))
    order = rng.permutation(40)
    ours, other = (
        GraphClusterer(6, resolution=resolution, random_state=0).fit(
            rows[places], draws=iter(draws[:, places]) if as_iterator else draws[:, places]
        )
        for places in (np.arange(40), order)
    )
    np.testing.assert_array_equal(other.labels_, ours.labels_[order])
    np.testing.assert_allclose(other.confidence_, ours.confidence_[order])
    np.testing.assert_allclose(other.confidence(draws[:, order]), ours.confidence(draws)[order])


@few
@given(seed=seeds, family=st.sampled_from(FAMILIES))
def test_genes_are_fitted_together_as_alone(seed, family):
    _, X, S, y, w = problem(seed, family)
    together = GAM(family).fit(X, y, sample_weight=w, penalty=S)
    for gene in range(y.shape[1]):
        alone = GAM(family).fit(X, y[:, gene], sample_weight=w, penalty=S)
        np.testing.assert_allclose(together.predict(X)[:, gene], alone.predict(X), rtol=1e-5, atol=1e-7)


# ---------------------------------------------------------------------------------------------- weights and cells


@few
@given(seed=seeds, family=st.sampled_from(FAMILIES), smoothing=st.floats(1e-2, 1e3))
def test_every_cell_twice_is_every_weight_doubled(seed, family, smoothing):
    _, X, S, y, w = problem(seed, family)
    model = GAM(family, smoothing=smoothing, dispersion=0.4)
    doubled = clone(model).fit(X, y, sample_weight=2 * w, penalty=S)
    twice = clone(model).fit(sparse.vstack([X, X]), np.vstack([y, y]), sample_weight=np.tile(w, 2), penalty=S)
    np.testing.assert_allclose(twice.coef_, doubled.coef_, rtol=1e-5, atol=1e-6)


@few
@given(
    seed=seeds,
    family=st.sampled_from(FAMILIES),
    kind=st.sampled_from([np.asarray, sparse.csr_matrix, sparse.csc_array]),
)
def test_a_cell_of_weight_0_is_absent(seed, family, kind):
    _, X, S, y, w = problem(seed, family)
    absent = np.random.default_rng(seed).random(len(y)) < 0.3
    absent[:2] = False
    spoilt = np.where(absent[:, None], np.float64(77.0), y) if family != "binomial" else y
    ours = GAM(family).fit(X, kind(spoilt), sample_weight=np.where(absent, 0.0, w), penalty=S)
    other = GAM(family).fit(X[~absent], kind(y[~absent]), sample_weight=w[~absent], penalty=S)
    for name in ("coef_", "edf_", "scale_", "pvalue_", "lambda_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(other, name), rtol=1e-9, atol=1e-12)


@few
@given(seed=seeds, family=st.sampled_from(["gaussian", "poisson"]), level=st.floats(-2, 2))
def test_a_constant_offset_moves_the_level(seed, family, level):
    _, X, S, y, w = problem(seed, family)
    model = GAM(family, smoothing=1.0)
    ours = clone(model).fit(X, y, sample_weight=w, penalty=S).predict(X)
    other = clone(model).fit(X, y, sample_weight=w, penalty=S, offset=np.full(len(y), level)).predict(X)
    expected = ours - level if family == "gaussian" else ours * np.exp(-level)
    np.testing.assert_allclose(other, expected, rtol=1e-6, atol=1e-8)


@few
@given(seed=seeds, family=st.sampled_from(FAMILIES), density=st.sampled_from([0.1, 0.5, 1.0]))
def test_how_expression_is_stored_does_not_matter(seed, family, density):
    _, X, S, y, w = problem(seed, family)
    if family != "gamma":
        y = y * (np.random.default_rng(seed).random(y.shape) < density)
        y[:2] = [[1.0], [0.0]]
    kinds = (np.asarray, np.asfortranarray, sparse.csr_matrix, sparse.csc_array)
    fits = [GAM(family).fit(X, kind(y), sample_weight=w, penalty=S).predict(X) for kind in kinds]
    for other in fits[1:]:
        np.testing.assert_allclose(other, fits[0], rtol=1e-6, atol=1e-8)


# ---------------------------------------------------------------------------------------------- smoothness


@few
@given(seed=seeds, smoother=st.sampled_from([BSplineSmoother(10), CubicSplineSmoother(10)]))
def test_smoothness_without_bound_gives_the_penaltys_null_space(seed, smoother):
    t, _, _, y, w = problem(seed)
    X = smoother.fit_transform(t[:, None])
    gam = GAM(smoothing=1e12).fit(X, y, sample_weight=w, penalty=smoother.penalty_)
    lines = np.polyval(np.polyfit(t, y, 1, w=np.sqrt(w)), t[:, None])
    np.testing.assert_allclose(gam.predict(X), lines, atol=1e-4)
    np.testing.assert_allclose(gam.edf_, 2, atol=1e-3)


@few
@given(seed=seeds)
def test_no_smoothness_gives_the_regression_spline(seed):
    _, X, S, y, w = problem(seed)
    gam = GAM(smoothing=0).fit(X, y, sample_weight=w, penalty=S)
    root = np.sqrt(w)[:, None]
    coefficients = np.linalg.lstsq(root * X.toarray(), root * y, rcond=None)[0]
    np.testing.assert_allclose(gam.predict(X), X @ coefficients, atol=1e-7)
    np.testing.assert_allclose(gam.edf_, np.linalg.matrix_rank(X.toarray()), atol=1e-6)


@few
@given(seed=seeds, family=st.sampled_from(FAMILIES), start=st.floats(0.1, 0.7))
def test_predictions_in_a_gap_stay_near_the_data(seed, family, start):
    t, _, _, y, w = problem(seed, family)
    seen = (t < start) | (t > start + 0.2)
    smoother = BSplineSmoother(domain=(0, 1)).fit(t[:, None])
    X = smoother.transform(t[:, None])
    gam = GAM(family).fit(X[seen], y[seen], sample_weight=w[seen], penalty=smoother.penalty_)
    found = gam.predict(smoother.transform(np.linspace(0, 1, 101)[:, None]))
    width = np.ptp(y[seen], axis=0)
    assert np.isfinite(found).all()
    assert (found <= y[seen].max(axis=0) + width).all()
    assert (found >= y[seen].min(axis=0) - width).all()


@few
@given(seed=seeds, family=st.sampled_from(FAMILIES), covariance=st.sampled_from(["robust", "bayes"]))
def test_errors_are_not_negative_and_intervals_hold_the_trend(seed, family, covariance):
    _, X, S, y, w = problem(seed, family)
    gam = GAM(family, covariance=covariance).fit(X, y, sample_weight=w, penalty=S)
    trend, std = gam.predict(X, return_std=True)
    low, high = gam.confidence_interval(X, 0.9)
    wider = gam.confidence_interval(X, 0.99)
    assert (std >= 0).all()
    assert ((low <= trend) & (trend <= high)).all()
    assert ((wider[0] <= low) & (high <= wider[1])).all()
    assert ((gam.pvalue_ >= 0) & (gam.pvalue_ <= 1)).all()
    assert (gam.deviance_explained_ <= 1).all()
    assert ((gam.edf_ > 0) & (gam.edf_ <= X.shape[1] + 1e-6)).all()


# ---------------------------------------------------------------------------------------------- the whole


@fewer
@given(seed=seeds, alpha=st.sampled_from([None, 0.01, 0.5]))
@may_warn
def test_a_gene_of_the_fit_is_predicted_into_its_own_cluster(make_adata, seed, alpha):
    adata = cells(make_adata, seed)
    tc = clusterer(alpha=alpha).fit(adata)
    np.testing.assert_array_equal(tc.predict(adata), tc.labels_)
    np.testing.assert_allclose(tc.trends_for(adata).values, tc.trends_, rtol=1e-9, atol=1e-12)


@fewer
@given(seed=seeds, family=st.sampled_from(["gaussian", "negative_binomial"]))
@may_warn
def test_a_saved_fit_is_the_fit(make_adata, seed, family):
    adata = cells(make_adata, seed)
    tc = clusterer(model=GAM(family, max_iter=20), layer="counts").fit(adata)
    data = to_bytes(tc)
    loaded = from_bytes(data, lc.TrendClusterer)
    assert to_bytes(loaded) == data
    np.testing.assert_array_equal(loaded.trends_, tc.trends_)
    np.testing.assert_array_equal(loaded.predict(adata), tc.predict(adata))
    assert loaded.gene_table_.equals(tc.gene_table_)
    if tc.n_clusters_:
        np.testing.assert_array_equal(loaded.transform(adata), tc.transform(adata))


@fewer
@given(seed=seeds)
@may_warn
def test_a_clone_is_the_same_and_fitting_twice_changes_nothing(make_adata, seed):
    adata = cells(make_adata, seed)
    tc = clusterer(model=GAM(smoothing="gcv"), scale="minmax")
    assert repr(clone(tc)) == repr(tc)
    assert repr(clone(tc).get_params()) == repr(tc.get_params())
    first = tc.fit(adata).labels_.copy()
    np.testing.assert_array_equal(clone(tc).fit(adata).labels_, first)
    np.testing.assert_array_equal(tc.fit(adata).labels_, first)


@fewer
@given(seed=seeds)
@may_warn
def test_clusters_are_numbered_by_time_and_tables_agree(make_adata, seed):
    tc = clusterer(alpha=None).fit(cells(make_adata, seed))
    peaks = tc.pseudotime_[tc.cluster_centers_.argmax(axis=1)]
    assert (np.diff(peaks) >= 0).all()
    assert sorted(set(tc.labels_.tolist()) - {-1}) == list(range(tc.n_clusters_))
    assert tc.cluster_table_["size"].sum() == (tc.labels_ >= 0).sum()
    assert tc.gene_table_["cluster"].tolist() == tc.labels_.tolist()


curves = st.lists(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), min_size=1, max_size=5)


@given(rows=curves, factor=st.floats(0.01, 100), shift=st.floats(-100, 100))
def test_scaled_trends_do_not_know_their_units(rows, factor, shift):
    values = np.round(np.array(rows), 3)  # no range that is lost when a shift is added
    grid, genes = np.arange(4.0), [str(row) for row in range(len(values))]
    for scale in ("zscore", "minmax"):
        ours = Trends(values, grid, genes).scaled(scale)
        other = Trends(factor * values + shift, grid, genes).scaled(scale)
        varies = np.ptp(values, axis=1) > 1e-6 * (np.abs(values).max(axis=1) + 100)
        np.testing.assert_allclose(other[varies], ours[varies], atol=1e-5)
        assert (ours[np.ptp(values, axis=1) == 0] == 0).all()
        if scale == "zscore" and varies.any():
            np.testing.assert_allclose(ours[varies].std(axis=1), 1, atol=1e-9)
