"""Sums over cells equal sums over the nodes of a grid, for any curve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lineage_clust as lc
from lineage_clust.models.gam.design import make_design
from lineage_clust.models.gam.pirls.grid import make_grid

N_CELLS = 1500
TOLERANCE = 1e-3


def cells(seed=0, smoother=None, extra=None):
    rng = np.random.default_rng(seed)
    t, w, offset = rng.beta(1, 1.5, (N_CELLS, 1)), rng.uniform(0.1, 1, N_CELLS), rng.normal(0, 0.5, N_CELLS)
    smoother = lc.BSplineSmoother() if smoother is None else smoother
    B = smoother.fit_transform(t)
    X = B if extra is None else np.hstack([B.toarray(), extra])
    return make_design(X, smoother.penalty_, w, "auto", keep_sparse=True), w, offset, t[:, 0]


def relative_error(grid, design, w, offset, coefficients, function):
    eta, at_nodes = design.matrix @ coefficients, grid.rows @ coefficients
    eta = eta if offset is None else eta + offset
    exact = w @ function(eta)
    return abs(grid.shares.of_weights() @ function(at_nodes + grid.offset) - exact) / np.abs(exact)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.0, 3.0))
def test_sums_over_cells_are_sums_over_nodes(seed, amplitude):
    """Of exposures, variances and losses, along curves that rise and fall by a factor of `exp(2 * amplitude)`."""
    design, w, offset, _ = cells(seed)
    grid = make_grid(design, w, offset, TOLERANCE)
    b = amplitude * np.sin(np.linspace(0, 6, 20) + seed)
    for function in (np.exp, lambda eta: 1 / (1 + np.exp(eta)), lambda eta: np.log1p(np.exp(eta))):
        assert relative_error(grid, design, w, offset, b, function) < TOLERANCE


def test_a_smaller_tolerance_takes_more_nodes_and_errs_less():
    design, w, offset, _ = cells()
    b = 2 * np.sin(np.linspace(0, 9, 20))
    grids = [make_grid(design, w, offset, tolerance) for tolerance in (1e-2, 1e-3, 1e-5)]
    sizes = [grid.n_nodes for grid in grids]
    errors = [relative_error(grid, design, w, offset, b, lambda eta: eta**4 * np.exp(eta)) for grid in grids]
    assert sizes[0] < sizes[1] < sizes[2]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-5


@pytest.mark.parametrize(
    "options", [{"knots": "quantile"}, {"penalty_order": 1}, {"penalty_order": 3}, {"degree": 2}, {"n_splines": 6}]
)
def test_bases_of_other_knots_penalties_and_degrees(options):
    smoother = lc.BSplineSmoother(**options)
    design, w, offset, _ = cells(smoother=smoother)
    grid = make_grid(design, w, offset, TOLERANCE)
    assert relative_error(grid, design, w, offset, np.sin(np.linspace(0, 6, smoother.n_splines)), np.exp) < TOLERANCE


def test_few_cells_are_their_own_nodes():
    rng = np.random.default_rng(0)
    t, w, offset = np.linspace(0, 1, 30)[:, None] ** 1.2, rng.uniform(0.1, 1, 30), rng.integers(0, 2, 30).astype(float)
    smoother = lc.BSplineSmoother()
    design = make_design(smoother.fit_transform(t), smoother.penalty_, w, "auto", keep_sparse=True)
    grid = make_grid(design, w, offset, 1e-2)
    assert relative_error(grid, design, w, offset, 5 * rng.normal(size=20), np.exp) < 1e-9


def test_covariates_of_few_values_have_a_grid_each_and_others_have_none():
    rng = np.random.default_rng(1)
    batch = rng.integers(0, 3, (N_CELLS, 1)).astype(float)
    design, w, offset, _ = cells(extra=batch)
    plain = make_grid(cells()[0], w, offset, TOLERANCE)
    grid = make_grid(design, w, offset, TOLERANCE)
    assert grid.n_nodes == 3 * plain.n_nodes
    assert relative_error(grid, design, w, offset, np.r_[np.sin(np.linspace(0, 6, 20)), 0.7], np.exp) < TOLERANCE
    assert make_grid(cells(extra=rng.normal(size=(N_CELLS, 1)))[0], w, offset, TOLERANCE) is None


def test_groups_share_no_node():
    """What sums per donor are for: those of each group are the sums of its cells alone."""
    design, w, offset, _ = cells()
    groups = np.random.default_rng(2).integers(0, 4, N_CELLS)
    grid = make_grid(design, w, offset, TOLERANCE, groups=groups)
    own = grid.shares.of_weights()
    for group in range(4):
        inside = grid.strata == group
        assert own[inside].sum() == pytest.approx(w[groups == group].sum())
    b = np.sin(np.linspace(0, 6, 20))
    assert relative_error(grid, design, w, offset, b, np.exp) < TOLERANCE


def test_rows_that_are_no_curve_have_no_grid():
    rng = np.random.default_rng(0)
    w = np.ones(N_CELLS)
    assert make_grid(make_design(rng.normal(size=(N_CELLS, 4)), None, w, "auto"), w, None, 1e-3) is None


def test_a_cell_far_away_does_not_spoil_the_offsets_of_the_others():
    design, w, offset, _ = cells()
    offset[0] = -7.0
    grid = make_grid(design, w, offset, TOLERANCE)
    assert relative_error(grid, design, w, offset, np.sin(np.linspace(0, 6, 20)), np.exp) < TOLERANCE
