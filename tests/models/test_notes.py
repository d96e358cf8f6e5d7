"""Unsuccessful fits: zeros without a likelihood, no convergence, and too few cells for a test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.errors import LineageClustWarning
from lineage_clust.models import GAM, PyGAM
from lineage_clust.models.notes import found_in
from lineage_clust.smoothers import BSplineSmoother

N_CELLS = 400


def cells(seed=0, n_cells=N_CELLS):
    t = np.sort(np.random.default_rng(seed).uniform(0, 1, n_cells))
    smoother = BSplineSmoother().fit(t[:, None])
    return t, smoother.transform(t[:, None]), smoother.penalty_


def sparse_gamma(zeros, n_genes, seed):
    rng = np.random.default_rng(seed)
    return rng.gamma(2, 0.5, (N_CELLS, n_genes)) * (rng.random((N_CELLS, n_genes)) >= zeros)


def of_zeros(family):
    return pytest.warns(LineageClustWarning, match=f"contain zeros, which have no likelihood under family '{family}'")


@pytest.mark.parametrize(("zeros", "most"), [(0.5, 0.1), (0.8, 0.1), (0.95, 0.16)])
@pytest.mark.slow
def test_flat_gamma_genes_with_zeros_are_rarely_significant(zeros, most):
    _, design, penalty = cells()
    Y = sparse_gamma(zeros, 150, seed=1)
    with of_zeros("gamma"):
        gam = GAM("gamma").fit(design, Y, penalty=penalty)
    assert gam.converged_.mean() > 0.85
    known = gam.pvalue_[np.isfinite(gam.pvalue_)]
    assert np.mean(known < 0.05) < most
    trend = gam.predict(design)
    fitted = np.isfinite(trend).all(axis=0)
    assert np.all(trend[:, fitted].max(axis=0) < Y[:, fitted].max(axis=0))
    assert np.all(gam.deviance_explained_[gam.converged_] >= 0)


def test_trends_of_genes_with_zeros_are_found():
    t, design, penalty = cells()
    truth = np.exp(1 + np.sin(5 * t))
    rng = np.random.default_rng(2)
    Y = rng.gamma(3, truth[:, None] / 3, (N_CELLS, 20)) * (rng.random((N_CELLS, 20)) < 0.4)
    with of_zeros("gamma"):
        gam = GAM("gamma").fit(design, Y, penalty=penalty)
    assert gam.converged_.all()
    assert np.all(gam.pvalue_ < 1e-3)
    error = gam.predict(design) / (0.4 * truth[:, None]) - 1
    assert np.sqrt(np.mean(error**2)) < 0.25


@pytest.mark.parametrize("family", ["gamma", "inverse_gaussian"])
@pytest.mark.first(1)
def test_a_stretch_without_expression_has_no_fit(family):
    """The quasi-likelihood has no maximum there: no p-value, and a note or a reason that names the families to use."""
    t, design, penalty = cells()
    Y = np.random.default_rng(3).gamma(2, 1, (N_CELLS, 6)) * (t[:, None] > 0.5)
    Y[:, 0] += 0.1
    with of_zeros(family):
        gam = GAM(family).fit(design, Y, penalty=penalty)
    assert gam.converged_[0]
    assert not gam.converged_[1:].any()
    assert np.isnan(gam.pvalue_[1:]).all()
    for gene in range(1, 6):
        assert "use 'negative_binomial' for counts" in gam.failed_.get(gene, gam.note_[gene])


def test_few_genes_with_zeros_are_noted_not_warned_of():
    _, design, penalty = cells()
    Y = sparse_gamma(0, 20, seed=4)
    Y[::10, 0] = 0
    assert GAM("gamma").fit(design, Y, penalty=penalty).converged_.all()


@settings(max_examples=10, deadline=None)
@given(
    exponent=st.integers(-15, 15),
    family=st.sampled_from(["gamma", "inverse_gaussian"]),
    zeros=st.sampled_from([0.0, 0.3]),
)
@pytest.mark.slow
def test_units_of_expression_do_not_matter(exponent, family, zeros):
    _, design, penalty = cells(n_cells=N_CELLS)
    Y = sparse_gamma(zeros if family == "gamma" else 0.0, 2, seed=5) + (family != "gamma") * 0.2
    unit = 10.0**exponent
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(LineageClustWarning)
        one, other = (GAM(family).fit(design, Y * factor, penalty=penalty) for factor in (1.0, unit))
    assert other.converged_.all()
    np.testing.assert_allclose(other.predict(design), one.predict(design) * unit, rtol=1e-4)
    np.testing.assert_allclose(other.deviance_explained_, one.deviance_explained_, atol=1e-5)


def test_what_does_not_converge_has_no_pvalue():
    t, design, penalty = cells()
    Y = np.random.default_rng(6).poisson(np.exp(1 + np.sin(5 * t[:, None])), (N_CELLS, 3))
    gam = GAM("poisson", max_iter=2).fit(design, Y, penalty=penalty)
    assert not gam.converged_.any()
    assert np.isnan(gam.pvalue_).all()
    assert np.isfinite(gam.predict(design)).all()


@pytest.mark.parametrize("family", ["gaussian", "gamma"])
def test_without_residual_degrees_of_freedom_there_is_no_test(family):
    t = np.linspace(0, 1, 15)
    smoother = BSplineSmoother().fit(t[:, None])
    Y = np.random.default_rng(7).gamma(2, 1, (15, 4))
    gam = GAM(family, smoothing=1e-12).fit(smoother.transform(t[:, None]), Y, penalty=smoother.penalty_)
    assert np.all(gam.edf_ > 14)
    assert np.isnan(gam.pvalue_).all()
    assert all("a trend cannot be distinguished from noise" in note for note in gam.note_)


def test_pygam_warns_of_zeros_as_well():
    t, *_ = cells()
    with of_zeros("gamma"):
        PyGAM("gamma", "log").fit(t, sparse_gamma(0.5, 3, seed=8))


@pytest.mark.parametrize("kind", [np.asarray, np.asfortranarray, sparse.csr_matrix, sparse.csc_array])
def test_values_are_counted_in_any_storage(kind):
    Y = kind(np.array([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0], [2.0**31, 0.0, 5.0]]))
    if sparse.issparse(Y):
        Y.data[0] = 0.0  # a stored zero
    whole = Y.toarray() if sparse.issparse(Y) else Y
    counts, carried, large = found_in(Y, np.array([1.0, 0.5, 2.0]))
    np.testing.assert_array_equal(counts, (whole != 0).sum(axis=0))
    np.testing.assert_allclose(carried, np.array([0.5, 0.25, 1.0]) @ (whole != 0))
    assert large.tolist() == [True, False, False]
