import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

import lineage_clust as lc
from lineage_clust import GAM, BSplineSmoother
from lineage_clust.expression.sums.bands import make_bands
from lineage_clust.models.gam.influence import effective_cells

from ...fits import QUICK

REMARK = re.compile(r"depends on one cell: without its expression of (\S+) the trend would be (\S+) there, not (\S+)$")


def flat(seed, n_cells=1000, n_genes=4):
    """Cells at the ends of pseudotime and between, and genes that do not change from 2."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 1, n_cells)
    t[:2] = 0, 1
    return t, 2 + rng.normal(0, 0.5, (n_cells, n_genes))


def fit(t, y, weights=None, offset=None, smoothing="reml", covariates=None):
    smoother = BSplineSmoother(domain=(0, 1)).fit(t[:, None])
    design = smoother.transform(t[:, None])
    if covariates is not None:
        design = sparse.hstack([design, covariates], format="csr")
    gam = GAM(smoothing=smoothing).fit(design, y, sample_weight=weights, penalty=smoother.penalty_, offset=offset)
    rows = smoother.transform(np.array([[1.0]]))
    if covariates is not None:
        rows = sparse.hstack([rows, np.zeros((1, covariates.shape[1]))], format="csr")
    return gam, gam.predict(rows)[0]


def test_an_outlier_at_the_end_that_lifts_a_trend_is_named():
    t, y = flat(0)
    y[1, :2] = 100  # the last cell of two genes
    gam, end = fit(t, y)
    assert end[0] > 10
    assert gam.note_[2:] == ["", ""]
    for gene in range(2):
        value, without, there = map(float, REMARK.match(gam.note_[gene]).groups())
        assert value == 100
        assert there == pytest.approx(end[gene], rel=0.01)
        assert without == pytest.approx(2, abs=0.5)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    weighted=st.booleans(),
    with_offset=st.booleans(),
    with_covariates=st.booleans(),
    kind=st.sampled_from([np.asarray, sparse.csr_matrix, sparse.csc_matrix]),
)
def test_the_trend_without_the_cell_is_that_of_a_fit_without_it(seed, weighted, with_offset, with_covariates, kind):
    t, y = flat(seed, 400, 1)
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 1, len(t)) if weighted else np.ones(len(t))
    offset = rng.normal(0, 0.1, len(t)) if with_offset else np.zeros(len(t))
    covariates = rng.normal(0, 1, (len(t), 2)) if with_covariates else np.zeros((len(t), 0))
    covariates[1], y[1] = 2, 200
    gam, end = fit(t, kind(y), weights, offset, covariates=covariates)
    assume(end[0] > 8)  # else the cell is smoothed away, and the interval covers what is left of it
    _, without, there = map(float, REMARK.match(gam.note_[0]).groups())
    others = np.arange(len(t)) != 1
    _, expected = fit(t[others], y[others], weights[others], offset[others], float(gam.lambda_[0]), covariates[others])
    assert there == pytest.approx(end[0], rel=0.01)
    assert without == pytest.approx(expected[0], rel=0.01, abs=0.01)


@pytest.mark.parametrize("n_cells", [100, 400, 2000])
@pytest.mark.first(1)
def test_ordinary_data_get_no_remark(n_cells):
    found = n_genes = 0
    for seed in range(20, 24):
        rng = np.random.default_rng(seed)
        t, noise = flat(seed, n_cells, 60)
        rates = np.exp(np.sin(rng.uniform(0, 8, 60) * t[:, None] + rng.uniform(0, 6, 60)) - rng.uniform(0, 2, 60))
        for y in (noise, noise + rates, np.log1p(rng.poisson(rates))):
            gam, _ = fit(t, y, rng.uniform(0.05, 1, n_cells))
            found += sum(bool(REMARK.match(note)) for note in gam.note_)
            n_genes += 60
    assert found <= 0.005 * n_genes


@pytest.mark.slow
def test_real_data_get_few_remarks(data_dir):
    import anndata as ad

    adata = ad.read_h5ad(data_dir / "paul15_tradeseq.h5ad")
    tc = lc.TrendClusterer(lineage="Ery", lineage_key="palantir_fate_probabilities", time_key="palantir_pseudotime",
                           clusterer=lc.GraphClusterer(resolution=1.0), n_points=30, random_state=0)  # fmt: skip
    notes = tc.fit(adata).gene_table_["note"]
    assert notes.str.match(REMARK).mean() < 0.002


def test_every_remark_reaches_the_table(make_adata):
    adata = make_adata(200, 24, kind="dense")
    adata.X[1, 0] = 300
    notes = (
        lc.TrendClusterer(lineage="A", alpha=None, n_points=30, random_state=0, clusterer=QUICK)
        .fit(adata)
        .gene_table_["note"]
    )
    assert REMARK.match(notes.iloc[0])
    assert not notes.iloc[1:].str.match(REMARK).any()


def test_two_cells_that_agree_do_not_rest_on_one():
    t, y = flat(3)
    t[2:12] = 0.995
    y[1:12, 0] = 20
    gam, end = fit(t, y)
    assert end[0] > 10
    assert gam.note_[0] == ""


def test_remarks_made_before_are_kept():
    t, y = flat(4, 300, 2)
    y[:, 0] = 0
    y[1, 0] = 50
    gam, _ = fit(t, y)
    assert gam.note_[0] == "expressed in 1 cell only"


@given(seed=st.integers(0, 1000), extra=st.integers(0, 2), banded=st.booleans())
def test_quadratic_forms_of_bands(seed, extra, banded):
    rng = np.random.default_rng(seed)
    basis = BSplineSmoother(12).fit_transform(rng.random((30, 1))) if banded else rng.normal(size=(30, 12))
    design = sparse.hstack([sparse.csr_array(basis), rng.normal(size=(30, extra))], format="csr")
    root = rng.normal(size=(12 + extra, 5))
    bands = make_bands(design if banded else design.toarray(), 12)
    np.testing.assert_allclose(bands.lengths(root), ((design @ root) ** 2).sum(axis=1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dense", [True, False])
def test_expression_in_blocks_gets_the_same_remark(dense):
    zarr = pytest.importorskip("zarr")
    from lineage_clust.expression.storage.blocks import BlockedExpression

    t, y = flat(5, 600, 3)
    y[1, 1] = 150
    stored = zarr.array(y, chunks=(100, 2)) if dense else sparse.csr_matrix(y)
    found = fit(t, BlockedExpression(stored, 30_000))[0].note_
    assert found == fit(t, y)[0].note_
    assert REMARK.match(found[1])


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_effective_cells_do_not_depend_on_the_unit_of_expression(scale):
    deviations = np.random.default_rng(0).standard_normal((6, 3))
    weights, leverage = np.linspace(0.1, 1, 6), np.linspace(0, 1, 6)
    squares = 2 * weights @ deviations**2
    found, expected = (
        effective_cells(unit**2 * squares, weights, leverage, unit * deviations) for unit in (scale, 1.0)
    )
    np.testing.assert_allclose(found, expected)
    followed = np.where(leverage >= 0.3, weights, 0)
    np.testing.assert_allclose(expected, squares**2 / (followed**2 @ deviations**4))


def rare(seed, n_cells=1500, n_expressing=50):
    """Pseudotime with few cells at the ends, and a gene without a trend but the highest values in the last two cells."""
    rng = np.random.default_rng(seed)
    t = np.r_[0, np.sort(rng.beta(3, 3, n_cells - 4)), 0.985, 0.99, 1]
    y = np.zeros((n_cells, 1))
    y[rng.choice(n_cells - 20, n_expressing, replace=False), 0] = rng.uniform(0.7, 1.5, n_expressing)
    y[-2:, 0] = 1.8, 2.7
    return t, y


@pytest.mark.parametrize("seed", range(4))
def test_the_highest_values_of_a_rare_gene_at_an_end_are_no_evidence_of_a_trend(seed):
    t, y = rare(seed)
    gam, _ = fit(t, y)
    with_them = replace(gam._tests, others=None).run()[1][0]
    assert with_them < 1e-6
    assert gam.pvalue_[0] > 1e-3


@pytest.mark.parametrize("weighted", [False, True])
def test_the_p_value_is_that_of_a_fit_without_them(weighted):
    t, y = rare(7)
    y[:, 0] += np.where(np.abs(t - 0.5) < 0.1, np.random.default_rng(0).uniform(0, 0.2, len(t)), 0)
    weights = np.random.default_rng(1).uniform(0.5, 1, len(t)) if weighted else np.ones(len(t))
    gam, _ = fit(t, y, weights)
    kept = np.arange(len(t)) < len(t) - 2
    others, _ = fit(t[kept], y[kept], weights[kept], smoothing=float(gam.lambda_[0]))
    assert np.log10(gam.pvalue_[0]) == pytest.approx(np.log10(others.pvalue_[0]), rel=0.1, abs=0.1)


def test_a_trend_of_many_cells_keeps_its_p_value():
    t, _ = rare(3)
    rng = np.random.default_rng(3)
    peak = rng.uniform(size=(len(t), 3)) < 0.02 + 0.3 * (np.abs(t - 0.6) < 0.08)[:, None]
    tests = fit(t, np.column_stack([peak, rng.normal(0, 1, (len(t), 50))]))[0]._tests
    assert np.array_equal(tests.run()[1], replace(tests, others=None).run()[1])


def test_cells_with_a_leverage_of_one_are_no_error():
    rng = np.random.default_rng(5)
    t = np.r_[0, rng.uniform(0.4, 0.6, 300), 1]
    y = np.where(rng.uniform(size=(302, 20)) < 0.05, 1.0, 0.0)
    y[[0, -1]] = 9
    gam, _ = fit(t, y, smoothing=0.0)
    assert np.isfinite(gam.pvalue_).all()
