"""Donors as replicates with non-Gaussian families: working models, estimates and calibration."""

from dataclasses import replace
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.expression.counts.table import count_table
from lineage_clust.expression.passes import run_fits
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.models.families import FAMILIES
from lineage_clust.models.gam.design import make_design
from lineage_clust.models.gam.donors import each as donors_each
from lineage_clust.models.gam.donors import nodes as donors_nodes
from lineage_clust.models.gam.donors import runs as donors_runs
from lineage_clust.models.gam.donors import tables as donors_tables
from lineage_clust.models.gam.donors import working as donors_working
from lineage_clust.models.gam.donors.averages import moved_by_lambda
from lineage_clust.models.gam.donors.glm import runs_of_donors
from lineage_clust.models.gam.donors.nodes import DonorTable
from lineage_clust.models.gam.donors.prior import learn as donors_learn
from lineage_clust.models.gam.donors.prior import usual_shape
from lineage_clust.models.gam.donors.variances import Variances, grid
from lineage_clust.models.gam.donors.working import iterate, linearised
from lineage_clust.models.gam.pirls.fit import fit_glm
from lineage_clust.models.gam.pirls.grid import wanted_for
from lineage_clust.models.gam.pirls.problem import Cells, Choices, Likelihood
from lineage_clust.models.links import LINKS


def counts(seed=0, n_donors=5, n_cells=400, n_genes=20, shift=0.4, curve=0.4, size=2.0):
    """Return donors, a design with its penalty, log depth, and negative binomial counts without a common trend."""
    rng = np.random.default_rng(seed)
    donors = rng.permutation(np.arange(n_cells) % n_donors)
    time, depth = rng.uniform(size=n_cells), rng.normal(0, 0.3, n_cells)
    smoother = BSplineSmoother(n_splines=8, domain=(0.0, 1.0))
    design = smoother.fit_transform(time[:, None])
    levels, slopes = rng.standard_normal((2, n_donors, n_genes))
    eta = 1.0 + depth[:, None] + shift * levels[donors] + curve * slopes[donors] * np.sqrt(12) * (time - 0.5)[:, None]
    return donors, design, smoother.penalty_, depth, rng.poisson(rng.gamma(size, np.exp(eta) / size)).astype(float)


def fit_of(data, family="negative_binomial", weights=None, **options):
    donors, design, penalty, depth, Y = data
    return GAM(family, **options).fit(design, Y, weights, penalty, offset=depth, groups=donors)


def problem_of(data, family, monkeypatch, theta=2.0):
    """Return the fits of all genes before the first iteration, cells being the nodes, and the design's matrix."""
    monkeypatch.setattr(donors_nodes, "_WORTHWHILE", np.inf)
    donors, X, penalty, depth, Y = data
    weights = np.random.default_rng(1).uniform(0.3, 1, len(Y))
    design = make_design(X, penalty, weights, "auto")
    likelihood = Likelihood(FAMILIES[family], LINKS[FAMILIES[family].default_link], dispersion=1 / theta)
    choices = Choices("reml", "bayes", discretize=False, tolerance=1e-3, n_jobs=None)
    cells = Cells(design, weights, depth, likelihood, choices)
    result = run_fits([fit_glm(cells, Y)])[0]
    return runs_of_donors(cells, result, DonorTable(cells, Y, donors)), design.matrix, weights


def test_the_order_of_the_genes_does_not_matter():
    donors, design, penalty, depth, Y = counts(n_genes=230)
    order = np.random.default_rng(1).permutation(230)
    plain, other = (fit_of((donors, design, penalty, depth, some)).pvalue_ for some in (Y, Y[:, order]))
    np.testing.assert_allclose(other, plain[order], rtol=1e-5)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "gamma"])
