"""Calibration of p-values and intervals, with unit weights and with fate probabilities as weights."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit

from lineage_clust.models import GAM
from lineage_clust.models.notes import INTERPOLATED
from lineage_clust.smoothers import BSplineSmoother, CyclicSplineSmoother, GaussianProcessSmoother

N_CELLS = 400
WEIGHTINGS = pytest.mark.parametrize("weighting", ["unit", "fate"])


def cells(weighting, n_cells=N_CELLS):
    """Design, penalty and weights; fate probabilities part after half of the time, as in a lineage with two ends."""
    rng = np.random.default_rng(1)
    t = np.sort(rng.uniform(0, 1, n_cells))
    smoother = BSplineSmoother().fit(t[:, None])
    toward = np.where(rng.random(n_cells) < 0.5, 1.0, -1.0)
    fate = 1 / (1 + np.exp(-toward * 12 * np.clip(t - 0.4, 0, None) - rng.normal(0, 0.3, n_cells)))
    weights = np.ones(n_cells) if weighting == "unit" else np.clip(fate, 0.01, 1)
    return t, smoother.transform(t[:, None]), smoother.penalty_, weights


@WEIGHTINGS
@pytest.mark.first(1)
def test_flat_genes_are_rarely_significant(weighting):
    _, design, penalty, weights = cells(weighting)
    flat = np.random.default_rng(2).normal(5, 1, (N_CELLS, 4000))
    pvalue = GAM().fit(design, flat, sample_weight=weights, penalty=penalty).pvalue_
    assert 0.03 < np.mean(pvalue < 0.05) < 0.07
    assert 0.005 < np.mean(pvalue < 0.01) < 0.02
    assert np.mean(pvalue) == pytest.approx(0.5, abs=0.1)


@WEIGHTINGS
@pytest.mark.parametrize("family", ["gaussian", "negative_binomial"])
@pytest.mark.parametrize(
    "smoother",
    [CyclicSplineSmoother(12), BSplineSmoother(12, penalty_order=1), GaussianProcessSmoother(0.2, n_landmarks=20)],
    ids=["cyclic", "first differences", "Gaussian process"],
)
@pytest.mark.first(1)
def test_curves_that_a_penalty_shrinks_to_constants_are_tested_with_power(smoother, family, weighting):
    """Their covariance with smoothing bias gave 0 to 2 % of flat genes p < 0.05, and half of the power or less."""
    t, _, _, weights = cells(weighting)
    design = smoother.fit_transform(t[:, None])
    rng = np.random.default_rng(4)
    waves = 0.25 * np.cos(2 * np.pi * (t - 0.4))[:, None] * np.repeat([0.0, 1.0], [600, 200])
    values = waves + rng.standard_normal(waves.shape)
    if family != "gaussian":
        values = rng.poisson(np.exp(0.5 + waves) * rng.gamma(3, 1 / 3, waves.shape))
    pvalue = GAM(family).fit(design, values, sample_weight=weights, penalty=smoother.penalty_).pvalue_
    assert 0.025 < np.mean(pvalue[:600] < 0.05) < 0.08
    assert np.mean(pvalue[:600] < 0.01) < 0.025
    assert np.mean(pvalue[600:] < 0.05) > (0.75 if weighting == "unit" else 0.55)


@WEIGHTINGS
@pytest.mark.parametrize("noise", [0.2, 1.0])
def test_intervals_cover_the_truth(weighting, noise):
    t, design, penalty, weights = cells(weighting)
    rng = np.random.default_rng(3)
    n_genes = 600
    waves = np.sin(2 * np.pi * np.outer(t, rng.uniform(0.2, 1.5, n_genes)) + rng.uniform(0, 6, n_genes))
    bumps = 2 * np.exp(-0.5 * ((t[:, None] - rng.uniform(0.1, 0.9, n_genes)) / 0.12) ** 2)
    truth = np.where(np.arange(n_genes) % 2, waves, bumps)
    gam = GAM().fit(design, truth + rng.normal(0, noise, truth.shape), sample_weight=weights, penalty=penalty)
    trend, se = gam.predict(design, return_std=True)
    covered = np.abs(trend - truth) < 1.96 * se
    assert 0.93 < covered.mean() < 0.97


def test_fate_probabilities_are_no_precisions():
    """What the robust covariance is for: the Bayesian one finds too many trends in flat genes."""
    _, design, penalty, weights = cells("fate")
    flat = np.random.default_rng(2).normal(5, 1, (N_CELLS, 2000))
    robust, bayes = (
        GAM(covariance=covariance).fit(design, flat, sample_weight=weights, penalty=penalty).pvalue_
        for covariance in ("robust", "bayes")
    )
    assert np.mean(bayes < 0.05) > 0.07 > np.mean(robust < 0.05)


@pytest.mark.parametrize("covariance", ["robust", "bayes"])
def test_the_scale_is_the_variance_of_the_noise(covariance):
    t, design, penalty, weights = cells("fate" if covariance == "robust" else "unit")
    truth = np.sin(5 * t)[:, None]
    noisy = truth + np.random.default_rng(4).normal(0, 0.7, (N_CELLS, 500))
    scale = GAM(covariance=covariance).fit(design, noisy, sample_weight=weights, penalty=penalty).scale_
    assert scale.mean() == pytest.approx(0.49, rel=0.02)


# ---- every family

FAMILIES = {
    "gaussian": lambda eta, rng: rng.normal(eta, 1),
    "poisson": lambda eta, rng: rng.poisson(np.exp(eta)),
    "negative_binomial": lambda eta, rng: rng.negative_binomial(1.5, 1.5 / (1.5 + np.exp(eta))),
    "gamma": lambda eta, rng: rng.gamma(2, np.exp(eta) / 2),
    "binomial": lambda eta, rng: rng.random(eta.shape) < expit(eta),
    "inverse_gaussian": lambda eta, rng: rng.wald(np.exp(eta), 4),
}
FAMILY = pytest.mark.parametrize("family", FAMILIES)


# A cell that is 0 or 1 says less than a count: binomial tests have twice as many.


def varied_curves(t, n_genes=600):
    """Curves on the link scale, a quarter each: waves, peaks, straight lines, switches up or down.

    Waves have 0.3 to 1.3 periods, peaks are 0.12 to 0.3 wide (standard deviation), and the slope of a switch is such a peak.
    Amplitudes are from 0.5 to 2, and levels vary.
    """
    rng = np.random.default_rng(6)
    centre, width = rng.uniform(0.1, 0.9, n_genes), rng.uniform(0.12, 0.3, n_genes)
    periods, phase, direction = rng.uniform(0.3, 1.3, n_genes), rng.uniform(0, 6, n_genes), rng.choice([-1, 1], n_genes)
    amplitude, level = rng.uniform(0.5, 2, n_genes), rng.normal(0, 0.5, n_genes)
    t = t[:, None]
    shapes = [
        np.sin(2 * np.pi * periods * t + phase),
        1.5 * np.exp(-0.5 * ((t - centre) / width) ** 2),
        2 * (t - 0.5) * direction,
        1.5 * direction * expit((t - centre) * np.pi / np.sqrt(3) / width),
    ]
    return level + amplitude * np.choose(np.arange(n_genes) % 4, shapes)


@WEIGHTINGS
@FAMILY
@pytest.mark.slow
def test_flat_genes_of_every_family_are_rarely_significant(family, weighting):
    t, design, penalty, weights = cells(weighting, 2000 if family == "binomial" else 1000)
    rng = np.random.default_rng(7)
    flat = FAMILIES[family](np.zeros((len(t), 1)) + rng.normal(0, 0.7, 2000), rng).astype(float)
    gam = GAM(family).fit(design, flat, sample_weight=weights, penalty=penalty)
    assert gam.failed_ == {}
    assert 0.03 < np.mean(gam.pvalue_ < 0.05) < 0.07
    assert 0.005 < np.mean(gam.pvalue_ < 0.01) < 0.02


@WEIGHTINGS
@FAMILY
@pytest.mark.slow
def test_intervals_of_every_family_cover_the_truth(family, weighting):
    t, design, penalty, weights = cells(weighting, 4000 if family == "binomial" else 2000)
    truth = varied_curves(t)
    values = FAMILIES[family](truth, np.random.default_rng(8)).astype(float)
    gam = GAM(family).fit(design, values, sample_weight=weights, penalty=penalty)
    lower, upper = gam.confidence_interval(design)
    mean = {"gaussian": lambda eta: eta, "binomial": expit}.get(family, np.exp)(truth)
    assert 0.93 < np.mean((lower <= mean) & (mean <= upper)) < 0.97
    assert gam.converged_.all()


@WEIGHTINGS
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.first(2)
def test_genes_of_a_handful_of_cells_are_not_significant(weighting, storage):
    """Such genes are thousands in a real data set, and one cell of weight at an end is a trend to an F test."""
    _, design, penalty, weights = cells(weighting, n_cells=100)
    rng = np.random.default_rng(4)
    rare = np.zeros((100, 1000))
    for gene in range(rare.shape[1]):
        rare[rng.choice(100, rng.integers(1, 9), replace=False), gene] = rng.uniform(0.5, 3)
    gam = GAM().fit(design, storage(rare), sample_weight=weights, penalty=penalty)
    assert np.mean(gam.pvalue_ < 1e-4) < 0.002
    few = (rare.T > 0) @ weights / weights.max() < 5
    assert (gam.pvalue_[few] == 1).all()
    assert all("cell" in gam.note_[gene] for gene in np.flatnonzero(few))
    bayes = GAM(covariance="bayes").fit(design, rare[:, few], sample_weight=weights, penalty=penalty)
    assert (bayes.pvalue_ < 0.5).any()  # as in mgcv


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("n_cells", [20, 40])
@pytest.mark.first(1)
def test_trends_that_follow_each_cell_are_not_significant(n_cells, storage):
    """Log FPKM of genes expressed in some of a few cells: the zeros leave no residuals once the others are followed."""
    rng = np.random.default_rng(21)
    t = np.sort(rng.random(n_cells))
    smoother = BSplineSmoother(domain=(0, 1)).fit(t[:, None])
    levels = np.log1p(rng.lognormal(rng.normal(0, 1.5, 4000), 1.5, (n_cells, 4000)))
    flat = np.where(rng.random((n_cells, 4000)) < rng.uniform(0.1, 1, 4000), levels, 0.0)
    gam = GAM().fit(smoother.transform(t[:, None]), storage(flat), penalty=smoother.penalty_)
    tested = np.nan_to_num(gam.pvalue_, nan=1.0)
    assert np.mean(tested < 1e-4) < 5e-4  # .004 if these genes are tested
    assert 0.02 < np.mean(tested < 0.05) < 0.06
    noted = np.array([note == INTERPOLATED for note in gam.note_])
    assert noted.mean() > 0.002
    assert (gam.pvalue_[noted] == 1).all()


def test_the_order_of_cells_does_not_matter_and_rare_markers_are_found():
    """Cells with the same pseudotime have the same leverage; a gene expressed in a narrow stretch only has a trend."""
    rng = np.random.default_rng(22)
    t = np.repeat(np.linspace(0, 1, 40), 3)
    smoother = BSplineSmoother(domain=(0, 1)).fit(t[:, None])
    y = np.where((np.abs(t - 0.5) < 0.08) & (rng.random(120) < 0.9), 1.0, 0.0) * rng.uniform(1, 3, 120)
    Y = np.column_stack([y, rng.lognormal(0, 2, (120, 200)) * (rng.random((120, 200)) < 0.1)])
    shuffled = rng.permutation(120)
    one, other = (
        GAM().fit(smoother.transform(t[order, None]), Y[order], penalty=smoother.penalty_)
        for order in (np.arange(120), shuffled)
    )
    np.testing.assert_allclose(one.pvalue_, other.pvalue_, rtol=1e-6)
    assert one.note_ == other.note_
    assert 5 < np.count_nonzero(y) < 25
    assert one.pvalue_[0] < 1e-10


def test_few_cells_in_all_do_not_prevent_a_test():
    t = np.linspace(0, 1, 9)
    weights = np.full(9, 0.2)
    weights[[0, 4, 8]] = 1.0  # 4.2 cells
    y = 1 + 5 * t + np.random.default_rng(5).normal(0, 0.1, 9)
    gam = GAM().fit(np.column_stack([np.ones(9), t]), y[:, None], sample_weight=weights)
    assert gam.pvalue_[0] < 0.01
