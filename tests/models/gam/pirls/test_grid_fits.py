"""Fits from sums over a grid equal those of cells: all families, weights, offsets, options and difficult data."""

import numpy as np
import pytest
from scipy import sparse

import lineage_clust as lc
from lineage_clust.errors import NoTrendError
from lineage_clust.expression.storage import sources
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.models import GAM
from lineage_clust.models.gam.pirls import fit as fits
from lineage_clust.models.gam.pirls import runs
from lineage_clust.utils import compiling

DRAW = {
    "poisson": lambda mu, rng: rng.poisson(mu),
    "negative_binomial": lambda mu, rng: rng.poisson(rng.gamma(1.5, mu / 1.5)),
    "gamma": lambda mu, rng: rng.gamma(2, mu / 2),
    "binomial": lambda mu, rng: rng.random(mu.shape) < mu / (1 + mu),
    "inverse_gaussian": lambda mu, rng: rng.wald(mu, 4),
}
FAMILY = pytest.mark.parametrize("family", DRAW)
TOLERANCE = 1e-3


@pytest.fixture(autouse=True, params=["NumPy", pytest.param("compiled", marks=pytest.mark.slow)])
def loops(request, monkeypatch):
    """Use loops in NumPy, as for few genes, or compiled ones."""
    if request.param == "compiled":
        pytest.importorskip("numba", reason="numba (the extra fast) is not installed")
        monkeypatch.setattr(compiling, "_WORTHWHILE", 0)


class Cells:
    """Cells with weights and offsets, and genes whose expression is drawn from a family around waves."""

    def __init__(
        self, family="negative_binomial", n_cells=1500, n_genes=10, seed=0, spread=0.4, level=(-1, 1.5), size=1.0
    ):
        rng = np.random.default_rng(seed)
        self.family = family
        self.t, self.w = rng.beta(1, 1.5, (n_cells, 1)), np.clip(rng.beta(2, 1, n_cells), 0.01, 1)
        self.offset = rng.normal(0, spread, n_cells) if spread else np.zeros(n_cells)
        waves = np.sin(rng.uniform(1, 6, n_genes) * self.t + rng.uniform(0, 6, n_genes))
        eta = rng.uniform(*level, n_genes) + size * rng.uniform(0.5, 1.5, n_genes) * waves
        mu = np.exp(eta + (self.offset[:, None] if family != "binomial" else 0))
        if family == "binomial":
            self.offset = np.zeros(n_cells)
        self.Y = DRAW[family](mu, rng).astype(np.float32)
        self.smoother = lc.BSplineSmoother(domain=(0, 1)).fit(self.t)
        self.B, self.rows = (self.smoother.transform(x) for x in (self.t, np.linspace(0, 1, 101)[:, None]))

    def fit(self, discretize=True, Y=None, extra=None, **options):
        Y = sparse.csr_matrix(self.Y) if Y is None else Y
        B = self.B if extra is None else sparse.hstack([self.B, extra], format="csr")
        return GAM(self.family, discretize=discretize, **options).fit(
            B, Y, self.w, penalty=self.smoother.penalty_, offset=self.offset
        )

    def exact_genes(self, monkeypatch):
        """Return a list to which genes that are fitted from the cells will be added."""
        genes = []
        plain = runs.ExactFits.__call__
        monkeypatch.setattr(
            runs.ExactFits, "__call__", lambda self, some, theta: (genes.extend(some), plain(self, some, theta))[1]
        )
        return genes


