import numpy as np
import pytest
from scipy import sparse

from lineage_clust.models.gam.design import effect_map, make_design
from lineage_clust.smoothers import BSplineSmoother

RNG = np.random.default_rng(0)
T = RNG.uniform(0, 1, (80, 1))
WEIGHTS = RNG.uniform(0.01, 1, 80)
SMOOTHER = BSplineSmoother(8, domain=(0, 1)).fit(T)
SPLINES = SMOOTHER.transform(T)
COVARIATES = RNG.normal(size=(80, 2))


def designs():
    """Designs of every make-up: (X, penalty, fit_intercept)."""
    with_covariates = sparse.hstack([SPLINES, COVARIATES], format="csr")
    return {
        "splines": (SPLINES, SMOOTHER.penalty_, "auto"),
        "splines and covariates": (with_covariates, SMOOTHER.penalty_, "auto"),
        "no constant inside": (T**2, None, "auto"),
        "penalised constant": (SPLINES, np.eye(8), "auto"),
        "intercept refused": (T**2, None, False),
    }


cases = pytest.mark.parametrize("name", list(designs()))


def test_a_spline_basis_holds_the_constant():
    design = make_design(SPLINES, SMOOTHER.penalty_, WEIGHTS, "auto")
    assert not design.has_intercept
    np.testing.assert_allclose(design.matrix @ design.constant, 1)
    np.testing.assert_allclose(design.penalty @ design.constant, 0, atol=1e-10)


@pytest.mark.parametrize("name", ["no constant inside", "penalised constant"])
def test_an_intercept_is_added_where_no_free_combination_is_constant(name):
    X, penalty, fit_intercept = designs()[name]
    design = make_design(X, penalty, WEIGHTS, fit_intercept)
    assert design.has_intercept
    np.testing.assert_array_equal(design.matrix[:, -1], 1)
    np.testing.assert_array_equal(design.constant, np.eye(X.shape[1] + 1)[-1])
    np.testing.assert_array_equal(design.penalty[-1], 0)


def test_a_constant_hidden_in_the_columns_is_found():
    X = np.column_stack([T, 3 - T])
    design = make_design(X, None, WEIGHTS, "auto")
    assert not design.has_intercept
    np.testing.assert_allclose(design.constant, [1 / 3, 1 / 3])


def test_the_intercept_is_the_user_s_choice():
    assert make_design(SPLINES, SMOOTHER.penalty_, WEIGHTS, True).has_intercept
    refused = make_design(T**2, None, WEIGHTS, False)
    assert not refused.has_intercept
    assert refused.constant is None


def test_covariates_are_not_penalised():
    X, penalty, _ = designs()["splines and covariates"]
    design = make_design(X, penalty, WEIGHTS, "auto")
    assert design.n_smooth == 8
    assert design.penalty.shape == (10, 10)
    np.testing.assert_array_equal(design.penalty[:8, :8], penalty)
    assert not design.penalty[8:].any()


@cases
def test_the_square_of_the_effects_is_that_of_the_centred_smooth(name):
    X, penalty, fit_intercept = designs()[name]
    design = make_design(X, penalty, WEIGHTS, fit_intercept)
    gram = design.matrix.T @ (design.matrix * WEIGHTS[:, None])
    to_effects = effect_map(gram, *design.centring)
    beta = np.random.default_rng(1).normal(size=len(design.penalty))
    smooth = design.matrix[:, : design.n_smooth] @ beta[: design.n_smooth]
    if fit_intercept is not False:
        smooth = smooth - smooth.mean()
    assert np.sum((to_effects @ beta) ** 2) == pytest.approx(np.sum(WEIGHTS * smooth**2), rel=1e-9)


@pytest.mark.parametrize("name", ["splines", "splines and covariates", "no constant inside"])
def test_neither_the_constant_nor_covariates_have_an_effect(name):
    X, penalty, fit_intercept = designs()[name]
    design = make_design(X, penalty, WEIGHTS, fit_intercept)
    gram = design.matrix.T @ (design.matrix * WEIGHTS[:, None])
    to_effects = effect_map(gram, *design.centring)
    np.testing.assert_allclose(to_effects @ design.constant, 0, atol=1e-8)
    np.testing.assert_array_equal(to_effects[:, design.n_smooth :], 0)
