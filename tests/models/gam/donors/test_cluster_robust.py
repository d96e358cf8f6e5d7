"""GAM with the cluster-robust covariance: algebra, invariances, families and messages."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, sparse, stats

import lineage_clust as lc
from lineage_clust import GAM
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.models.gam.donors import nodes as donors_nodes

from .test_gaussian import donors_data
from .test_glm import counts


def fit_of(data, weights=None, family="gaussian", offset=None, **options):
    donors, design, penalty, Y = data
    model = GAM(family, covariance="cluster", **options)
    return model.fit(design, Y, weights, penalty, offset=offset, groups=donors)


def gaussian(**options):
    _, donors, design, penalty, Y = donors_data(**options)
    return donors, design, penalty, Y


def by_cells(fit, Z, penalty, donors, working, residual, scale):
    """Return the covariances before the factor of the t distribution, with matrices over cells."""
    found = []
    for gene, lambda_ in enumerate(fit.lambda_):
        root = np.sqrt(working[:, gene])[:, None]
        X, e = Z * root, residual[:, gene] / root[:, 0]
        A = np.linalg.inv(X.T @ X + lambda_ * penalty)
        hat = X @ (2 * A - A @ X.T @ X @ A) @ X.T  # twice minus squared: that of the residuals' variance
        steps = []
        for donor in np.unique(donors):
            own = donors == donor
            corrected = linalg.inv(linalg.sqrtm(np.eye(own.sum()) - hat[np.ix_(own, own)]).real) @ e[own]
            steps.append(A @ X[own].T @ corrected)
        found.append(np.array(steps).T @ np.array(steps) + scale[gene] * lambda_ * A @ penalty @ A)
    return np.array(found)


def assert_proportional(matrices, expected, rtol):
    ratio = np.einsum("gij->g", matrices) / np.einsum("gij->g", expected)
    np.testing.assert_allclose(matrices, ratio[:, None, None] * expected, rtol=rtol, atol=rtol * np.abs(expected).max())
    assert np.all((ratio > 1) & (ratio < (stats.t.ppf(0.975, 1) / 1.96) ** 2))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_covariance_is_that_of_the_cells(weighted):
    data = gaussian(n_genes=4)
    donors, design, penalty, Y = data
    Z, weights = design.toarray(), np.random.default_rng(1).uniform(0.2, 1, len(Y)) if weighted else np.ones(len(Y))
    fit = fit_of(data, weights)
    residual = Y - fit.predict(design)
    scale = weights @ residual**2 / (len(Y) - fit.edf_)
    working = np.tile(weights[:, None], 4)
    expected = by_cells(fit, Z, penalty, donors, working, working * residual, scale)
    assert_proportional(fit.posterior_.matrices, expected, 1e-6)


def test_the_covariance_of_counts_is_that_of_the_cells(monkeypatch):
    monkeypatch.setattr(donors_nodes, "_WORTHWHILE", np.inf)  # cells are the nodes
    donors, design, penalty, depth, Y = counts(n_genes=3)
    fit = fit_of((donors, design, penalty, Y), family="poisson", offset=depth, discretize=False)
    mu = fit.predict(design) * np.exp(depth)[:, None]
    expected = by_cells(fit, design.toarray(), penalty, donors, mu, Y - mu, np.ones(3))
    assert_proportional(fit.posterior_.matrices, expected, 1e-5)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_estimates_are_those_of_the_cells(family):
    donors, design, penalty, _, Y = counts()
    fit, cells = fit_of((donors, design, penalty, Y), family=family), GAM(family).fit(design, Y, penalty=penalty)
    for name in ("coef_", "lambda_", "edf_", "scale_", "deviance_explained_", "spread_"):
        np.testing.assert_allclose(getattr(fit, name), getattr(cells, name), rtol=1e-9, err_msg=name)
    assert not np.allclose(fit.pvalue_, cells.pvalue_)
    assert not hasattr(fit, "shift_variance_")


def test_without_differences_between_donors_errors_are_those_of_cells():
    data = gaussian(n_donors=20, n_cells=1_000, n_genes=60, shift=0.0, curve=0.0)
    _, design, penalty, Y = data
    errors = [fit.predict(design, return_std=True)[1] for fit in (fit_of(data), GAM().fit(design, Y, penalty=penalty))]
    assert 0.9 < np.median(errors[0] / errors[1]) < 1.15


@given(st.floats(0.01, 100.0), st.floats(-50.0, 50.0), st.floats(0.01, 100.0), st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_units_weights_order_and_names_do_not_matter(unit, level, weight, seed):
    rng = np.random.default_rng(seed)
    donors, design, penalty, Y = gaussian(seed=seed, n_genes=4)
    fit = fit_of((donors, design, penalty, Y))
    genes, names = rng.permutation(4), rng.permutation(np.array(list("abcde")))
    weights = np.full(len(Y), weight)
    other = fit_of((names[donors], design, penalty, (level + unit * Y)[:, genes]), weights)
    np.testing.assert_allclose(other.pvalue_, fit.pvalue_[genes], rtol=1e-6)
    errors = [one.predict(design, return_std=True)[1] for one in (other, fit)]
    np.testing.assert_allclose(errors[0], unit * errors[1][:, genes], rtol=1e-3)


def test_levels_and_covariates_of_donors_do_not_change_the_test():
    donors, design, penalty, Y = gaussian(n_genes=6, n_donors=8)
    rng = np.random.default_rng(0)
    levels, of_donors = rng.normal(0, 10, (8, 6))[donors], rng.normal(size=(8, 2))[donors]
    of_cells = rng.normal(size=(len(Y), 1))
    plain = fit_of((donors, sparse.hstack([design, of_cells], format="csr"), penalty, Y))
    other = fit_of((donors, sparse.hstack([design, of_donors, of_cells], format="csr"), penalty, Y + levels))
    np.testing.assert_allclose(other.pvalue_, plain.pvalue_, rtol=1e-6)


def test_genes_do_not_depend_on_one_another():
    data = gaussian(n_genes=12)
    together = fit_of(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # few genes are enough
        alone = fit_of((*data[:3], data[3][:, 3]))
    np.testing.assert_allclose(alone.pvalue_, together.pvalue_[[3]], rtol=1e-8)
    np.testing.assert_allclose(alone.posterior_.matrices, together.posterior_.matrices[[3]], rtol=1e-5, atol=1e-12)


def test_blocks_arrays_and_sparse_matrices_agree_with_covariates_too():
    donors, design, penalty, Y = gaussian()
    rng = np.random.default_rng(0)
    Y = np.where(rng.uniform(size=Y.shape) < 0.5, np.maximum(Y, 0), 0)
    batch = (rng.uniform(size=(len(Y), 1)) < 0.5).astype(float)
    offset = rng.normal(0, 0.1, len(Y))
    design = sparse.hstack([design, batch], format="csr")
    fits = [
        fit_of((donors, design, penalty, y), offset=offset)
        for y in (Y, sparse.csr_array(Y), BlockedExpression(sparse.csc_array(Y), memory_budget=20_000))
    ]
    for other in fits[1:]:
        np.testing.assert_allclose(other.pvalue_, fits[0].pvalue_, rtol=1e-6)
        np.testing.assert_allclose(other.posterior_.matrices, fits[0].posterior_.matrices, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "gamma", "inverse_gaussian", "binomial"])
def test_families(family):
    donors, design, penalty, _, Y = counts(n_genes=6)
    Y = (Y > 2) * 1.0 if family == "binomial" else Y + (family in ("gamma", "inverse_gaussian"))
    fit = fit_of((donors, design, penalty, Y), family=family)
    mean, error = fit.predict(design, return_std=True)
    assert np.all((fit.pvalue_ > 0) & (fit.pvalue_ <= 1))
    assert np.isfinite(mean).all()
    assert np.all(error > 0)


@pytest.mark.parametrize("donors_apart", [False, True])
def test_counts_on_a_grid_are_nearly_those_of_cells(donors_apart):
    donors, design, penalty, depth, Y = counts(n_cells=3_000, n_genes=5, n_donors=6)
    Y = Y * (donors != 0)[:, None] if donors_apart else Y  # one donor does not express the genes
    fits = [
        fit_of((donors, design, penalty, Y), family="negative_binomial", offset=depth, discretize=discretize)
        for discretize in (True, False)
    ]
    np.testing.assert_allclose(fits[0].pvalue_, fits[1].pvalue_, rtol=0.05)
    errors = [fit.predict(design, return_std=True)[1] for fit in fits]
    np.testing.assert_allclose(errors[0], errors[1], rtol=0.03)


def test_counts_of_one_or_two_donors_are_not_tested():
    donors, design, penalty, _, Y = counts(n_genes=4)
    Y[donors > 1, 0] = 0
    Y[:, 1] = 0
    fit = fit_of((donors, design, penalty, Y), family="negative_binomial")
    assert fit.pvalue_[0] == 1
    assert "fewer than three donors" in fit.note_[0]
    assert list(fit.failed_) == [1]
    assert np.isnan(fit.pvalue_[1])
    assert np.isnan(fit.predict(design, return_std=True)[1][:, 1]).all()
    assert np.all(fit.pvalue_[2:] < 1)


def test_poor_genes_cost_only_themselves():
    data = gaussian(n_genes=6)
    expected, Y = fit_of(data).pvalue_, data[-1]
    Y[3, 0], Y[:, 1], Y[:, 2] = np.nan, 4.0, 0.0
    Y[7, 2] = 1.0
    fit = fit_of(data)
    assert list(fit.failed_) == [0]
    assert np.isnan(fit.pvalue_[0])
    np.testing.assert_array_equal(fit.pvalue_[1:3], 1.0)
    np.testing.assert_allclose(fit.pvalue_[3:], expected[3:], rtol=1e-8)
    some = fit.take_genes([4, 1])
    np.testing.assert_array_equal(some.pvalue_, fit.pvalue_[[4, 1]])


def test_one_large_donor_and_donors_of_one_cell_are_no_obstacle():
    donors, design, penalty, Y = gaussian(n_donors=8, n_cells=200)
    donors = np.where(np.arange(len(Y)) < 196, 0, 1 + np.arange(len(Y)) % 4)
    fit = fit_of((donors, design, penalty, Y))
    assert np.isfinite(fit.predict(design, return_std=True)[1]).all()
    np.testing.assert_array_equal(fit.pvalue_, 1.0)  # all that is known of a trend is one donor's


def test_a_design_without_a_smooth_part_has_nothing_to_test():
    donors, _, _, Y = gaussian()
    fit = GAM(covariance="cluster").fit(np.ones((len(Y), 1)), Y, groups=donors)
    np.testing.assert_array_equal(fit.pvalue_, 1.0)
    means = np.array(
        [Y[donors == donor].mean(axis=0) for donor in range(5)]
    )  # equal numbers of cells: a t-test of means
    lower, upper = fit.confidence_interval(np.ones((1, 1)))
    expected = stats.t.interval(0.95, 4, means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(5))
    np.testing.assert_allclose([lower[0], upper[0]], expected, rtol=1e-8)


def test_draws_have_the_standard_errors():
    data = gaussian(n_genes=3)
    fit = fit_of(data)
    rows = data[1][::50]
    drawn = np.stack(list(fit.sample(rows, n_draws=3_000, random_state=0)))
    np.testing.assert_allclose(drawn.std(axis=0), fit.predict(rows, return_std=True)[1], rtol=0.07)


@pytest.mark.parametrize(
    "options, given, message",
    [
        ({}, None, "groups to fit .sample_key"),
        ({"family": "poisson"}, None, "cells are the replicates"),
        ({}, np.arange(300) % 3, "at least 4"),
        ({"expectile": 0.9}, np.arange(300) % 5, "no expectile"),
    ],
)
def test_without_donors_it_is_refused(options, given, message):
    _, design, penalty, Y = gaussian()
    with pytest.raises(ValueError, match=message):
        GAM(covariance="cluster", **options).fit(design, np.abs(Y), penalty=penalty, groups=given)


def test_comparisons_refuse_it():
    adata = lc.datasets.simulate_lineage(100, 5, 2, n_lineages=1, random_state=0)
    adata.obs["condition"] = np.array(["a", "b"])[np.arange(100) % 2]
    with pytest.raises(ValueError, match="covariance must be 'robust'; got 'cluster'"):
        lc.compare_conditions(adata, "condition", model=GAM(covariance="cluster"))


@pytest.mark.parametrize("n_donors", [4, 12])
def test_calibration(n_donors):
    """`python -m benchmarks.donors --cluster` has more of it."""
    from benchmarks.donors import pvalues
    from benchmarks.donors_data import Effect, simulate

    time, donor, Y, truth = simulate(np.random.default_rng(n_donors), n_donors, 600, 1_200, False, Effect(0.25, 0.25))
    found, fits, design = pvalues(time, donor, Y, methods=("cluster",))
    flat = np.ptp(truth, axis=0) == 0
    assert 0.015 < np.mean(found["cluster"][flat] < 0.05) < 0.085
    lower, upper = fits["cluster"].confidence_interval(design)
    assert 0.92 < np.mean((lower <= truth) & (truth <= upper)) < 0.98


def test_a_smoother_of_a_cyclic_time_is_possible():
    donors, _, _, Y = gaussian()
    smoother = lc.CyclicSplineSmoother(n_splines=8, domain=(0.0, 1.0))
    design = smoother.fit_transform(donors_data()[0][:, None])
    fit = fit_of((donors, design, smoother.penalty_, Y))
    assert np.all((fit.pvalue_ > 0) & (fit.pvalue_ < 1))


def test_a_trend_is_found():
    donors, design, penalty, Y = gaussian(n_donors=8)
    time = donors_data(n_donors=8)[0]
    Y[:, 0] += 3 * time
    fit = fit_of((donors, design, penalty, Y))
    assert fit.pvalue_[0] < 1e-3