def test_working_sums_are_those_of_the_cells(family, monkeypatch):
    data = counts(n_genes=3)
    donors, _, _, depth, Y = data
    Y += family == "gamma"
    fits, Z, weights = problem_of(data, family, monkeypatch)
    state = fits.begin(np.arange(3))
    state.deviations += 0.3 * np.random.default_rng(2).standard_normal(state.deviations.shape)
    sums = linearised(fits.problem, state)
    X, U = Z @ fits.problem.fixed, Z @ fits.problem.random
    for gene in range(3):
        eta = X @ state.coefficients[gene] + np.sum(U * state.deviations[gene][donors], axis=1)
        mu = np.exp(eta + depth)
        precision = weights * mu**2 / FAMILIES[family].variance(mu, 2.0)
        z = eta + (Y[:, gene] - mu) / mu
        np.testing.assert_allclose(sums.gram[gene], X.T @ (precision[:, None] * X), rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(sums.products[gene, :, 0], X.T @ (precision * z), rtol=1e-9, atol=1e-6)
        own = donors == 3
        right = U[own].T @ (precision[own, None] * np.column_stack([X[own], U[own], z[own]]))
        found = np.hstack([sums.cross[gene, 3], sums.donor_grams[gene, 3], sums.donor_products[gene, 3]])
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-6)
        if family == "gamma":
            np.testing.assert_allclose(sums.squares[gene], precision @ z**2)


def test_iterations_end_where_the_penalised_likelihood_has_its_maximum(monkeypatch):
    data = counts(n_genes=4)
    donors, _, _, depth, Y = data
    fits, Z, weights = problem_of(data, "negative_binomial", monkeypatch)
    state, problem = fits.begin(np.arange(4)), fits.problem
    covariance = np.zeros((problem.random.shape[1],) * 2)
    covariance[0, 0] = 0.2
    covariance[1:, 1:] = 0.1 * usual_shape(len(covariance) - 1)
    for _ in range(30):
        iterate(problem, state, covariance)
    assert state.moved.max() < 1e-6
    X, U = Z @ problem.fixed, Z @ problem.random
    for gene in range(4):
        mu = np.exp(X @ state.coefficients[gene] + np.sum(U * state.deviations[gene][donors], axis=1) + depth)
        score = weights * (Y[:, gene] - mu) / (1 + mu / 2.0)
        slope = state.lambda_[gene] @ problem.penalty * state.coefficients[gene]
        np.testing.assert_allclose(X.T @ score, slope, atol=1e-4)
        for donor in range(5):
            rows = donors == donor
            np.testing.assert_allclose(
                U[rows].T @ score[rows], np.linalg.solve(covariance, state.deviations[gene, donor]), atol=1e-4
            )


