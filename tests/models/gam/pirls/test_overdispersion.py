"""Overdispersion of Poisson fits is reported, for fits from sums and from cells."""

import numpy as np
import pytest

from lineage_clust import GAM, BSplineSmoother


def counts(n_cells=2500, n_genes=30, overdispersed=3, seed=0):
    """Return a design with its penalty, log depth, weights and counts, of which the first genes are overdispersed."""
    rng = np.random.default_rng(seed)
    time, depth = rng.uniform(size=n_cells), rng.normal(0, 0.4, n_cells)
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    mu = np.exp(rng.uniform(-1, 3, n_genes) + np.sin(4 * time)[:, None] + depth[:, None])
    mu[:, :overdispersed] *= rng.gamma(2.0, 0.5, (n_cells, overdispersed))
    return (
        smoother.fit_transform(time[:, None]),
        smoother.penalty_,
        depth,
        rng.uniform(0.3, 1, n_cells),
        rng.poisson(mu),
    )


def factors(notes):
    """Return what the notes say of variances; 0 for the others."""
    return np.array([float(note.split()[1]) if note.startswith("variance") else 0.0 for note in notes])


@pytest.mark.parametrize("with_offset", [True, False])
def test_genes_that_vary_more_have_a_note_and_others_none(with_offset):
    design, penalty, depth, weights, Y = counts()
    offset = depth if with_offset else None
    Y = Y if with_offset else np.random.default_rng(1).poisson(np.exp(design[:, :5].sum(axis=1))[:, None] * np.ones(30))
    fits = [GAM("poisson", discretize=grid).fit(design, Y, weights, penalty, offset=offset) for grid in (True, False)]
    from_sums, from_cells = (factors(fit.note_) for fit in fits)
    assert np.flatnonzero(from_cells).tolist() == ([0, 1, 2] if with_offset else [])
    np.testing.assert_allclose(from_sums, from_cells, rtol=0.05)


def test_many_are_a_reason_to_warn_and_the_family_for_them_has_no_note(caplog):
    design, penalty, depth, _, Y = counts(overdispersed=10)
    GAM("poisson").fit(design, Y, penalty=penalty, offset=depth)
    assert "Counts of 10 of 30 genes are overdispersed" in caplog.text
    assert "negative_binomial" in caplog.text
    caplog.clear()
    fit = GAM("negative_binomial").fit(design, Y, penalty=penalty, offset=depth)
    assert not caplog.text
    assert not any(note.startswith("variance") for note in fit.note_)


def test_what_donors_differ_by_is_no_overdispersion_if_they_are_replicates(caplog):
    rng = np.random.default_rng(4)
    design, penalty, depth, _, _ = counts()
    donors = rng.integers(0, 6, len(depth))
    Y = rng.poisson(np.exp(1 + depth[:, None] + 0.7 * rng.standard_normal((6, 20))[donors]))
    assert np.sum(factors(GAM("poisson").fit(design, Y, penalty=penalty, offset=depth).note_) > 0) > 15
    assert "overdispersed" in caplog.text
    caplog.clear()
    fit = GAM("poisson").fit(design, Y, penalty=penalty, offset=depth, groups=donors)
    assert not factors(fit.note_).any()
    assert not caplog.text
