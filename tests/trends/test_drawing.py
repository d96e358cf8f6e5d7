"""Resampled trends: from the posterior and from halves of the cells."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import adjusted_rand_score

import lineage_clust as lc
from lineage_clust.trends import drawing, lineage_fit, shapes
from lineage_clust.trends.lineage_fit import TrendFitter
from lineage_clust.trends.pairing import resolve_pair
from tests.fits import read_lineage

from ..fits import QUICK

FOREST = RandomForestRegressor(20, min_samples_leaf=20, random_state=0)  # takes weights, has no posterior


@pytest.fixture(scope="module")
def adata():
    return lc.datasets.simulate_lineage(500, 60, 3, random_state=1)


@pytest.fixture(scope="module")
def lineage(adata):
    return read_lineage(adata, "lineage_1")


def fit(lineage, model=None):
    return TrendFitter(*resolve_pair(None, model), 50).fit(lineage)


def test_draws_scatter_around_the_trends_as_their_errors_say(lineage):
    fitted = fit(lineage)
    genes = fitted.trends.genes
    drawn = np.array(list(drawing.posterior_draws([fitted], genes, 200)))
    np.testing.assert_allclose(drawn.mean(axis=0), fitted.trends.values, atol=0.5 * fitted.trends.se.max())
    ratio = drawn.std(axis=0) / fitted.trends.se
    assert 0.95 < np.median(ratio) < 1.2  # draws also vary the smoothing parameter, which standard errors take as known


def test_at_a_given_smoothness_draws_scatter_as_the_errors_say(lineage):
    fitted = fit(lineage, lc.GAM(smoothing=100.0))
    drawn = np.array(list(drawing.posterior_draws([fitted], fitted.trends.genes, 200)))
    assert np.median(drawn.std(axis=0) / fitted.trends.se) == pytest.approx(1, abs=0.05)


def test_the_order_of_the_genes_does_not_matter(lineage):
    fitted = fit(lineage)
    genes = fitted.trends.genes
    plain = list(drawing.posterior_draws([fitted], genes, 2, random_state=3))
    back = list(drawing.posterior_draws([fitted], genes[::-1], 2, random_state=3))
    np.testing.assert_allclose(back[1][::-1], plain[1])


def test_genes_with_models_of_their_own_are_drawn_too(lineage):
    names = lineage.genes
    fitted = fit(lineage, {names[0]: {"*": lc.GAM(smoothing="gcv")}, "*": {"*": lc.GAM()}})
    assert len(fitted.groups) == 2
    assert drawing.can_draw([fitted])
    drawn = np.array(list(drawing.posterior_draws([fitted], names, 100)))
    assert 0.93 < np.median(drawn.std(axis=0) / fitted.trends.se) < 1.2


def test_halves_are_complementary_and_reproducible(lineage):
    seen = []

    def refit(half):
        seen.append(half)
        return fit(half)

    fitted = fit(lineage)
    first = list(drawing.half_sample_draws([fitted], [lineage], refit, fitted.trends.genes, random_state=0))
    assert len(first) == len(seen) == 6
    for one, other in zip(seen[::2], seen[1::2], strict=True):
        assert sorted([*one.cells, *other.cells]) == list(lineage.cells)
        assert len(one.pseudotime) == one.expression.shape[0] == len(one.weights)
        np.testing.assert_allclose(one.grid(50), lineage.grid(50))
    again = list(drawing.half_sample_draws([fitted], [lineage], refit, fitted.trends.genes, random_state=0))
    np.testing.assert_array_equal(again, first)
    spread = np.std(first, axis=0)
    assert (
        0.7 < np.median(spread / fitted.trends.se) < 2
    )  # half of the cells: more than the error of all, if not by sqrt(2)


def test_genes_that_fail_in_a_half_keep_their_trend(lineage):
    fitted = fit(lineage)
    gene = fitted.trends.genes[0]

    def refit(half):
        part = fit(half)
        kept = [index for index, name in enumerate(part.trends.genes) if name != gene]
        return lineage_fit.FittedLineage(part.name, part.trends.subset(kept), part.groups)

    for values in drawing.half_sample_draws([fitted], [lineage], refit, fitted.trends.genes):
        np.testing.assert_array_equal(values[0], fitted.trends.values[0])
        assert not np.array_equal(values[1], fitted.trends.values[1])


def test_a_model_without_a_posterior_finds_the_number_of_clusters(adata):
    model = FOREST
    fitted = lc.TrendClusterer(
        model, "passthrough", lineage="lineage_1", genes=list(adata.var_names[adata.var["module"] >= 0])
    )
    fitted.fit(adata)
    assert fitted.n_clusters_ == 3
    assert adjusted_rand_score(adata.var.loc[fitted.genes_, "module"], fitted.labels_) > 0.9
    assert fitted.gene_table_["confidence"].notna().all()


def test_a_fixed_resolution_costs_no_further_fits(adata, monkeypatch):
    monkeypatch.setattr(drawing, "half_sample_draws", lambda *arguments, **keywords: pytest.fail("refitted"))
    clusterer = lc.GraphClusterer(resolution=0.3)
    lc.TrendClusterer(FOREST, "passthrough", clusterer, lineage="lineage_1").fit(adata)


@pytest.mark.slow
def test_halves_with_a_callback(adata):
    def later(trend, **keywords):
        return trend.prepare(**(keywords | {"time_range": keywords["time_range"], "weight_threshold": 0.2}))

    tc = lc.TrendClusterer(FOREST, "passthrough", lineage="lineage_1", callback=later, random_state=0)
    assert tc.fit(adata).n_clusters_ >= 2


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.slow
def test_halves_with_a_callback_of_expression_in_a_file(kind, adata, tmp_path):
    def prepare(trend, **keywords):
        return trend.prepare(**keywords)

    cells = adata[:, adata.var["module"] >= 0].copy()
    matrix = cells.X.toarray() if sparse.issparse(cells.X) else cells.X
    cells.X = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[kind](matrix)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    tc = lc.TrendClusterer(FOREST, "passthrough", lineage="lineage_1", callback=prepare, alpha=None, random_state=0)
    expected = tc.fit(cells).gene_table_
    assert tc.n_clusters_ > 1
    found = tc.fit(ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")).gene_table_
    np.testing.assert_array_equal(found["cluster"], expected["cluster"])
    np.testing.assert_array_equal(found["confidence"], expected["confidence"])


def test_uncertainty_of_shapes_covers_the_shapes_of_the_truth(adata):
    tc = lc.TrendClusterer(lineage="lineage_1", random_state=0, clusterer=QUICK).fit(adata)
    varying = tc.labels_ >= 0
    table = tc.gene_table_[varying]
    grid = adata.uns["simulation"]["grid"]
    inside = (grid >= tc.pseudotime_[0]) & (grid <= tc.pseudotime_[-1])
    truth = adata[:, table.index].varm["true_trend"][:, inside]
    half = shapes.moved_times(truth, grid[inside], [0.5])[0]
    covered = (table["half_max_lower"] <= half) & (half <= table["half_max_upper"])
    assert covered.mean() > 0.75
    directions = np.asarray(shapes.DIRECTIONS)[shapes.direction(truth)]
    assert (table["direction"] == directions).mean() > 0.8
    assert table["direction_confidence"].between(0, 1).all()
    assert (table["amplitude_lower"] <= table["amplitude_upper"]).all()


@pytest.mark.parametrize("model", [None, lc.GAM("poisson")])
def test_estimates_are_inside_their_intervals(adata, model):
    layer = None if model is None else "counts"
    tc = lc.TrendClusterer(model, lineage="lineage_1", layer=layer, alpha=None, random_state=0, clusterer=QUICK).fit(
        adata
    )
    table = tc.gene_table_
    for name in ("peak", "onset", "half_max", "amplitude"):
        assert table[name].between(table[f"{name}_lower"], table[f"{name}_upper"]).all()
    assert len(table["onset"].unique()) > 55  # of 60: times are not tied to points of the grid


def test_intervals_of_several_lineages_are_those_of_each(adata, monkeypatch):
    monkeypatch.setattr(drawing, "_BLOCK", 40 * 100 * 7)  # in blocks of few genes
    names = ["lineage_1", "lineage_2"]
    fits = [fit(read_lineage(adata, name)) for name in names]
    genes = fits[0].trends.genes
    tables = drawing.shape_uncertainty(fits, genes)
    backwards = drawing.shape_uncertainty(fits, genes[::-1])
    for fitted, table, back in zip(fits, tables, backwards, strict=True):
        assert len(table) == len(genes)
        peak, grid = fitted.trends.peak(), fitted.trends.grid
        assert (table["peak_lower"] <= peak).all()
        assert (peak <= table["peak_upper"]).all()
        assert table["half_max_lower"].min() >= grid[0]
        assert table["half_max_upper"].max() <= grid[-1]
        pd.testing.assert_frame_equal(back.iloc[::-1].reset_index(drop=True), table)


def test_halves_of_the_cells_do_not_depend_on_the_order_of_lineages():
    adata = lc.datasets.bone_marrow()[::5, :10].copy()
    one, other = (read_lineage(adata, name) for name in ("Ery", "Myeloid"))
    order = drawing._canonical_cells([one, other])
    np.testing.assert_array_equal(order, drawing._canonical_cells([other, one]))
    assert sorted(order) == list(range(adata.n_obs))
