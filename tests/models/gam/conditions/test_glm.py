"""Conditions with non-Gaussian families: score equations, genes absent in one condition, and calibration."""

import numpy as np
import pytest

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.errors import LineageClustWarning
from lineage_clust.models.gam.conditions.fit import fit_conditions
from lineage_clust.models.gam.donors import nodes as donors_nodes
from lineage_clust.utils.combining import cauchy_combination


def counts(seed=0, n_donors=8, n_cells=400, n_genes=22, shift=0.3, paired=False):
    """Return basis, penalty, counts without a difference, conditions, donors, time and log depth."""
    rng = np.random.default_rng(seed)
    donors = rng.permutation(np.arange(n_cells) % n_donors)
    conditions = rng.integers(0, 2, n_cells) if paired else (donors >= n_donors // 2).astype(int)
    time, depth = rng.uniform(size=n_cells), rng.normal(0, 0.3, n_cells)
    smoother = BSplineSmoother(n_splines=7, domain=(0.0, 1.0))
    basis = smoother.fit_transform(time[:, None])
    mean = (
        np.exp(1 + np.sin(3 * time) + depth)[:, None] * np.exp(shift * rng.standard_normal((n_donors, n_genes)))[donors]
    )
    return (
        basis,
        smoother.penalty_,
        rng.poisson(mean * rng.gamma(3, 1 / 3, mean.shape)) * 1.0,
        conditions,
        donors,
        time,
        depth,
    )


def test_without_donors_and_penalty_it_is_a_glm_of_both_conditions(monkeypatch):
    monkeypatch.setattr(donors_nodes, "_WORTHWHILE", np.inf)  # cells are the nodes
    _, _, Y, conditions, _, time, depth = counts(n_genes=3)
    X = np.column_stack([np.ones(len(time)), time])
    fit = fit_conditions(X, Y, conditions, model=GAM("poisson"), offset=depth)
    found, error = fit.difference(np.array([[1.0, 0.0], [0.0, 1.0]]), 1)
    both = np.hstack([X, X * conditions[:, None]])
    exposure = np.exp(depth)
    own = np.array([exposure[conditions == c].sum() for c in (0, 1)])[conditions]
    for gene in range(3):
        y, beta = Y[:, gene] + 0.5 * exposure / own, np.array([1.0, 0, 0, 0])  # with half a count a sample
        for _ in range(30):
            mu = np.exp(both @ beta + depth)
            information = both.T @ (mu[:, None] * both)
            beta = beta + np.linalg.solve(information, both.T @ (y - mu))
        np.testing.assert_allclose(found[gene], beta[2:], atol=1e-3)
        np.testing.assert_allclose(error[gene], np.sqrt(np.diag(np.linalg.inv(information))[2:]), rtol=1e-3)


@pytest.mark.parametrize("paired", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_differences_are_found_and_donors_are_none(paired):
    basis, penalty, Y, conditions, donors, _, depth = counts(paired=paired)
    rng = np.random.default_rng(1)
    Y[:, 0] = np.where(conditions == 1, 0, Y[:, 0])  # the strongest difference there is
    Y[:, 1] = np.where(conditions == 0, 0, Y[:, 1])
    Y[:, 2] += rng.poisson(8.0 * np.exp(depth) * conditions)
    fit = fit_conditions(basis, Y, conditions, donors, penalty=penalty, model=GAM("negative_binomial"), offset=depth)
    pvalues = fit.curves.pvalues
    assert fit.curves.converged.all()
    assert np.all(pvalues["level"][:3] < 1e-3)
    assert np.all(pvalues["both"][:3] < 2e-3)
    assert np.mean(pvalues["both"][3:] < 0.05) < 0.2
    found, error = fit.difference(basis[:5].toarray() if hasattr(basis, "toarray") else basis[:5], 1)
    assert np.all(found[0] < -3)
    assert np.all(found[1] > 3)
    assert np.all(error < 4)
    assert fit.curves.deviations.shape == (len(fit.samples), fit.random.shape[1], Y.shape[1])
    assert np.median(fit.curves.shared[3:]) > 0.6 if paired else np.all(fit.curves.shared == 0)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["binomial", "gamma", "poisson"])
def test_other_families(family):
    basis, penalty, Y, conditions, donors, _, depth = counts()
    Y[:, 0] = np.where(conditions == 1, 3 * Y[:, 0] + 9, Y[:, 0])
    Y = (Y > 6).astype(float) if family == "binomial" else Y + (family == "gamma")
    offset = None if family == "binomial" else depth
    fit = fit_conditions(basis, Y, conditions, donors, penalty=penalty, model=GAM(family), offset=offset)
    assert fit.curves.pvalues["both"][0] < 1e-3
    assert np.mean(fit.curves.pvalues["both"][1:] < 0.05) < 0.25


@pytest.mark.parametrize("family", ["gamma", "inverse_gaussian"])
@pytest.mark.first(1)
def test_few_cells_per_node_let_no_fit_diverge(family, monkeypatch):
    """Their losses are not bounded at nodes at which interpolation leaves a negative weight."""
    basis, penalty, Y, conditions, donors, _, _ = counts(seed=1)
    fit = fit_conditions(basis, Y + 1, conditions, donors, penalty=penalty, model=GAM(family))
    assert fit.curves.converged.all()
    monkeypatch.setattr(donors_nodes, "_WORTHWHILE_UNBOUNDED", 0)
    other = fit_conditions(basis, Y + 1, conditions, donors, penalty=penalty, model=GAM(family))
    known = other.curves.converged
    assert not known.all()
    assert np.isfinite(other.difference(basis, 1)).all()
    assert [bool(note) for note in other.note] == (~known).tolist()
    assert np.isfinite(other.curves.pvalues["both"][known]).all()


def test_one_p_value_near_one_does_not_undo_the_other():
    _, pvalue = cauchy_combination(np.array([[1e-3, 0.02], [1.0, 1.0]]))
    assert np.all(pvalue < np.array([2.1e-3, 0.06]))
    rng = np.random.default_rng(0)
    _, pvalue = cauchy_combination(rng.uniform(size=(2, 200_000)))
    assert np.mean(pvalue < 0.05) == pytest.approx(0.0513, abs=0.002)
    assert np.mean(pvalue < 0.01) == pytest.approx(0.01, abs=0.001)


@pytest.mark.slow
def test_calibration():
    """`python -m benchmarks.donors --conditions --family negative_binomial` has more of it."""
    from benchmarks.conditions_data import between, simulate_conditions
    from benchmarks.donors_data import Effect

    rng = np.random.default_rng(72)
    cells = simulate_conditions(rng, np.full(8, 150), 800, Effect(0.25, 0.25), between(4, 4), counts=True)
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    basis = smoother.fit_transform(cells.time[:, None])
    fit = fit_conditions(
        basis, cells.Y, cells.condition, cells.donor, penalty=smoother.penalty_, model=GAM("negative_binomial"),
        offset=cells.depth,
    )  # fmt: skip
    for pvalue in fit.curves.pvalues.values():
        assert 0.03 < np.mean(pvalue[~cells.differs] < 0.05) < 0.075
        assert 0.002 < np.mean(pvalue[~cells.differs] < 0.01) < 0.022


def test_no_absurd_difference_is_said_to_have_converged():
    basis, penalty, Y, conditions, donors, _, _ = counts()
    rng = np.random.default_rng(1)
    for gene in range(16):  # bursts: trends of all cells are spikes, with nothing between them
        Y[:, gene] = 0
        Y[rng.choice(len(Y), [1, 2, 3, 5][gene % 4], replace=False), gene] = [2, 30, 200, 1000][gene // 4]
    fit = fit_conditions(basis, Y, conditions, donors, penalty=penalty, model=GAM("poisson"))
    known = fit.curves.converged
    assert known[[0, 1, 2, 3, *range(16, 22)]].all()
    assert np.abs(fit.difference(basis[:50], 1)[0][known]).max() < 20
    assert all("no convergence" in note for note, good in zip(fit.note, known, strict=True) if not good)


def test_few_genes_are_a_reason_to_warn_with_advice_for_conditions():
    basis, penalty, Y, conditions, donors, _, depth = counts(n_genes=3)
    with pytest.warns(LineageClustWarning, match="and 3 genes are too few for a.*at least 20 genes.$"):
        fit_conditions(basis, Y, conditions, donors, penalty=penalty, model=GAM("poisson"), offset=depth)


def test_too_few_cells_are_refused_with_advice():
    rng, smoother = np.random.default_rng(0), BSplineSmoother(20)
    design, donors = smoother.fit_transform(rng.random((20, 1))), np.arange(20) % 4
    many = rng.negative_binomial(3, 0.4, (20, 40)).astype(float)
    with pytest.raises(ValueError, match="20 cells are too few"):
        fit_conditions(design, many, donors % 2, donors, penalty=smoother.penalty_, model=GAM("negative_binomial"))


@pytest.mark.parametrize("n_treated", [2, 3])
@pytest.mark.parametrize("family", ["negative_binomial", "poisson"])
def test_genes_of_few_donors_are_tested_only_if_these_may_be_a_condition(family, n_treated):
    rng = np.random.default_rng(0)
    donors, time = np.arange(600) % 7, rng.uniform(size=600)
    smoother = BSplineSmoother(n_splines=7, domain=(0.0, 1.0))
    basis = smoother.fit_transform(time[:, None])
    Y = rng.poisson(rng.gamma(2, 1, (600, 24))).astype(float)
    Y[:, 0] *= donors == 0  # one treated donor
    Y[:, 1] *= donors < 2
    fit = fit_conditions(
        basis, Y, (donors < n_treated).astype(int), donors, penalty=smoother.penalty_, model=GAM(family)
    )
    assert fit.curves.pvalues["level"][0] == 1
    assert (fit.curves.pvalues["level"][1] < 0.01) == (n_treated == 2)
    assert ["fewer than three" in note for note in fit.note] == [True, n_treated == 3] + 22 * [False]
