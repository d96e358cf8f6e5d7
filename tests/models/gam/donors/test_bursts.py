"""Genes with counts in a few cells only, whose fits to cells are spikes, with donors or conditions."""

import numpy as np
import pytest

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.models.gam.conditions.fit import fit_conditions
from lineage_clust.models.gam.donors import each as donors_each
from lineage_clust.models.gam.donors import working as donors_working

N_CELLS, N_DONORS, N_OTHERS, SIZE = 1200, 6, 12, 50.0


def bursts(family):
    """Return donors, design with its penalty, values of genes with a trend and of bursts, and the names of the latter."""
    rng = np.random.default_rng(3)
    donors, time = rng.permutation(np.arange(N_CELLS) % N_DONORS), rng.uniform(size=N_CELLS)
    levels = 0.3 * rng.standard_normal((N_DONORS, N_OTHERS))[donors]
    others = rng.poisson(np.exp(np.sin(6 * time)[:, None] * rng.standard_normal(N_OTHERS) + levels)).astype(float)
    by_time, own = np.argsort(time), np.flatnonzero(donors == 0)
    own = own[np.argsort(time[own])]
    cells = {"whole donor": own, "late cells of a donor": own[-20:], "late cells": by_time[-40:]}
    for number in (1, 2, 3, 5):
        cells |= {
            f"{number} in the middle": by_time[600 : 600 + number],
            f"{number} of a donor in the middle": own[100 : 100 + number],
            f"{number} at the start": by_time[:number],
            f"{number} of a donor at the end": own[-number:],
            f"{number} anywhere": rng.choice(N_CELLS, number, replace=False),
        }
    found = np.zeros((N_CELLS, len(cells)))
    for gene, some in enumerate(cells.values()):
        found[some, gene] = SIZE
    over = others[:, 0].copy()
    over[own[100:103]] = 10 * SIZE
    Y, names = np.column_stack([others, found, over]), [*cells, "above a trend"]
    if family == "binomial":
        Y = (Y > 0).astype(float)
    elif family in ("gamma", "inverse_gaussian"):
        Y += 0.05 * rng.gamma(5, 0.4, Y.shape)
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    return donors, smoother.fit_transform(time[:, None]), smoother.penalty_, Y, names


def model_of(family):
    return GAM(family, link="log" if family in ("gamma", "inverse_gaussian") else None)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "binomial", "gamma", "inverse_gaussian"])
def test_bursts_have_finite_trends(family):
    donors, design, penalty, Y, _ = bursts(family)
    fit = model_of(family).fit(design, Y, penalty=penalty, groups=donors)
    trend, error = fit.predict(design, return_std=True)
    fitted, highest = np.setdiff1d(np.arange(Y.shape[1]), list(fit.failed_)), Y.max(axis=0)
    assert fit.converged_[:N_OTHERS].all()
    assert np.all(trend[:, fitted].max(axis=0) < 10 * highest[fitted])
    assert np.all(error[:, fitted].max(axis=0) < 10 * highest[fitted])
    assert all(("no convergence" in fit.note_[gene]) != fit.converged_[gene] for gene in fitted)
    if family in ("poisson", "binomial"):
        assert np.mean(fit.converged_) > 0.75


@pytest.mark.slow  # compiles
@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_compiled_steps_are_those_of_numpy(family, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(donors_working, "_WORTHWHILE", 0)
    donors, design, penalty, Y, _ = bursts(family)
    found = GAM(family).fit(design, Y, penalty=penalty, groups=donors)
    monkeypatch.setattr(donors_each, "load_compiled", lambda: None)
    monkeypatch.setattr(donors_working, "load_compiled", lambda: None)
    expected = GAM(family).fit(design, Y, penalty=penalty, groups=donors)
    both = np.setdiff1d(np.flatnonzero(found.converged_ & expected.converged_), list(found.failed_))
    assert np.sum(found.converged_ != expected.converged_) <= 2
    (trend, _), (expected_trend, expected_error) = (one.predict(design, return_std=True) for one in (found, expected))
    difference = np.abs(trend - expected_trend) / (expected_error + 1e-3 * expected_trend.max(axis=0))
    assert np.quantile(difference[:, both].max(axis=0), 0.8) < 0.01


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "binomial", "gamma", "inverse_gaussian"])
@pytest.mark.parametrize("paired", [False, True])
def test_bursts_have_finite_differences(family, paired):
    donors, design, penalty, Y, _ = bursts(family)
    conditions = np.random.default_rng(0).integers(2, size=N_CELLS) if paired else donors % 2
    fit = fit_conditions(design, Y, conditions, donors, penalty=penalty, model=model_of(family))
    known = fit.curves.converged.copy()
    known[list(fit.failed)] = False
    difference, error = fit.difference(design, 1)
    assert known[:N_OTHERS].all()
    assert np.abs(difference[known]).max() < 20
    assert np.isfinite(error[known]).all()
    if family in ("poisson", "binomial"):
        assert np.mean(known) > 0.75
