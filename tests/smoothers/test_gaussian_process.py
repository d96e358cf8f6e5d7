from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern
from sklearn.utils.estimator_checks import parametrize_with_checks

from lineage_clust.datasets import bone_marrow
from lineage_clust.models import GAM
from lineage_clust.smoothers import GaussianProcessSmoother

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "palantir" / "results"
KERNELS = {"matern52": lambda scale: Matern(scale, nu=2.5), "rbf": RBF}
GRID = np.linspace(0, 1, 31)[:, None]


def some_data(seed=0, n_cells=80):
    rng = np.random.default_rng(seed)
    t = rng.beta(0.8, 1.5, (n_cells, 1))
    return t, np.sin(4 * t) + np.array([0.0, 3.0]) + rng.normal(0, 0.3, (n_cells, 2))


def exact_posterior_mean(kernel, t, y, noise, grid):
    """Rasmussen & Williams, eq. (2.25), by numpy."""
    return kernel(grid, t) @ linalg.solve(kernel(t) + noise * np.eye(len(t)), y, assume_a="pos")


# ---- the process


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=8)
@given(length_scale=st.sampled_from([0.1, 0.5, 2.0]), noise=st.sampled_from([0.05, 1.0]), seed=st.integers(0, 20))
def test_a_fixed_lambda_is_the_posterior_mean_of_the_process_with_that_noise(kernel, length_scale, noise, seed):
    t, y = some_data(seed)
    smoother = GaussianProcessSmoother(length_scale, kernel, n_landmarks=100).fit(t)
    gam = GAM(smoothing=noise, fit_intercept=False).fit(smoother.transform(t), y, penalty=smoother.penalty_)
    expected = exact_posterior_mean(KERNELS[kernel](length_scale), t, y, noise, GRID)
    np.testing.assert_allclose(gam.predict(smoother.transform(GRID)), expected, atol=2e-3 * np.ptp(y))


def test_weights_are_precisions_of_the_noise():
    t, y = some_data()
    weights = np.random.default_rng(1).uniform(0.2, 2, len(t))
    smoother = GaussianProcessSmoother(0.3).fit(t)
    gam = GAM(smoothing=0.1, fit_intercept=False).fit(smoother.transform(t), y, weights, penalty=smoother.penalty_)
    reference = GaussianProcessRegressor(Matern(0.3, nu=2.5), alpha=0.1 / weights, optimizer=None).fit(t, y)
    np.testing.assert_allclose(gam.predict(smoother.transform(GRID)), reference.predict(GRID), atol=1e-3)


def test_standard_errors_are_those_of_the_process():
    t, y = some_data()
    smoother = GaussianProcessSmoother(0.3, domain=(0, 1)).fit(t)
    gam = GAM(smoothing=0.1, fit_intercept=False, covariance="bayes").fit(
        smoother.transform(t), y, penalty=smoother.penalty_
    )
    se = gam.predict(smoother.transform(GRID), return_std=True)[1]
    reference = GaussianProcessRegressor(Matern(0.3, nu=2.5), alpha=0.1, optimizer=None).fit(t, y[:, 0])
    std = reference.predict(GRID, return_std=True)[1] / np.sqrt(0.1)  # in units of the noise
    np.testing.assert_allclose(se / np.sqrt(gam.scale_), np.column_stack([std, std]), rtol=1e-2)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_basis_spans_the_kernel_of_the_process(kernel):
    smoother = GaussianProcessSmoother(0.2, kernel, domain=(0, 1)).fit(GRID)
    basis = smoother.transform(GRID)
    np.testing.assert_allclose((basis @ basis.T).toarray(), KERNELS[kernel](0.2)(GRID), atol=1e-4)
    np.testing.assert_array_equal(smoother.penalty_, np.eye(basis.shape[1]))


# ---- Palantir


