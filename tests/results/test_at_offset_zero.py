"""Expression of cells at offset 0, per gene by the link of its model, and in figures of cells beside trends."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from scipy import sparse

from lineage_clust import GAM, TrendClusterer, datasets
from lineage_clust.results.cells import at_offset_zero, genes_by_scale
from lineage_clust.results.result import result_of


@pytest.fixture(scope="module")
def counts():
    adata = datasets.simulate_lineage(400, 12, 2, flat_fraction=0.0, random_state=3)
    adata.obs["depth"] = np.log(np.linspace(0.3, 3.0, 400)[np.random.default_rng(0).permutation(400)])
    adata.layers["deep"] = sparse.csr_matrix(
        np.random.default_rng(1).poisson(
            adata.layers["counts"].toarray() * np.exp(adata.obs["depth"].to_numpy())[:, None]
        )
    )
    return adata


def fitted(adata, model, **options):
    return TrendClusterer(model, alpha=None, layer="deep", offset="depth", random_state=0, **options).fit(
        adata, lineage="lineage_1"
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (GAM("poisson"), lambda values, offset: values / np.exp(offset)),
        (GAM(), lambda values, offset: values - offset),
        (GAM("poisson", link="inverse"), lambda values, offset: values),
    ],
)
def test_expression_is_divided_or_shifted_as_the_link_asks(counts, model, expected):
    result = result_of(fitted(counts, GAM("poisson")))
    (lineage,) = result.of_cells(counts, result.genes[:3])
    found = at_offset_zero(model, lineage)
    values = counts[lineage.cells, result.genes[:3]].layers["deep"].toarray().astype(float)
    np.testing.assert_allclose(
        found.whole.matrix[lineage.cells], expected(values, lineage.offset[:, None]), rtol=1e-12, atol=1e-12
    )


def test_genes_have_the_scale_of_their_own_model(counts):
    result = result_of(fitted(counts, GAM("poisson")))
    (lineage,) = result.of_cells(counts, result.genes[:3])
    models = {result.genes[0]: GAM(), "*": GAM("poisson")}
    found = {linear: columns.tolist() for linear, columns in genes_by_scale(models, lineage)}
    assert found == {True: [0], False: [1, 2]}


def test_cells_beside_trends_are_at_the_offset_of_the_trends(counts):
    tc = fitted(counts, GAM("negative_binomial"))
    gene = tc.genes_[0]
    (dots,) = [one for one in tc.plot_genes(gene, counts).axes[0].collections if isinstance(one, PathCollection)]
    trend = tc.gene_trends(counts)[gene]["lineage_1"]
    expected = trend.y / np.exp(counts.obs["depth"].to_numpy()[trend.cells])
    shown = np.asarray(dots.get_offsets()[:, 1])
    expressed = trend.y > 0
    np.testing.assert_allclose(shown[expressed], expected[expressed])
    near = np.abs(trend.x - np.median(trend.x)) < 0.05
    curve = np.interp(trend.x[near], trend.x_test, trend.y_test)
    assert np.average(expected[near], weights=trend.w[near]) == pytest.approx(curve.mean(), rel=0.5)


def test_with_a_threshold_of_expression_the_cells_are_as_stored(counts):
    tc = fitted(counts, GAM("poisson"), filter_cells=1.0)
    gene = tc.genes_[0]
    (dots,) = [one for one in tc.plot_genes(gene, counts).axes[0].collections if isinstance(one, PathCollection)]
    np.testing.assert_allclose(dots.get_offsets()[:, 1], tc.gene_trends(counts)[gene]["lineage_1"].y)
