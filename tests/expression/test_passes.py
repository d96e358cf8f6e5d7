"""Fits that share passes over expression in a file."""

import anndata
import numpy as np
import pytest
from scipy import sparse

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.expression.storage.blocks import BlockedExpression

N_CELLS, N_GENES, N_DRAWS = 300, 12, 4


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(rng.uniform(0.2, 3, N_GENES), (N_CELLS, N_GENES)).astype(np.float32))
    counts = counts.toarray()
    counts[:, 0] += 1e6  # its sums are taken once more, around a level
    counts = sparse.csr_matrix(counts)
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    anndata.AnnData(counts).write_h5ad(path)
    backed = anndata.read_h5ad(path, backed="r")
    yield backed.X
    backed.file.close()


@pytest.fixture
def passes(monkeypatch):
    counted, reduce = [], BlockedExpression.reduce

    def counting(self, *arguments, **keywords):
        counted.append(self.shape)
        return reduce(self, *arguments, **keywords)

    monkeypatch.setattr(BlockedExpression, "reduce", counting)
    return counted


def designs_and_weights(missing: bool):
    rng = np.random.default_rng(1)
    times = rng.uniform(size=(N_DRAWS, N_CELLS))
    designs = [BSplineSmoother(n_splines=8, domain=(0.0, 1.0)).fit_transform(one[:, None]) for one in times]
    weights = rng.uniform(0.1, 1, (N_DRAWS, N_CELLS))
    if missing:
        weights[rng.random(weights.shape) < 0.4] = 0.0
    return designs, weights, BSplineSmoother(n_splines=8, domain=(0.0, 1.0)).fit(times[0][:, None]).penalty_


def assert_equal(one: GAM, other: GAM, design) -> None:
    for found, expected in zip(one.predict(design, True), other.predict(design, True), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(one.pvalue_, other.pvalue_, rtol=1e-8)
    assert one.note_ == other.note_


@pytest.mark.parametrize("missing, donors", [(False, False), (True, False), (True, True)])
@pytest.mark.filterwarnings("ignore:The variation between donors")
@pytest.mark.first(1)
def test_one_pass_serves_all_draws(stored, passes, missing, donors):
    designs, weights, penalty = designs_and_weights(missing)
    groups = np.arange(N_CELLS) % 5 if donors else None
    if donors:  # which are slow
        designs, weights = designs[:2], weights[:2]
    Y, known = BlockedExpression(stored, memory_budget="100KB"), {"penalty": penalty, "groups": groups}
    together = [GAM() for _ in designs]
    GAM.fit_each(together, designs, Y, weights, **known)
    n_together = len(passes)
    alone = [GAM().fit(design, Y, own, **known) for design, own in zip(designs, weights, strict=True)]
    assert n_together == 2  # the second is of the gene with a level
    assert len(passes) - n_together == 2 * len(designs)
    for one, other, design in zip(together, alone, designs, strict=True):
        assert_equal(one, other, design)


def test_sums_that_exceed_the_budget_take_more_passes(stored, passes):
    designs, weights, penalty = designs_and_weights(False)
    together = [GAM() for _ in designs]
    GAM.fit_each(together, designs, BlockedExpression(stored, memory_budget=7000)[:, 1:], weights, penalty=penalty)
    assert len(passes) == 2
    assert_equal(together[3], GAM().fit(designs[3], BlockedExpression(stored)[:, 1:], weights[3], penalty), designs[3])


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_tables_of_counts_are_filled_in_one_pass(stored, passes, family):
    designs, weights, penalty = designs_and_weights(True)
    Y = BlockedExpression(stored)[:, 1:]
    together = [GAM(family, discretize=True, tolerance=0.1) for _ in designs]
    GAM.fit_each(together, designs, Y, weights, penalty=penalty)
    n_together = len(passes)
    alone = [
        GAM(family, discretize=True, tolerance=0.1).fit(*each, penalty)
        for each in zip(designs, [Y] * N_DRAWS, weights, strict=True)
    ]
    assert n_together <= len(passes) - n_together - (N_DRAWS - 1)
    for one, other, design in zip(together, alone, designs, strict=True):
        assert_equal(one, other, design)
