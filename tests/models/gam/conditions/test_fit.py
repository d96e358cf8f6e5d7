"""Curves of conditions: algebra against matrices over cells, tests, errors and calibration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust import BSplineSmoother
from lineage_clust.errors import LineageClustWarning
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.models.gam.conditions.fit import fit_conditions
from lineage_clust.models.gam.conditions.significance import contrasts, level_row
from lineage_clust.models.gam.donors.averages import RATIOS, weighted_ratios
from lineage_clust.models.gam.donors.curves import at_covariance, deviations
from lineage_clust.models.gam.donors.samples import Samples
from lineage_clust.models.gam.donors.variances import covariance as covariance_of


def conditions_data(seed=0, n_donors=8, n_cells=400, n_genes=20, shift=0.4, paired=False):
    """Return basis, penalty, expression without a difference, conditions, donors and time."""
    rng = np.random.default_rng(seed)
    donors = rng.permutation(np.arange(n_cells) % n_donors)
    conditions = rng.integers(0, 2, n_cells) if paired else (donors >= n_donors // 2).astype(int)
    time = rng.uniform(size=n_cells)
    smoother = BSplineSmoother(n_splines=8, domain=(0.0, 1.0))
    basis = smoother.fit_transform(time[:, None])
    Y = 0.7 * rng.standard_normal((n_cells, n_genes)) + shift * rng.standard_normal((n_donors, n_genes))[donors]
    return basis, smoother.penalty_, Y + np.sin(3 * time)[:, None], conditions, donors, time


@pytest.fixture(scope="module")
def fit():
    basis, penalty, Y, conditions, donors, _ = conditions_data()
    return fit_conditions(basis, np.where(Y > 0, Y, 0.0), conditions, donors, penalty=penalty)


def test_curves_are_a_mean_and_differences():
    samples = Samples(np.array([0, 1, 2, 0, 1, 2]), np.arange(6))
    curves = np.stack([samples.curve(condition) for condition in range(3)])
    np.testing.assert_allclose(curves.sum(axis=0), [3, 0, 0], atol=1e-12)
    np.testing.assert_allclose(samples.contrasts.T @ samples.contrasts, np.eye(2), atol=1e-12)


def test_without_donors_and_penalty_it_is_least_squares_in_each_condition():
    _, _, Y, conditions, _, time = conditions_data()
    X = np.column_stack([np.ones(len(time)), time, time**2])
    fit = fit_conditions(X, Y, conditions)
    found, error = fit.difference(X[:5], 1)
    alone = [np.linalg.lstsq(X[conditions == c], Y[conditions == c], rcond=None)[0] for c in (0, 1)]
    np.testing.assert_allclose(found.T, X[:5] @ (alone[1] - alone[0]), atol=1e-9)
    left = sum(np.sum((Y - X @ alone[c])[conditions == c] ** 2, axis=0) for c in (0, 1)) / (len(Y) - 6)
    spread = sum(np.linalg.inv(X[conditions == c].T @ X[conditions == c]) for c in (0, 1))
    np.testing.assert_allclose(error**2, np.outer(left, np.einsum("ij,jk,ik->i", X[:5], spread, X[:5])), rtol=1e-6)
    np.testing.assert_allclose(fit.curve(X[:5], 1).T, X[:5] @ alone[1], atol=1e-9)


@pytest.mark.slow
def test_paired_samples_have_the_covariance_of_the_cells():
    basis, penalty, Y, conditions, donors, _ = conditions_data(n_cells=200, paired=True)
    fit = fit_conditions(basis, Y, conditions, donors, penalty=penalty)
    sums = fit.sums.by_donor()
    inner = covariance_of(np.diag(np.arange(1.0, sums.donor_grams.shape[-1] // 2)), 0.3, 0.2)
    covariance = np.kron(np.array([[1.0, 0.6], [0.6, 1.0]]), inner)
    found = at_covariance(sums, covariance)
    dense = basis.toarray() if sparse.issparse(basis) else basis
    random = dense @ fit.sums.by_sample.random[: dense.shape[1]]
    same = np.where(conditions[:, None] == conditions, 1.0, 0.6) * (donors[:, None] == donors)
    V = np.eye(len(Y)) + (random @ inner @ random.T) * same
    X = np.vstack([
        fit.samples.rows(row[None], condition)[0] for row, condition in zip(dense, conditions, strict=True)
    ])  # fmt: skip
    X = X @ sums.fixed[:, : sums.n_determined]
    centred = Y - Y.mean(axis=0)
    beta = np.linalg.solve(X.T @ np.linalg.solve(V, X), X.T @ np.linalg.solve(V, centred))
    np.testing.assert_allclose(found.coefficients[0], beta, atol=1e-8)


@pytest.mark.slow
def test_unrelated_samples_are_donors_one_by_one(fit):
    inner = covariance_of(np.eye(fit.random.shape[1] - 1), 0.3, 0.2)
    one = at_covariance(fit.sums.by_sample, inner)
    other = at_covariance(fit.sums.by_donor(), np.kron(np.eye(2), inner))
    np.testing.assert_allclose(one.likelihood(), other.likelihood(), rtol=1e-10)
    np.testing.assert_allclose(one.coefficients, other.coefficients, atol=1e-9)


def test_any_covariance_gives_what_levels_and_curves_one_after_the_other_give(fit):
    sums, shape = fit.sums.by_sample, np.diag(np.arange(1.0, fit.random.shape[1]))
    one = at_covariance(sums, covariance_of(shape, 0.3, 0.2))
    other = sums.turn(shape).with_curves(0.2).with_shift(0.3)
    np.testing.assert_allclose(one.likelihood(), other.likelihood(), rtol=1e-10)
    for name in ("gram", "products", "squares"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-7)


def test_deviations_are_the_best_predictions_of_mixed_models(fit):
    sums = fit.sums.by_sample
    covariance = covariance_of(np.eye(fit.random.shape[1] - 1), 0.3, 0.2)
    coefficients = np.linalg.solve(*(getattr(at_covariance(sums, covariance), name) for name in ("gram", "products")))
    found = deviations(sums, covariance, coefficients)
    # Henderson's equations of a sample: (U'Z'WZU + R^-1) b = U'Z'W (y - X beta)
    residuals = sums.donor_products - sums.cross @ coefficients[:, None]
    np.testing.assert_allclose((sums.donor_grams + np.linalg.inv(covariance)) @ found, residuals, atol=1e-7)


def test_level_and_shape_add_up_to_the_whole(fit):
    basis = conditions_data()[0]
    tests = contrasts(fit.sums)
    assert len(tests["level"].rows) == 1
    assert len(tests["shape"].rows) + 1 == basis.shape[1]
    fixed = fit.sums.by_sample.fixed[basis.shape[1] : 2 * basis.shape[1], : fit.sums.by_sample.n_determined]
    whole = fixed.T @ fit.sums.inner @ fixed
    parts = sum(one.rows.T @ one.rows for one in tests.values())
    np.testing.assert_allclose(parts, whole, atol=1e-8 * np.abs(whole).max())
    assert level_row(fit.sums) @ fit.sums.constant == pytest.approx(1.0)


def test_where_one_condition_has_no_cells_a_difference_does_not_count():
    _, _, Y, conditions, donors, _ = conditions_data()
    rng = np.random.default_rng(1)
    time = np.where(conditions == 1, rng.uniform(0.5, 1, len(Y)), rng.uniform(0, 1, len(Y)))
    smoother = BSplineSmoother(n_splines=8, domain=(0.0, 1.0))
    basis = smoother.fit_transform(time[:, None])
    fit = fit_conditions(basis, Y, conditions, donors, penalty=smoother.penalty_)
    weights = level_row(fit.sums)
    assert abs(weights[:3]).sum() < 0.02
    assert weights[4:].sum() > 0.9


@pytest.mark.slow
def test_arrays_and_sparse_blocks_agree(fit):
    basis, penalty, Y, conditions, donors, _ = conditions_data()
    blocks = BlockedExpression(sparse.csc_matrix(np.where(Y > 0, Y, 0.0)), memory_budget=20_000)
    other = fit_conditions(basis, blocks, conditions, donors, penalty=penalty)
    np.testing.assert_allclose(other.curve(basis[:5], 1), fit.curve(basis[:5], 1), atol=1e-8)
    for name, pvalue in other.curves.pvalues.items():
        np.testing.assert_allclose(pvalue, fit.curves.pvalues[name], rtol=1e-5)


@pytest.mark.slow
def test_units_levels_and_the_order_of_conditions_do_not_matter():
    basis, penalty, Y, conditions, donors, _ = conditions_data()
    fit = fit_conditions(basis, Y, conditions, donors, penalty=penalty)
    other = fit_conditions(basis, 20 * Y - 7, 1 - conditions, donors, penalty=penalty, weights=np.full(len(Y), 3.0))
    for name, pvalue in fit.curves.pvalues.items():
        np.testing.assert_allclose(other.curves.pvalues[name], pvalue, rtol=1e-4)
    np.testing.assert_allclose(other.difference(basis[:5], 1)[0], -20 * fit.difference(basis[:5], 1)[0], atol=1e-3)


@pytest.mark.slow
def test_pairs_see_what_hides_behind_differences_of_donors():
    basis, penalty, Y, conditions, donors, _ = conditions_data(shift=1.5, paired=True)
    Y[:, :10] += 0.4 * conditions[:, None]
    paired = fit_conditions(basis, Y, conditions, donors, penalty=penalty).curves
    samples = fit_conditions(basis, Y, conditions, 2 * donors + conditions, penalty=penalty).curves
    assert np.median(paired.shared) > 0.8
    assert np.mean(paired.pvalues["level"][:10] < 0.01) > 0.7
    assert np.mean(samples.pvalues["level"][:10] < 0.01) < 0.2
    assert np.mean(paired.pvalues["level"][10:] < 0.05) < 0.2


def test_curves_of_samples_lie_between_the_conditions_and_their_own_cells():
    basis, penalty, Y, conditions, donors, _ = conditions_data(shift=1.0)
    fit = fit_conditions(basis, Y, conditions, donors, penalty=penalty)
    sample = 2
    own = np.flatnonzero(donors == fit.samples.donor[sample])
    assert fit.samples.condition[sample] == 0
    seen = Y[own].mean(axis=0) - fit.curve(basis[own], 0).mean(axis=1)
    predicted = (basis[own] @ fit.random @ fit.curves.deviations[sample]).mean(axis=0)
    assert np.corrcoef(seen, predicted)[0, 1] > 0.95
    assert np.abs(predicted).mean() < np.abs(seen).mean()


@pytest.mark.slow
def test_poor_genes_cost_only_themselves():
    basis, penalty, Y, conditions, donors, _ = conditions_data()
    good = fit_conditions(basis, Y, conditions, donors, penalty=penalty)
    Y = np.column_stack([Y, np.full(len(Y), 3.0), np.full(len(Y), np.nan)])
    fit = fit_conditions(basis, Y, conditions, donors, penalty=penalty)
    assert list(fit.failed) == [21]
    assert fit.curves.pvalues["both"][20] == 1.0
    np.testing.assert_allclose(fit.curve(basis[:3], 1)[20], 3.0)
    np.testing.assert_allclose(fit.curves.pvalues["both"][:20], good.curves.pvalues["both"], rtol=1e-5)


@given(st.lists(st.floats(0, 20), min_size=len(RATIOS), max_size=len(RATIOS)))
def test_ratios_are_weighted_by_their_likelihood_and_the_same_fit_counts_once(criteria):
    values = np.array(criteria)[:, None]
    shares = weighted_ratios(values, np.arange(4.0)[:, None])
    assert shares.sum() == pytest.approx(1.0)
    kept = shares[:, 0] > 0
    assert kept[np.argmin(criteria)]
    np.testing.assert_allclose(np.diff(np.log(shares[kept, 0])), -np.diff(values[kept, 0]), atol=1e-9)
    np.testing.assert_array_equal(
        weighted_ratios(np.full((4, 1), criteria[0]), np.full((4, 1), 3.0))[:, 0], [0, 0, 0, 1]
    )


@pytest.mark.parametrize("n_conditions", [2, 3])
def test_expected_shapes_are_as_smooth_where_a_condition_ends_early(n_conditions):
    time = np.tile(np.linspace(0, 1, 150), n_conditions)
    conditions = np.repeat(np.arange(n_conditions), 150)
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    found = []
    for kept in (time <= 1, (time < 0.7) | (conditions == 0)):
        basis = smoother.fit_transform(time[kept, None])
        Y = np.random.default_rng(0).standard_normal((kept.sum(), 2))
        sums = fit_conditions(basis, Y, conditions[kept], penalty=smoother.penalty_).sums
        expected = np.sort(np.diag(contrasts(sums)["shape"].expected))[::-1]
        np.testing.assert_allclose(expected[: n_conditions - 1], 1.0, rtol=1e-3)  # straight lines
        found.append(expected.sum() / (n_conditions - 1))
    assert found[0] == pytest.approx(found[1], rel=0.15)  # fewer modes are tested where a condition ends early
    assert found[0] < 2.5


def test_genes_in_a_handful_of_cells_are_not_tested():
    basis, penalty, Y, conditions, donors, _ = conditions_data()
    Y[:, 0] = 0.0
    Y[np.flatnonzero(donors == 1)[:9], 0] = 3.0
    pvalues = fit_conditions(basis, sparse.csr_matrix(Y), conditions, donors, penalty=penalty).curves.pvalues
    assert all(pvalue[0] == 1.0 > pvalue[1] for pvalue in pvalues.values())


@pytest.mark.slow
def test_covariates_of_donors_are_taken_off():
    basis, penalty, Y, conditions, donors, _ = conditions_data(n_donors=10, shift=0.1)
    age = np.array([1, 2, 3, 4, 5, 3, 4, 5, 6, 7.0])[donors]
    Y = Y + 0.8 * age[:, None]  # conditions differ by age only
    confounded = fit_conditions(basis, Y, conditions, donors, penalty=penalty)
    fit = fit_conditions(basis, Y, conditions, donors, penalty=penalty, covariates=(age - age.mean())[:, None])
    assert np.median(confounded.curves.pvalues["level"]) < 0.2
    assert np.mean(fit.curves.pvalues["level"] < 0.05) < 0.2
    assert np.abs(fit.difference(basis[:9], 1)[0]).mean() < 0.5


def test_few_genes_are_a_reason_to_warn():
    basis, penalty, Y, conditions, donors, _ = conditions_data(n_genes=3)
    with pytest.warns(LineageClustWarning, match="and 3 genes are too few for a.*at least 20 genes.$"):
        fit_conditions(basis, Y, conditions, donors, penalty=penalty)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"donors": lambda c, d: c * 2 + d % 1}, "4 donors or more, and 2 in every condition; found 2"),
        ({"donors": lambda c, d: np.where(c == 1, 9, d)}, r"by condition \[4, 1\]"),
        ({"covariates": lambda c, d: (c - c.mean())[:, None]}, "cannot be separated from those of the conditions"),
        ({"covariates": lambda c, d: np.eye(8)[d][:, [1, 2, 3, 5, 6]] - 0.1}, "1 degree of freedom would be left"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, message):
    basis, penalty, Y, conditions, donors, _ = conditions_data()
    given = {"conditions": conditions, "donors": donors, "covariates": None}
    given |= {name: make(conditions, donors) for name, make in change.items()}
    with pytest.raises(ValueError, match=message):
        fit_conditions(basis, Y, given["conditions"], given["donors"], penalty=penalty, covariates=given["covariates"])


@pytest.mark.slow
@pytest.mark.parametrize("paired", [False, True])
def test_calibration(paired):
    from benchmarks.conditions_data import between, pairs, simulate_conditions
    from benchmarks.donors_data import Effect

    rng = np.random.default_rng([71, paired])
    sizes = np.full(8, 150)
    cells = simulate_conditions(rng, sizes, 1000, Effect(0.25, 0.25), pairs(4) if paired else between(4, 4))
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    basis = smoother.fit_transform(cells.time[:, None])
    fit = fit_conditions(basis, cells.Y, cells.condition, cells.donor, penalty=smoother.penalty_)
    flat = ~cells.differs
    for pvalue in fit.curves.pvalues.values():
        assert 0.03 < np.mean(pvalue[flat] < 0.05) < 0.075
        assert 0.003 < np.mean(pvalue[flat] < 0.01) < 0.022


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_an_offset_is_subtracted(storage):
    """A Gaussian family has an identity link."""
    basis, penalty, Y, conditions, donors, time = conditions_data()
    given = {"conditions": conditions, "donors": donors, "penalty": penalty}
    offset = 2.0 * conditions + time
    fit = fit_conditions(basis, storage(Y), offset=offset, **given)
    other = fit_conditions(basis, storage(Y - offset[:, None]), **given)
    np.testing.assert_allclose(fit.curve(basis[:9], 1), other.curve(basis[:9], 1), atol=1e-6)
    for name, pvalue in other.curves.pvalues.items():
        np.testing.assert_allclose(fit.curves.pvalues[name], pvalue, rtol=1e-4)


def test_values_that_are_too_large_are_said_to_be_that():
    basis, penalty, Y, conditions, _, _ = conditions_data()
    Y[:, 2] *= 1e200
    fit = fit_conditions(basis, Y, conditions, penalty=penalty)
    assert fit.failed == {2: "expression so large that its squares overflow"}


def test_tests_of_differences_do_not_depend_on_what_conditions_share():
    rng = np.random.default_rng(0)
    time, treated = rng.uniform(size=600), np.arange(600) % 2
    seen = (treated == 0) | (time < 0.6)  # the last spline of treated cells has hardly any weight
    smoother = BSplineSmoother(n_splines=10)
    basis = smoother.fit_transform(time[seen, None])
    Y = rng.standard_normal((seen.sum(), 5))
    found = [
        fit_conditions(basis, Y + shared, treated[seen], penalty=smoother.penalty_).curves.pvalues
        for shared in (0.0, basis @ rng.normal(0, 5, (10, 5)))
    ]
    for name in ("level", "shape", "both"):
        np.testing.assert_allclose(found[1][name], found[0][name], rtol=1e-3)
