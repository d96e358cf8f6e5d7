"""Smoothing parameters: derivatives of the criteria, and global minima."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.models.gam.smoothing.criteria import gcv, minimise, reml
from lineage_clust.models.gam.smoothing.spectral import diagonalise
from lineage_clust.smoothers import BSplineSmoother

criteria = pytest.mark.parametrize("make", [reml, gcv])


def problem(seed=0, n_genes=6, n_cells=120):
    """Spectrum, loadings and squares of genes from flat to wiggly, and the number of cells."""
    rng = np.random.default_rng(seed)
    t, w = rng.uniform(0, 1, n_cells), rng.uniform(0.01, 1, n_cells)
    waves = np.sin(2 * np.pi * np.outer(t, rng.uniform(0, 4, n_genes)) + rng.uniform(0, 6, n_genes))
    Y = waves * rng.uniform(0, 3, n_genes) + rng.normal(size=(n_cells, n_genes))
    smoother = BSplineSmoother(14, domain=(0, 1)).fit(t[:, None])
    B = smoother.transform(t[:, None]).toarray()
    spectrum = diagonalise(B.T @ (B * w[:, None]), smoother.penalty_)
    return spectrum, spectrum.basis.T @ (B.T @ (Y * w[:, None])), np.einsum("ij,ij,i->j", Y, Y, w), n_cells


@criteria
@given(seed=st.integers(0, 100), log_lambda=st.floats(-8, 12))
def test_derivatives_are_those_of_the_value(make, seed, log_lambda):
    case = problem(seed)
    criterion, genes = make(*case), np.arange(6)
    step = 1e-4
    below, here, above = (criterion(np.full(6, log_lambda + shift), genes) for shift in (-step, 0, step))
    np.testing.assert_allclose(here[1], (above[0] - below[0]) / (2 * step), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(here[2], (above[1] - below[1]) / (2 * step), rtol=1e-4, atol=1e-6)


@criteria
@given(seed=st.integers(0, 100))
@pytest.mark.first(1)
def test_the_minimum_is_the_global_one(make, seed):
    case = problem(seed)
    criterion, genes = make(*case), np.arange(6)
    lambda_, converged = minimise(criterion, case[0], 6)
    found = criterion(np.log(lambda_), genes)[0]
    scan = np.stack([criterion(np.full(6, point), genes)[0] for point in np.linspace(-25, 40, 250)])
    assert converged.all()
    assert np.all(found <= scan.min(axis=0) + 1e-6)


@criteria
def test_each_gene_is_found_by_itself(make):
    spectrum, loadings, squares, n_cells = problem(n_genes=6)
    together = minimise(make(spectrum, loadings, squares, n_cells), spectrum, 6)[0]
    for gene in range(6):
        alone = minimise(make(spectrum, loadings[:, [gene]], squares[[gene]], n_cells), spectrum, 1)[0]
        np.testing.assert_allclose(alone, together[gene], rtol=1e-9)  # matrix products of other sizes round otherwise


@criteria
def test_a_straight_line_is_smoothed_completely(make):
    spectrum, _, _, n_cells = problem()
    free = np.where(np.arange(len(spectrum.gram)) < spectrum.n_unpenalized, 1.0, 0.0)[:, None]
    lambda_, converged = minimise(make(spectrum, free, np.array([5.0]), n_cells), spectrum, 1)
    assert converged.all()
    gram, penalty = spectrum.gram.ravel(), spectrum.penalty.ravel()
    assert np.sum(gram / (gram + lambda_ * penalty)) < spectrum.n_unpenalized + 1e-6


@criteria
@pytest.mark.parametrize("square", [0.0, 1e-300, 1e300])
def test_extreme_scales_stay_finite(make, square):
    spectrum, loadings, _, n_cells = problem(n_genes=1)
    lambda_, converged = minimise(make(spectrum, 0 * loadings, np.array([square]), n_cells), spectrum, 1)
    assert np.isfinite(lambda_).all()
    assert converged.all()


def test_without_a_penalty_there_is_nothing_to_choose():
    spectrum = diagonalise(np.eye(3), np.zeros((3, 3)))
    lambda_, converged = minimise(reml(spectrum, np.ones((3, 2)), np.full(2, 9.0), 10), spectrum, 2)
    assert lambda_.tolist() == [0, 0]
    assert converged.all()