@pytest.mark.parametrize(
    ("name", "length_scale", "sigma", "n_genes"), [("default", 1.0, 1.0, 25), ("short", 0.1, 0.5, 3)]
)
def test_trends_are_those_of_palantir(name, length_scale, sigma, n_genes):
    """`golden/palantir` says how its numbers were made."""
    golden = pd.read_csv(GOLDEN / f"trends_Ery_{name}.csv.gz")
    grid, trends = golden[["pseudotime"]].to_numpy(), golden.drop(columns="pseudotime").iloc[:, :n_genes]
    adata = bone_marrow()
    in_branch = pd.read_csv(GOLDEN / "branch_cells.csv.gz", index_col="cell").loc[adata.obs_names, "Ery"] == 1
    t = adata.obs.loc[in_branch, ["palantir_pseudotime"]].to_numpy()
    smoother = GaussianProcessSmoother(length_scale, n_landmarks=500).fit(t)
    gam = GAM(smoothing=sigma**2, fit_intercept=False)
    gam.fit(smoother.transform(t), adata[in_branch.to_numpy(), trends.columns].X, penalty=smoother.penalty_)
    np.testing.assert_allclose(gam.predict(smoother.transform(grid)), trends, atol=1e-7)


# ---- laws


@settings(max_examples=15)
@given(st.floats(0.05, 3), st.sampled_from(list(KERNELS)), st.floats(0.01, 1000))
def test_the_unit_of_pseudotime_is_the_unit_of_the_length_scale(length_scale, kernel, unit):
    t, _ = some_data()
    plain = GaussianProcessSmoother(length_scale, kernel, n_landmarks=30).fit(t)
    scaled = GaussianProcessSmoother(unit * length_scale, kernel, n_landmarks=30).fit(unit * t)
    grams = [b @ b.T for b in (plain.transform(t), scaled.transform(unit * t))]
    np.testing.assert_allclose(grams[0].toarray(), grams[1].toarray(), atol=1e-6)


def test_reml_finds_the_noise():
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 1, (1000, 1))
    curves = np.linalg.cholesky(Matern(0.3, nu=2.5)(t) + 1e-9 * np.eye(1000)) @ rng.normal(size=(1000, 8))
    smoother = GaussianProcessSmoother(0.3).fit(t)
    gam = GAM().fit(smoother.transform(t), curves + rng.normal(0, 0.5, curves.shape), penalty=smoother.penalty_)
    assert np.median(gam.scale_) == pytest.approx(0.25, rel=0.1)
    fitted = gam.predict(smoother.transform(t))
    assert np.sqrt(np.mean((fitted - curves) ** 2)) < 0.1


def test_far_away_curves_go_back_to_the_intercept():
    t, y = some_data()
    smoother = GaussianProcessSmoother(0.1).fit(t)
    gam = GAM().fit(smoother.transform(t), y, penalty=smoother.penalty_)
    np.testing.assert_allclose(gam.predict(smoother.transform([[50.0]]))[0], gam.intercept_, atol=1e-9)


def test_fewer_landmarks_are_a_coarser_approximation():
    t, y = some_data()
    exact = exact_posterior_mean(Matern(0.2, nu=2.5), t, y, 0.1, GRID)
    errors = []
    for n_landmarks in (5, 20, 200):
        smoother = GaussianProcessSmoother(0.2, n_landmarks=n_landmarks).fit(t)
        gam = GAM(smoothing=0.1, fit_intercept=False).fit(smoother.transform(t), y, penalty=smoother.penalty_)
        errors.append(np.abs(gam.predict(smoother.transform(GRID)) - exact).max())
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


# ---- parameters


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"length_scale": 0}, "length_scale must be a positive number; got 0"),
        ({"length_scale": -1.0}, "length_scale must be a positive number"),
        ({"length_scale": np.inf}, "length_scale must be a positive number"),
        ({"length_scale": True}, "length_scale must be a positive number"),
        ({"length_scale": "1"}, "length_scale must be a positive number"),
        ({"kernel": "matern32"}, "kernel must be 'matern52' or 'rbf'; got 'matern32'"),
        ({"n_landmarks": 1}, "n_landmarks must be an integer of at least 2; got 1"),
        ({"domain": (1, 0)}, "domain must be None or"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        GaussianProcessSmoother(**parameters).fit(GRID)


@parametrize_with_checks([GaussianProcessSmoother(n_landmarks=20)])
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([GaussianProcessSmoother(0.3, "rbf", 10)])
def test_scikit_learn_s_checks_of_other_settings(estimator, check):
    check(estimator)