def assert_agree(one, other, rows, genes=slice(None)):
    """Trends within the tolerance of the range, in the median of the genes, and five times that in all others."""
    (trend, se), (exact, exact_se) = (gam.predict(rows, return_std=True) for gam in (one, other))
    error = np.abs(trend - exact).max(axis=0)[genes] / np.maximum(np.ptp(exact, axis=0), exact.max(axis=0))[genes]
    assert np.median(error) < TOLERANCE
    assert error.max() < 5 * TOLERANCE
    assert np.abs(se / exact_se - 1)[:, genes].max() < 0.02
    np.testing.assert_allclose(one.edf_[genes], other.edf_[genes], rtol=0.01)
    np.testing.assert_allclose(one.deviance_explained_[genes], other.deviance_explained_[genes], atol=TOLERANCE)
    np.testing.assert_allclose(one.scale_[genes], other.scale_[genes], rtol=0.01)
    np.testing.assert_allclose(one.spread_[genes], other.spread_[genes], rtol=1e-5)
    p, exact_p = (np.log10(np.maximum(gam.pvalue_[genes], 1e-30)) for gam in (one, other))
    assert np.median(np.abs(p - exact_p)) < 0.05
    assert one.failed_ == other.failed_
    assert one.note_ == other.note_
    np.testing.assert_array_equal(one.converged_, other.converged_)
    if one.family == "negative_binomial":
        np.testing.assert_allclose(one.theta_[genes], other.theta_[genes], rtol=0.01)


# ---- as from the cells


@FAMILY
@pytest.mark.parametrize("spread", [0.0, 0.4])
@pytest.mark.first(2)
def test_a_fit_is_that_from_the_cells(family, spread, monkeypatch):
    cells = Cells(family, spread=spread)
    exact_genes = cells.exact_genes(monkeypatch)
    fit = cells.fit()
    assert exact_genes == []
    assert_agree(fit, cells.fit(False), cells.rows)


@pytest.mark.parametrize(
    "options",
    [{"covariance": "bayes"}, {"smoothing": "gcv"}, {"smoothing": 5.0}, {"dispersion": 0.5}, {"dispersion": "shrunk"}],
    ids=str,
)
@pytest.mark.first(1)
def test_with_every_option(options):
    cells = Cells(n_genes=14)
    assert_agree(cells.fit(**options), cells.fit(False, **options), cells.rows)


def test_without_a_penalty():
    """Then curves follow noise, and where cells are, errors are small beside that."""
    cells = Cells(n_cells=4000, spread=0.0)
    one, other = cells.fit(smoothing=0.0), cells.fit(False, smoothing=0.0)
    (trend, _), (exact, se) = (gam.predict(cells.B, return_std=True) for gam in (one, other))
    assert np.sqrt(np.mean(((trend - exact) / se) ** 2)) < 0.05
    np.testing.assert_allclose(one.theta_, other.theta_, rtol=0.01)


def test_gamma_with_cross_validation():
    cells = Cells("gamma", spread=0.0)
    assert_agree(cells.fit(smoothing="gcv"), cells.fit(False, smoothing="gcv"), cells.rows)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_with_a_batch_as_covariate(family):
    cells = Cells(family)
    batch = np.random.default_rng(3).integers(0, 2, (1500, 1)).astype(float)
    rows = sparse.hstack([cells.rows, np.full((101, 1), 0.5)], format="csr")
    one, other = cells.fit(extra=batch), cells.fit(False, extra=batch)
    assert_agree(one, other, rows)
    np.testing.assert_allclose(one.coef_[:, -1], other.coef_[:, -1], atol=5e-3)


def test_draws_have_the_exact_covariance():
    cells = Cells(n_genes=3)
    one, other = cells.fit(), cells.fit(False)
    scale = np.abs(other.posterior_.matrices).max()
    np.testing.assert_allclose(one.posterior_.matrices, other.posterior_.matrices, atol=0.01 * scale)
    draws = np.array(list(one.sample(cells.rows, 3, random_state=0)))
    assert draws.shape == (3, 101, 3)
    assert np.isfinite(draws).all()