@pytest.mark.slow  # compiles
@pytest.mark.parametrize("family", ["negative_binomial", "gamma"])
def test_compiled_likelihoods_are_those_of_numpy(family, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(donors_working, "_WORTHWHILE", 0)
    data = counts(n_genes=3)
    data[-1][:] += family == "gamma"
    fits, _, _ = problem_of(data, family, monkeypatch)
    sums = linearised(fits.problem, fits.begin(np.arange(3)))
    shape, variances = usual_shape(sums.n_modes), grid(np.array([0.1, 1.0]), np.array([0.3]))
    found = donors_each.turn(sums, shape).likelihoods(variances)
    expected = sums.turn(shape).likelihoods(variances)
    np.testing.assert_allclose(found - found[0], expected - expected[0], rtol=1e-6, atol=1e-6)


@pytest.mark.slow  # compiles
@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "gamma"])
def test_compiled_fits_are_those_of_numpy(family, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(donors_working, "_WORTHWHILE", 0)
    data = counts(n_genes=20)
    data[-1][:] += family == "gamma"
    found = fit_of(data, family)
    monkeypatch.setattr(donors_each, "load_compiled", lambda: None)
    monkeypatch.setattr(donors_working, "load_compiled", lambda: None)
    expected = fit_of(data, family)
    for name in ("coef_", "lambda_", "edf_", "shift_variance_", "curve_variance_", "deviance_explained_"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(np.log(found.pvalue_), np.log(expected.pvalue_), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found.predict(data[1][:5], True)[1], expected.predict(data[1][:5], True)[1], rtol=1e-5, atol=1e-8
    )


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_fits_do_not_depend_on_the_number_of_threads(n_jobs, monkeypatch):
    monkeypatch.setattr(donors_runs, "_CHUNK_VALUES", 1)  # several chunks
    data = counts(n_genes=50)
    found, expected = fit_of(data, n_jobs=n_jobs), fit_of(data, n_jobs=1)
    for name in ("coef_", "pvalue_", "theta_"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def selected(Y):
    """Return expression as a selection of cells and genes of a larger matrix in memory."""
    return BlockedExpression(sparse.csr_array(np.repeat(np.hstack([Y, Y]), 2, axis=0)))[1::2, : Y.shape[1]]


def in_file(Y):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(zarr.storage.MemoryStore())
    ad.io.write_elem(group, "X", sparse.csr_matrix(Y))
    return BlockedExpression(ad.io.sparse_dataset(group["X"]), keeps_totals=False)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
@pytest.mark.parametrize("storage", [sparse.csr_array, selected, in_file])
@pytest.mark.parametrize("in_order", [False, True])
def test_tables_of_donors_add_up_to_that_of_the_cells(in_order, storage, family, monkeypatch):
    monkeypatch.setattr(donors_nodes, "_WORTHWHILE", 0)
    monkeypatch.setattr(donors_tables, "MOST_VALUES", 200)
    donors, X, penalty, depth, Y = counts(n_genes=4, n_cells=900)
    donors = np.sort(donors) if in_order else donors
    weights = np.random.default_rng(1).uniform(0.3, 1, len(Y))
    likelihood, choices = Likelihood(FAMILIES[family], LINKS["log"]), Choices("reml", "bayes", "auto", 3e-3, None)
    cells = Cells(make_design(X, penalty, weights, "auto"), weights, depth, likelihood, choices)
    made = DonorTable(cells, storage(Y), donors)
    found, expected = made.of_nodes, count_table(Y, made.grid.shares, wanted_for(made.family, Y.shape)).answer()
    for name in ("sums", "histogram", "extremes"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(found.statistics[:, :8], expected.statistics[:, :8])


def test_flat_genes_of_different_donors_are_not_called_changing():
    data = counts(n_genes=50)
    fit = fit_of(data)
    _, design, penalty, depth, Y = data
    alone = GAM("negative_binomial").fit(design, Y, penalty=penalty, offset=depth)
    assert np.mean(alone.pvalue_ < 0.05) > 0.5
    assert np.mean(fit.pvalue_ < 0.05) < 0.2
    assert np.mean(fit.shift_variance_) == pytest.approx(0.16, rel=0.5)
    assert np.mean(fit.curve_variance_) == pytest.approx(0.16, rel=0.5)
    # what donors differ by is no dispersion of cells
    assert np.median(fit.theta_) == pytest.approx(2.0, rel=0.2)
    assert np.median(alone.theta_) < 0.9 * np.median(fit.theta_)
    assert np.all((fit.deviance_explained_ >= 0) & (fit.deviance_explained_ < 0.5))


def test_the_variance_due_to_lambda_is_that_of_a_shared_design():
    data = counts(n_genes=8)
    fits = GAM().fit(data[1], np.log1p(data[4]), penalty=data[2])
    shared = fits.posterior_
    one = replace(shared.smoothing, known_scale=np.ones(8))
    shared = replace(shared, smoothing=one, scale=np.ones(8), squared_weight_gram=None)
    spectrum = shared.spectrum
    penalties = np.eye(len(spectrum.penalty)) * (spectrum.penalty * shared.lambda_).T[:, :, None]
    grams = np.broadcast_to(np.diag(spectrum.gram[:, 0]), penalties.shape)
    sums = SimpleNamespace(gram=grams, products=one.loadings.T[:, :, None], scale=lambda: np.ones((8, 1)))
    rows = data[1][:5].toarray()
    modes = rows @ spectrum.basis
    found = np.einsum("ri,gij,rj->rg", modes, moved_by_lambda(sums, penalties), modes)
    np.testing.assert_allclose(found, shared.moved_by_lambda(rows), rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("n_donors", [2, 3, 1])
@pytest.mark.first(2)
def test_genes_of_fewer_than_three_donors_are_not_tested(n_donors):
    data = counts(n_cells=800, n_genes=20, shift=0.1, curve=0.1)
    donors, time, Y = data[0], data[1] @ np.linspace(0, 1, data[1].shape[1]), data[4]
    Y[:, 0] = np.where(donors < n_donors, np.random.default_rng(1).poisson(np.exp(3 * time)), 0)
    fit = fit_of(data)
    assert (fit.pvalue_[0] < 0.01) == (n_donors == 3)
    assert (fit.pvalue_[0] == 1) == ("expressed in fewer than three donors" in fit.note_[0]) == (n_donors < 3)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "binomial"])
def test_rare_genes_of_fewer_than_three_donors_are_not_tested(family):
    """The means of the other donors are shrunk to almost the same, and would inform about a trend."""
    data = counts(n_cells=800, n_genes=30)
    donors, Y = data[0], data[4]
    rng = np.random.default_rng(1)
    for gene in range(10):
        Y[:, gene] = 0
        Y[rng.choice(np.flatnonzero(donors < 1 + gene % 2), 1 + gene), gene] = rng.integers(1, 9, 1 + gene)
    fit = fit_of((*data[:4], np.minimum(Y, 1) if family == "binomial" else Y), family)
    assert np.all((fit.pvalue_[:10] == 1) | np.isnan(fit.pvalue_[:10]))
    assert all("expressed in fewer than three donors" in note for note in fit.note_[:10])
    assert not any("fewer than three donors" in note for note in fit.note_[10:])


def test_without_differences_between_donors_the_fit_is_that_of_cells():
    donors, design, penalty, depth, Y = counts(n_genes=30, shift=0, curve=0)
    fit = GAM("negative_binomial").fit(design, Y, penalty=penalty, offset=depth, groups=donors)
    alone = GAM("negative_binomial").fit(design, Y, penalty=penalty, offset=depth)
    (trend, error), (expected, expected_error) = (one.predict(design, return_std=True) for one in (fit, alone))
    assert np.median(np.abs(trend - expected) / expected_error) < 0.2
    assert np.median(error / expected_error) == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("family", ["poisson", "binomial", "gamma"])
@pytest.mark.slow
def test_other_families_take_donors_too(family):
    donors, design, penalty, depth, Y = counts(size=50.0)
    if family == "binomial":
        Y, depth = (Y > 2).astype(float), None
    Y = Y + (family == "gamma")
    fit = GAM(family).fit(design, Y, penalty=penalty, offset=depth, groups=donors)
    alone = GAM(family).fit(design, Y, penalty=penalty, offset=depth)
    assert np.isfinite(fit.pvalue_).all()
    assert np.median(fit.pvalue_) > 10 * np.median(alone.pvalue_)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
@pytest.mark.first(1)
def test_sums_over_a_grid_stand_in_for_the_cells(family, monkeypatch):
    data = counts(n_cells=2600, n_donors=4)
    fits = [fit_of(data, family, tolerance=1e-3)]
    monkeypatch.setattr(donors_nodes, "_WORTHWHILE", np.inf)
    fits.append(fit_of(data, family))
    (trend, error), (expected, expected_error) = (fit.predict(data[1], return_std=True) for fit in fits)
    np.testing.assert_allclose(trend / expected_error, expected / expected_error, atol=0.1)
    np.testing.assert_allclose(error, expected_error, rtol=0.06)
    np.testing.assert_allclose(np.log10(fits[0].pvalue_), np.log10(fits[1].pvalue_), atol=0.05)


@pytest.mark.slow
def test_blocks_arrays_and_sparse_matrices_agree():
    donors, design, penalty, depth, Y = counts()
    forms = (Y, sparse.csr_matrix(Y), BlockedExpression(sparse.csc_matrix(Y), memory_budget=20_000))
    fits = [fit_of((donors, design, penalty, depth, form)) for form in forms]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.coef_, fits[0].coef_, atol=1e-6)
        np.testing.assert_allclose(fit.pvalue_, fits[0].pvalue_, rtol=1e-4)


@pytest.mark.slow
def test_units_of_depth_and_of_weights_and_names_of_donors_do_not_matter():
    donors, design, penalty, depth, Y = counts()
    weights = np.random.default_rng(3).uniform(0.2, 1, len(Y))
    fit = fit_of((donors, design, penalty, depth, Y), weights=weights)
    names = np.array(["e", "a", "d", "b", "c"])[donors]
    other = fit_of((names, design, penalty, depth + 1.0, Y), weights=7 * weights)
    np.testing.assert_allclose(other.pvalue_, fit.pvalue_, rtol=0.02)
    np.testing.assert_allclose(np.e * other.predict(design[:5]), fit.predict(design[:5]), rtol=1e-3)


def test_draws_have_the_standard_errors():
    data = counts()
    fit, rows = fit_of(data), data[1][:6]
    trend, error = fit.predict(rows, return_std=True)
    draws = np.log(np.stack(list(fit.sample(rows, 2000, random_state=0))))
    np.testing.assert_allclose(draws.mean(axis=0), np.log(trend), atol=0.1 * (error / trend).max())
    np.testing.assert_allclose(draws.std(axis=0), error / trend, rtol=0.15)


@pytest.mark.slow
def test_poor_genes_cost_only_themselves():
    donors, design, penalty, depth, Y = counts()
    good = fit_of((donors, design, penalty, depth, Y))
    lonely, one_donor = np.zeros(len(Y)), np.where(donors == 0, Y[:, 0] + 1, 0.0)
    lonely[0] = 3.0
    more = np.column_stack([Y, np.zeros(len(Y)), lonely, one_donor])
    fit = fit_of((donors, design, penalty, depth, more))
    assert list(fit.failed_) == [20]
    assert np.isnan(fit.pvalue_[20])
    assert fit.pvalue_[21] > 0.01
    assert fit.pvalue_[22] > 0.01
    assert np.isfinite(fit.predict(design)[:, 21:]).all()
    np.testing.assert_allclose(np.log10(fit.pvalue_[:20]), np.log10(good.pvalue_), atol=0.2)


@pytest.mark.slow
def test_dispersions_may_be_shrunk_or_fixed():
    data = counts(n_genes=20)
    free, shrunk, fixed = (fit_of(data, dispersion=how) for how in ("gene", "shrunk", 0.5))
    assert shrunk.theta_.std() < free.theta_.std()
    assert np.all(fixed.theta_ == 2.0)
    assert np.corrcoef(np.log(free.pvalue_), np.log(shrunk.pvalue_))[0, 1] > 0.9


def test_some_genes_keep_what_was_found():
    data = counts()
    fit = fit_of(data)
    some = fit.take_genes([7, 2])
    expected = fit.predict(data[1][:4], return_std=True)[1][:, [7, 2]]
    np.testing.assert_allclose(some.predict(data[1][:4], return_std=True)[1], expected)
    assert some.curve_variance_.tolist() == fit.curve_variance_[[7, 2]].tolist()


@pytest.mark.slow
def test_calibration_with_the_fewest_donors():
    """`python -m benchmarks.donors --family negative_binomial` has more of them."""
    from benchmarks.donors_data import Effect, simulate_counts

    found = []
    for seed in range(4):  # two would decide by chance
        rng = np.random.default_rng([31, 4, seed])
        time, donor, Y, depth, _ = simulate_counts(rng, 4, 1000, 1600, seed % 2 == 1, Effect(0.25, 0.25))
        smoother = BSplineSmoother(domain=(0.0, 1.0))
        design = smoother.fit_transform(time[:, None])
        found.append(fit_of((donor, design, smoother.penalty_, depth, Y[:, :500])).pvalue_)
    found = np.concatenate(found)
    assert 0.03 < np.mean(found < 0.05) < 0.07
    assert 0.002 < np.mean(found < 0.01) < 0.02


def test_a_finer_grid_of_variances_changes_p_values_little(monkeypatch):
    data = counts(n_donors=16, n_cells=1600, n_genes=60)
    found = fit_of(data).pvalue_

    def finer(sums):
        prior = donors_learn(sums)
        return prior.at(grid(*(np.geomspace(axis[0], axis[-1], 33) for axis in prior.variances.axes)))

    monkeypatch.setattr(donors_runs, "learn", finer)
    monkeypatch.setattr(Variances, "for_tests", lambda variances: variances)
    away = np.abs(np.log10(found / fit_of(data).pvalue_))
    assert np.quantile(away, 0.9) < 0.07


@pytest.mark.parametrize("family", ["poisson", "gamma", "inverse_gaussian"])
@pytest.mark.first(1)
def test_unequal_donors_and_a_constant_gene(family):
    """Counts are high, and a grid would have nodes of negative weight; the scale of a constant gene is almost 0."""
    _, design, penalty, _, Y = counts(n_cells=600, curve=0.2)
    donors = np.minimum(np.random.default_rng(2).geometric(0.3, 600), 8)
    Y = 20 * Y if family == "poisson" else Y + 1
    Y[:, 0] = 3
    fit = GAM(family).fit(design, Y, penalty=penalty, groups=donors)
    assert fit.converged_.all()
    assert fit.pvalue_[0] > 0.5
