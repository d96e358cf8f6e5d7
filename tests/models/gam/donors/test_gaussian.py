"""Donors as replicates in GAM: algebra, estimates, errors and calibration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import multivariate_normal

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.errors import LineageClustWarning, NoTrendError
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.models import ConditionGAM
from lineage_clust.models.gam.design import make_design
from lineage_clust.models.gam.donors.bases import donor_sums
from lineage_clust.models.gam.donors.prior import learn, probabilities
from lineage_clust.models.gam.donors.variances import covariance as covariance_of
from lineage_clust.models.gam.donors.variances import grid
from lineage_clust.models.gam.smoothing.criteria import gcv, minimise, minimise_each, reml
from lineage_clust.models.gam.smoothing.spectral import diagonalise


def donors_data(seed=0, n_donors=5, n_cells=300, n_genes=20, shift=0.4, curve=0.4):
    """Return time, donors, a design with its penalty, and expression without a common trend."""
    rng = np.random.default_rng(seed)
    donors = rng.permutation(np.arange(n_cells) % n_donors)
    time = rng.uniform(size=n_cells)
    smoother = BSplineSmoother(n_splines=8, domain=(0.0, 1.0))
    design = smoother.fit_transform(time[:, None])
    levels, slopes = rng.standard_normal((2, n_donors, n_genes))
    Y = 0.7 * rng.standard_normal((n_cells, n_genes)) + shift * levels[donors]
    Y += curve * slopes[donors] * np.sqrt(12) * (time - 0.5)[:, None]
    return time, donors, design, smoother.penalty_, Y


def sums_of(design, penalty, donors, Y):
    made = make_design(design, penalty, np.ones(len(Y)), "auto")
    Z = made.matrix
    rows = [donors == number for number in range(donors.max() + 1)]
    grams = np.stack([Z[own].T @ Z[own] for own in rows])
    products = np.stack([Z[own].T @ Y[own] for own in rows])
    spectrum = diagonalise(grams.sum(axis=0), penalty)
    sums = donor_sums(made, grams, products.sum(axis=0), products, np.sum(Y**2, axis=0), spectrum, float(len(Y)))
    return sums, Z


def test_the_likelihood_is_that_of_the_cells():
    _, donors, design, penalty, Y = donors_data()
    sums, Z = sums_of(design, penalty, donors, Y)
    shape = np.diag(np.arange(1.0, sums.n_modes + 1))
    covariance = covariance_of(shape, 0.3, 0.2)
    fit = sums.turn(shape).with_curves(0.2).with_shift(0.3)
    random = Z @ sums.random
    V = np.eye(len(Y)) + (random @ covariance @ random.T) * (donors[:, None] == donors)
    X = Z @ sums.fixed[:, : sums.n_determined]
    inside = X.T @ np.linalg.solve(V, X)
    beta = np.linalg.solve(inside, X.T @ np.linalg.solve(V, Y))
    np.testing.assert_allclose(fit.coefficients[0], beta, atol=1e-9)
    residual, df = Y - X @ beta, len(Y) - X.shape[1]
    scale = np.sum(residual * np.linalg.solve(V, residual), axis=0) / df
    np.testing.assert_allclose(fit.scale()[0], scale, rtol=1e-9)
    full = [multivariate_normal(cov=V * s).logpdf(r) for s, r in zip(scale, residual.T, strict=True)]
    restricted = np.array(full) + 0.5 * X.shape[1] * np.log(scale) - 0.5 * np.linalg.slogdet(inside)[1]
    np.testing.assert_allclose(np.diff(fit.likelihood()), np.diff(restricted), atol=1e-8)


def test_likelihoods_of_all_variances_of_levels_are_those_of_each():
    _, donors, design, penalty, Y = donors_data()
    sums, _ = sums_of(design, penalty, donors, Y)
    inner = sums.turn(np.eye(sums.n_modes) / sums.n_modes).with_curves(0.2)
    shifts = np.array([0.0, 0.01, 3.0])
    each = np.stack([inner.with_shift(shift).likelihood() for shift in shifts])
    np.testing.assert_allclose(inner.likelihoods(shifts), each, rtol=1e-12, atol=1e-9)


def test_searches_made_together_end_where_each_does():
    _, donors, design, penalty, Y = donors_data()
    Y += np.sin(5 * np.arange(len(Y)) / len(Y))[:, None] * (np.arange(20) > 9)
    rows = [design[donors == d].toarray() for d in (0, 1)]
    spectra = [diagonalise(Z.T @ Z, penalty) for Z in rows]
    loadings = [of.basis.T @ (rows[d].T @ Y[donors == d]) for d, of in enumerate(spectra)]
    squares = [np.sum(Y[donors == d] ** 2, axis=0) for d in (0, 1)]
    for name, criterion in (("reml", reml), ("gcv", gcv)):
        together = minimise_each(name, spectra, loadings, squares, 60)
        for found, *of in zip(together, spectra, loadings, squares, strict=True):
            alone = minimise(criterion(*of, 60), of[0], 20)
            np.testing.assert_allclose(np.log(found[0]), np.log(alone[0]), atol=1e-6)
            assert found[1].tolist() == alone[1].tolist()


def test_the_shape_of_donors_curves_is_learned():
    time, donors, design, penalty, Y = donors_data(n_genes=100, shift=0)
    sums, Z = sums_of(design, penalty, donors, Y)
    shape = learn(sums).shape
    assert np.trace(shape) == pytest.approx(1.0)
    values, vectors = np.linalg.eigh(shape)
    assert values[-1] > 0.9  # one direction, that of lines, of which donors_data makes its curves
    curve = Z @ sums.random[:, 1:] @ vectors[:, -1]
    assert abs(np.corrcoef(curve, time)[0, 1]) > 0.99


def test_variances_that_do_not_occur_are_improbable():
    rng = np.random.default_rng(0)
    likelihood = np.stack([rng.normal(0, 0.1, 200), rng.normal(-8, 0.1, 200)])
    prior, posterior = probabilities(likelihood)
    assert prior[1] < 0.05
    np.testing.assert_allclose(posterior.sum(axis=0), 1.0)


def test_the_prior_of_abundant_genes_is_not_that_of_rare_ones():
    rng = np.random.default_rng(0)
    vary = np.arange(900) >= 600  # the most abundant third
    likelihood = np.stack([np.where(vary, -2.0, 0.0), np.where(vary, 0.0, -2.0)])
    unknown = rng.permutation(900)[:90]
    likelihood[:, unknown] = 0.0  # the posterior of these is their prior
    same = probabilities(likelihood)[1][1, unknown]
    along = probabilities(likelihood, abundance=np.arange(900.0))[1][1, unknown]
    assert np.ptp(same) < 1e-12
    assert along[unknown < 450].max() < 0.2 < 0.8 < along[unknown > 800].min()
    np.testing.assert_allclose(probabilities(likelihood, abundance=np.full(900, 0.3))[1][1, unknown], same, rtol=1e-12)


@pytest.mark.parametrize("conditions", [False, True])
def test_the_order_of_the_genes_does_not_matter(conditions):
    """Variation between donors was learned from genes taken by position: p-values changed by up to a factor of 4."""
    _, donors, design, penalty, Y = donors_data(n_donors=6, n_genes=400)
    order = np.random.default_rng(1).permutation(400)

    def pvalues(Y):
        if not conditions:
            return GAM().fit(design, Y, penalty=penalty, groups=donors).pvalue_
        return ConditionGAM().fit(design, Y, penalty=penalty, conditions=donors % 2, groups=donors).pvalues_["both"]

    np.testing.assert_allclose(pvalues(Y[:, order]), pvalues(Y)[order], rtol=1e-6)


def test_genes_in_a_handful_of_cells_are_not_tested():
    _, donors, design, penalty, Y = donors_data()
    Y[:, 0] = 0.0
    Y[np.flatnonzero(donors == 1)[:4], 0] = 3.0
    for kind in (np.asarray, sparse.csr_matrix):
        assert GAM().fit(design, kind(Y), penalty=penalty, groups=donors).pvalue_[0] == 1.0


def test_a_flat_population_explains_nothing_and_is_a_fit_all_the_same():
    _, donors, design, penalty, Y = donors_data(shift=2.0)
    Y[donors == 0] += 5.0
    weights = np.where(donors == 0, 5.0, 1.0)  # the mean of the cells is far from that of the donors
    fit = GAM(covariance="bayes").fit(design, Y, weights, penalty, groups=donors)
    assert np.all((fit.deviance_explained_ >= 0) & (fit.deviance_explained_ < 0.5))
    assert np.isfinite(fit.pvalue_).all()


def test_the_grid_holds_none_of_both():
    assert list(grid(np.array([1.0]), np.array([2.0]))) == [(0, 0, 0), (0, 2, 0), (1, 0, 0), (1, 2, 0)]


@pytest.mark.slow
def test_flat_genes_of_different_donors_are_not_called_changing():
    _, donors, design, penalty, Y = donors_data(n_genes=60)
    alone = GAM().fit(design, Y, penalty=penalty)
    fit = GAM().fit(design, Y, penalty=penalty, groups=donors)
    assert np.mean(alone.pvalue_ < 0.05) > 0.5
    assert np.mean(fit.pvalue_ < 0.05) < 0.2
    assert np.all(fit.predict(design[:9], return_std=True)[1] > 0.05)
    assert np.mean(fit.shift_variance_) == pytest.approx(0.16, rel=0.5)
    assert np.mean(fit.curve_variance_) == pytest.approx(0.16, rel=0.5)


def test_without_differences_between_donors_the_fit_is_that_of_cells():
    _, donors, design, penalty, Y = donors_data(n_genes=60, shift=0, curve=0)
    Y[:, :5] += np.arange(len(Y))[:, None] / len(Y)
    fit = GAM().fit(design, Y, penalty=penalty, groups=donors)
    alone = GAM().fit(design, Y, penalty=penalty)
    trend, error = fit.predict(design, return_std=True)
    expected, expected_error = alone.predict(design, return_std=True)
    assert np.median(np.abs(trend - expected) / expected_error) < 0.2
    assert np.median(error / expected_error) == pytest.approx(1.0, abs=0.25)


@pytest.mark.slow
def test_blocks_arrays_and_sparse_matrices_agree():
    _, donors, design, penalty, Y = donors_data()
    Y = np.where(Y > 0, Y, 0.0)
    fits = [
        GAM().fit(design, form, penalty=penalty, groups=donors)
        for form in (Y, sparse.csr_matrix(Y), BlockedExpression(sparse.csc_matrix(Y), memory_budget=20_000))
    ]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.coef_, fits[0].coef_, atol=1e-9)
        np.testing.assert_allclose(fit.pvalue_, fits[0].pvalue_, rtol=1e-6)


@pytest.mark.slow
def test_donors_of_one_cell_tell_nothing_about_curves():
    rng, smoother = np.random.default_rng(0), BSplineSmoother(20)
    design = smoother.fit_transform(rng.random((5, 1)))
    fit = GAM().fit(design, rng.standard_normal((5, 20)), penalty=smoother.penalty_, groups=np.arange(5))
    assert np.isfinite(fit.predict(design)).all()


@pytest.mark.parametrize(("n_cells", "n_donors"), [(8, 8), (12, 4), (20, 5)])
def test_few_cells_do_not_make_genes_significant(n_cells, n_donors):
    rng, smoother = np.random.default_rng(0), BSplineSmoother(20)
    design = smoother.fit_transform(rng.random((n_cells, 1)))
    donors = rng.permutation(np.arange(n_cells) % n_donors)
    fit = GAM().fit(design, rng.standard_normal((n_cells, 200)), penalty=smoother.penalty_, groups=donors)
    assert np.nanmean(fit.pvalue_ < 0.05) < 0.13
    assert np.nanmin(fit.pvalue_) > 1e-8


def test_of_few_cells_small_p_values_are_not_too_frequent():
    """The variance between cells was treated as known: .0023 of flat genes had p < .001 with 60 cells."""
    data = [donors_data(seed, 6, 60, 2000, 0.2, 0.2) for seed in range(3)]
    pvalues = [GAM().fit(B, Y, penalty=S, groups=donors).pvalue_ for _, donors, B, S, Y in data]
    assert np.mean(np.array(pvalues) < 0.001) < 0.0015
    assert np.mean(np.array(pvalues) < 0.01) < 0.0125


@pytest.mark.parametrize("noise", [0.5, 0.02, 0.005])
def test_little_noise_between_cells_beside_large_differences_between_donors(noise):
    """Imputed expression, and means of many cells: variances between donors of up to 10,000 times that between cells."""
    rng, smoother = np.random.default_rng(0), BSplineSmoother(10)
    donors, shape = rng.integers(0, 8, 800), (8, 300)
    time = rng.random(800)
    levels, slopes = rng.normal(0, 0.5, shape), rng.normal(0, 0.5, shape)
    Y = levels[donors] + slopes[donors] * time[:, None] + rng.normal(0, noise, (800, 300))
    design = smoother.fit_transform(time[:, None])
    trends = GAM().fit(design, Y, penalty=smoother.penalty_, groups=donors)
    conditions = ConditionGAM().fit(design, Y, donors >= 4, penalty=smoother.penalty_, groups=donors)
    for pvalue in (trends.pvalue_, *conditions.pvalues_.values()):
        assert np.mean(pvalue < 0.05) < 0.09
        assert np.mean(pvalue < 0.01) < 0.04


def test_designs_without_a_constant_have_shifts_too():
    time, donors, _, _, Y = donors_data(curve=0)
    columns = np.column_stack([time - 0.5, (time - 0.5) ** 3])
    fits = [GAM().fit(columns, form, groups=donors) for form in (Y, sparse.csr_matrix(Y))]
    np.testing.assert_allclose(fits[0].pvalue_, fits[1].pvalue_, rtol=1e-6)
    assert np.all(fits[0].shift_variance_ > 0.01)


@settings(max_examples=3, deadline=None)
@given(st.floats(0.01, 100.0), st.floats(-50.0, 50.0), st.integers(0, 10**6))
@pytest.mark.slow
def test_units_levels_and_names_do_not_matter(unit, level, seed):
    _, donors, design, penalty, Y = donors_data(seed % 7)
    weights = np.random.default_rng(seed).uniform(0.2, 1, len(Y))
    fit = GAM().fit(design, Y, weights, penalty, groups=donors)
    names = np.array(["e", "a", "d", "b", "c"])[donors]
    other = GAM().fit(design, unit * Y + level, unit * weights, penalty, groups=names)
    np.testing.assert_allclose(other.pvalue_, fit.pvalue_, rtol=1e-4)
    np.testing.assert_allclose(
        (other.predict(design[:5]) - level) / unit, fit.predict(design[:5]), atol=1e-5 * (1 + abs(level) / unit)
    )


@pytest.mark.slow
def test_draws_have_the_standard_errors():
    _, donors, design, penalty, Y = donors_data()
    fit = GAM().fit(design, Y, penalty=penalty, groups=donors)
    rows = design[:6]
    trend, error = fit.predict(rows, return_std=True)
    draws = np.stack(list(fit.sample(rows, 2000, random_state=0)))
    np.testing.assert_allclose(draws.mean(axis=0), trend, atol=0.1 * error.max())
    conditional = fit.posterior_.std(rows.toarray(), unconditional=False)
    np.testing.assert_allclose(draws.std(axis=0), conditional, rtol=0.15)
    assert np.all(error >= conditional)
    assert np.mean(error > conditional) > 0.1


def test_some_genes_keep_what_was_found():
    _, donors, design, penalty, Y = donors_data()
    fit = GAM().fit(design, Y, penalty=penalty, groups=donors)
    some = fit.take_genes([7, 2])
    np.testing.assert_allclose(
        some.predict(design[:4], return_std=True)[1], fit.predict(design[:4], True)[1][:, [7, 2]]
    )
    assert some.shift_variance_.tolist() == fit.shift_variance_[[7, 2]].tolist()


def test_poor_genes_cost_only_themselves():
    _, donors, design, penalty, Y = donors_data()
    good = GAM().fit(design, Y, penalty=penalty, groups=donors)
    Y = np.column_stack([Y, np.full(len(Y), 3.0), np.full(len(Y), np.nan)])
    fit = GAM().fit(design, Y, penalty=penalty, groups=donors)
    assert list(fit.failed_) == [21]
    assert fit.pvalue_[20] == 1.0
    assert np.isnan(fit.pvalue_[21])
    np.testing.assert_allclose(fit.pvalue_[:20], good.pvalue_, rtol=1e-6)
    np.testing.assert_allclose(fit.predict(design[:3])[:, 20], 3.0)


@pytest.mark.parametrize("n_genes, said", [(1, "1 gene is"), (3, "3 genes are")])
def test_few_genes_are_a_reason_to_warn(n_genes, said):
    _, donors, design, penalty, Y = donors_data(n_genes=n_genes)
    with pytest.warns(LineageClustWarning, match=f"and {said} too few for a.*covariance=.cluster."):
        fit = GAM().fit(design, Y, penalty=penalty, groups=donors)
    assert np.all(fit.pvalue_ > 0)


@pytest.mark.slow
def test_a_donor_of_weight_zero_is_none():
    _, donors, design, penalty, Y = donors_data()
    weights = np.where(donors == 4, 0.0, 1.0)
    fit = GAM().fit(design, Y, weights, penalty, groups=donors)
    kept = np.flatnonzero(weights)
    other = GAM().fit(design[kept], Y[kept], penalty=penalty, groups=donors[kept])
    np.testing.assert_allclose(fit.pvalue_, other.pvalue_)


@pytest.mark.filterwarnings("ignore:The variation between donors")
def test_genes_that_all_are_constant_or_fail():
    _, donors, design, penalty, Y = donors_data()
    fit = GAM().fit(design, np.ones((300, 2)), penalty=penalty, groups=donors)
    assert fit.pvalue_.tolist() == [1, 1]
    with pytest.raises(NoTrendError, match="expression holds NaN"):
        GAM().fit(design, np.full((300, 2), np.nan), penalty=penalty, groups=donors)
    with pytest.raises(NoTrendError, match="expression holds NaN"):
        ConditionGAM().fit(design, Y[:, 0] * np.nan, donors % 2, groups=donors * 2 + donors % 2, penalty=penalty)


@pytest.mark.parametrize(
    ("model", "groups", "message"),
    [
        (GAM(), np.arange(300) % 3, "at least 4"),
        (GAM(), np.arange(299), "one label per cell"),
        (GAM(), np.where(np.arange(300) < 2, None, "a").astype(object), "no label for 2 cells"),
        (GAM(link="log"), np.arange(300) % 5, "identity link"),
        (GAM(expectile=0.9), np.arange(300) % 5, "expectile"),
    ],
)
def test_groups_that_cannot_be_replicates_are_refused(model, groups, message):
    _, _, design, penalty, Y = donors_data()
    with pytest.raises(ValueError, match=message):
        model.fit(design, np.abs(np.round(Y)), penalty=penalty, groups=groups)


@pytest.mark.slow
@pytest.mark.parametrize("n_donors", [4, 12])
def test_calibration(n_donors):
    from benchmarks.donors import pvalues
    from benchmarks.donors_data import Effect, simulate

    found = []
    for seed in range(2):
        rng = np.random.default_rng([30, n_donors, seed])
        time, donor, Y, _ = simulate(rng, n_donors, 1200, 1200, seed == 1, Effect(0.25, 0.25))
        found.append(pvalues(time, donor, Y[:, :600])[0]["donors"])
    found = np.concatenate(found)
    assert 0.03 < np.mean(found < 0.05) < 0.07
    assert 0.004 < np.mean(found < 0.01) < 0.02