@pytest.mark.slow  # compiles
@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_without_numba_it_is_the_same(family, monkeypatch):
    pytest.importorskip("numba", reason="numba (the extra fast) is not installed")
    cells = Cells(family)
    slow = cells.fit()
    monkeypatch.setattr(compiling, "_WORTHWHILE", 0)
    fast = cells.fit()
    assert_agree(fast, slow, cells.rows)
    np.testing.assert_allclose(fast.predict(cells.rows), slow.predict(cells.rows), rtol=1e-5)


@pytest.mark.slow  # compiles
def test_errors_of_weak_trends_do_not_depend_on_compiled_loops(monkeypatch):
    """Their criterion is flat: the errors of some were 4.4 times too small."""
    pytest.importorskip("numba", reason="numba (the extra fast) is not installed")
    cells = Cells(n_genes=120, size=0.1)
    errors = []
    for least in (np.inf, 0):
        monkeypatch.setattr(compiling, "_WORTHWHILE", least)
        errors.append(np.sqrt(np.einsum("gii->gi", cells.fit().posterior_.matrices)))
    np.testing.assert_allclose(*errors, rtol=1e-3)


# ---- hard cases


@pytest.mark.parametrize(
    "settings",
    [
        {"level": (9, 12), "spread": 0.0},
        {"level": (-4, -2)},
        {"n_cells": 300},
        {"n_cells": 300, "spread": 1.2},
        {"family": "poisson", "n_cells": 300},
    ],
    ids=["counts up to 1e6", "sparse", "300 cells", "300 cells, depth varies", "300 cells, Poisson"],
)
@pytest.mark.first(2)
def test_hard_cases(settings):
    cells = Cells(**settings)
    one, other = cells.fit(), cells.fit(False)
    some = np.flatnonzero((other.theta_ < 100) if cells.family == "negative_binomial" else np.ones(10, dtype=bool))
    assert len(some) >= 4
    assert_agree(one, other, cells.rows, some)


def test_depth_that_varies_a_hundredfold():
    cells = Cells(n_cells=2500)
    cells.offset = np.random.default_rng(5).uniform(-2.3, 2.3, 2500)
    mu = np.exp(np.sin(4 * cells.t + np.arange(10)) + cells.offset[:, None])
    cells.Y = DRAW["negative_binomial"](mu, np.random.default_rng(6)).astype(np.float32)
    assert_agree(cells.fit(), cells.fit(False), cells.rows)


@pytest.mark.parametrize("n_cells", [400, 3000])
@pytest.mark.first(1)
def test_a_steep_trend_is_fitted_on_a_finer_grid_or_from_the_cells(n_cells, monkeypatch):
    """The finer grid has fewer nodes than 3,000 cells, and more than 400."""
    cells = Cells(n_cells=n_cells, spread=0.0)
    steep = 3 + 4 * np.tanh((cells.t[:, 0] - 0.4) / 0.02)
    cells.Y[:, 2] = np.random.default_rng(0).poisson(np.exp(steep))
    exact_genes, sizes = cells.exact_genes(monkeypatch), []
    plain = fits.count_table
    monkeypatch.setattr(fits, "count_table", lambda Y, *args: sizes.append(Y.shape[1]) or plain(Y, *args))
    fit = cells.fit()
    assert sizes == ([10] if n_cells == 400 else [10, 1])
    assert exact_genes == ([2] if n_cells == 400 else [])
    assert_agree(fit, cells.fit(False), cells.rows)


def test_values_that_sums_do_not_suffice_for_are_fitted_from_the_cells(monkeypatch):
    cells = Cells()
    cells.Y[7, 3] += 0.5  # no count
    exact_genes = cells.exact_genes(monkeypatch)
    fit = cells.fit()
    assert exact_genes == [3]
    assert_agree(fit, cells.fit(False), cells.rows)
    cells, exact_genes[:] = Cells("gamma", spread=0.0), []
    cells.Y[::9, 4] = 0.0  # no likelihood
    fit = cells.fit()
    assert exact_genes == [4]
    assert_agree(fit, cells.fit(False), cells.rows)


