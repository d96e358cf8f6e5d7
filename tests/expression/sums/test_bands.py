"""Bands reproduce the design matrix from which they were made."""

import numpy as np
import pytest
from scipy import sparse

import lineage_clust as lc
from lineage_clust.expression.sums.bands import make_bands


def splines(n_cells=40):
    times = np.random.default_rng(0).uniform(-0.1, 1.1, n_cells)  # some beyond the knots, in straight lines
    return lc.BSplineSmoother(10, domain=(0, 1)).fit_transform(times[:, None])


DESIGNS = {
    "splines": splines(),
    "splines, in float32": splines().astype(np.float32),
    "splines with gaps": sparse.csr_array(np.where(splines().toarray() > 0.2, splines().toarray(), 0.0)),
    "no bands": sparse.csr_array(np.random.default_rng(1).normal(size=(20, 6))),
    "an empty row": sparse.csr_array(np.array([[1.0, 2, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 3, 4]])),
}


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("n_further", [0, 2])
def test_dense_they_are_the_design(name, n_further):
    design = DESIGNS[name]
    further = np.random.default_rng(2).normal(size=(design.shape[0], n_further))
    whole = sparse.hstack([design, further], format="csr")
    bands = make_bands(whole, design.shape[1])
    np.testing.assert_array_equal(bands.dense(), whole.toarray())
    weights = np.linspace(0.1, 1, design.shape[0])
    np.testing.assert_allclose(bands.weighted_sums(weights), whole.T @ weights)


def test_a_design_that_is_stored_in_parts_is_left_as_it_is():
    data, indices, indptr = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 1, 2]), np.array([0, 3, 4])
    design = sparse.csr_matrix((data.copy(), indices.copy(), indptr.copy()), shape=(2, 4))
    bands = make_bands(design, 4)
    np.testing.assert_array_equal(bands.dense(), [[2.0, 4.0, 0, 0], [0, 0, 4.0, 0]])
    for before, after in ((data, design.data), (indices, design.indices), (indptr, design.indptr)):
        np.testing.assert_array_equal(before, after)