def test_poor_and_impossible_genes_are_told_as_from_the_cells():
    cells = Cells(n_genes=8, spread=0.0)
    cells.Y[:, 0] = 0
    cells.Y[:, 1] = 0
    cells.Y[17, 1] = 3
    cells.Y[:, 2] = 4
    cells.Y[3, 3] = -1
    cells.Y[4, 4] = np.nan
    one, other = cells.fit(), cells.fit(False)
    assert one.failed_ == other.failed_
    assert set(one.failed_) >= {0, 3, 4}
    assert one.note_ == other.note_
    fine = [5, 6, 7]
    np.testing.assert_allclose(one.edf_[fine], other.edf_[fine], rtol=1e-3)


def test_if_every_gene_fails_it_says_why():
    cells = Cells(n_genes=2)
    with pytest.raises(NoTrendError, match="no expression in any cell"):
        cells.fit(Y=np.zeros((1500, 2)))


# ---- when it is used


def test_automatic_choice(monkeypatch):
    """The grid where cells are many; the cells themselves where they are few, and in what sums do not suffice for."""
    used = []
    plain = fits.count_table
    monkeypatch.setattr(fits, "count_table", lambda *args: used.append(1) or plain(*args))
    Cells("poisson", n_cells=2500, n_genes=2).fit("auto")
    assert len(used) == 1
    Cells("poisson", n_cells=500, n_genes=2).fit("auto")
    Cells("poisson", n_cells=2500, n_genes=2).fit(False)
    Cells("poisson", n_cells=2500, n_genes=2, level=(2, 3)).fit("auto", link="identity")
    assert len(used) == 1


@pytest.mark.parametrize("value", ["yes", None, 2])
def test_a_wrong_parameter_is_refused(value):
    with pytest.raises(ValueError, match="discretize must be True, False or 'auto'"):
        Cells(n_cells=50, n_genes=1).fit(value)


def test_a_wrong_tolerance_is_refused():
    with pytest.raises(ValueError, match="tolerance"):
        Cells(n_cells=50, n_genes=1).fit(tolerance=0.0)


# ---- storage


@FAMILY
@pytest.mark.parametrize("how", ["csc", "dense", "zarr", "dask"])
@pytest.mark.first(3)
def test_storage_does_not_matter_and_is_read_once(family, how, monkeypatch):
    cells = Cells(family, n_genes=5)
    expected = cells.fit().predict(cells.rows, return_std=True)
    reads = []
    plain = sources._Load.__call__
    monkeypatch.setattr(sources._Load, "__call__", lambda self: (reads.append(1), plain(self))[1])
    if how == "zarr":
        import zarr

        Y = BlockedExpression(zarr.array(cells.Y, chunks=(400, 5)), memory_budget="40KB")
    elif how == "dask":
        array = pytest.importorskip("dask.array")
        Y = BlockedExpression(array.from_array(cells.Y, chunks=(400, 3)))
    else:
        Y = sparse.csc_matrix(cells.Y) if how == "csc" else cells.Y
    found = cells.fit(Y=Y).predict(cells.rows, return_std=True)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    if how == "zarr":
        assert len(reads) == 4  # the chunks of the file


@pytest.mark.parametrize("family", ["gamma", "negative_binomial"])
def test_genes_with_small_values_do_not_diverge_because_of_a_gap_in_pseudotime(family):
    some = Cells(family, n_cells=2000)
    some.t[:] = np.where(some.t < 0.6, 0.5 * some.t, some.t)
    some.smoother.fit(some.t)
    some.B = some.smoother.transform(some.t)
    if family == "gamma":
        some.Y *= 1e-3
    else:
        some.offset += 8.0  # so that values at offset 0 are small
    fitted = some.fit(), some.fit(discretize=False)
    assert fitted[0].failed_ == fitted[1].failed_ == {}
    np.testing.assert_allclose(*(np.log(one.predict(some.B)) for one in fitted), atol=0.02)
