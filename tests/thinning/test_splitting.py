"""Properties of count splitting: parts add up to the whole, have their fraction of the mean, and are independent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.thinning.splitting import Splitter, canonical


def negative_binomial(rng, mean, dispersion, n_cells):
    rate = rng.gamma(1 / dispersion, dispersion, (n_cells, len(mean))) if np.all(dispersion > 0) else 1.0
    return rng.poisson(rate * mean)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**31 - 1),
    st.floats(0.01, 0.99),
    st.sampled_from([0.0, 1e-6, 0.3, 50.0]),
    st.sampled_from([np.int32, np.float32, np.uint16]),
    st.sampled_from([np.asarray, sparse.csr_matrix, sparse.csr_array]),
)
def test_parts_sum_to_the_whole_in_its_type(seed, fraction, dispersion, dtype, kind):
    counts = np.random.default_rng(seed).negative_binomial(1, 0.3, (12, 7)).astype(dtype)
    whole = kind(counts)
    parts = Splitter(fraction, np.full(7, dispersion), seed).parts(whole)
    dense = [part.toarray() if sparse.issparse(part) else part for part in parts]
    assert all(part.dtype == dtype and part.min() >= 0 for part in dense)
    assert np.array_equal(dense[0] + dense[1], counts)
    assert all(sparse.issparse(part) == sparse.issparse(whole) for part in parts)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 9))
def test_parts_do_not_depend_on_blocks(seed, step):
    counts = sparse.csr_matrix(np.random.default_rng(seed).poisson(2, (20, 6)))
    splitter = Splitter(0.4, np.r_[np.zeros(3), np.full(3, 0.5)], seed)
    whole, _ = splitter.parts(counts)
    blocks = [splitter.of_block(counts[start : start + step], start)[0] for start in range(0, 20, step)]
    assert (sparse.vstack(blocks) != whole).nnz == 0


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31 - 1), st.sampled_from([0.2, 0.5, 0.8]), st.sampled_from([0.05, 0.5, 2.0]))
@pytest.mark.slow
def test_means_are_shares_and_covariance_is_zero_with_the_true_dispersion(seed, fraction, dispersion):
    rng, n_cells = np.random.default_rng(seed), 800
    mean = np.repeat([0.5, 3.0, 20.0], 100)
    whole = canonical(negative_binomial(rng, mean, dispersion, n_cells))
    first, second = (part.toarray() for part in Splitter(fraction, np.full(300, dispersion), seed).parts(whole))
    error = np.sqrt((mean + dispersion * mean**2) / n_cells)
    z = (first.mean(axis=0) - fraction * mean) / error
    assert np.mean(z**2) < 2
    assert abs(z.mean()) < 5 / np.sqrt(len(z))
    own = fraction * mean  # a negative binomial of size fraction / dispersion
    assert np.mean(first.var(axis=0) / (own + own**2 * dispersion / fraction)) == pytest.approx(1, abs=0.1)
    assert abs(correlations(first, second).mean()) < 5 / np.sqrt(first.size)


def test_poisson_splitting_of_overdispersed_counts_leaves_the_parts_correlated():
    rng, mean = np.random.default_rng(0), np.repeat([0.5, 3.0, 20.0], 100)
    whole = canonical(negative_binomial(rng, mean, 0.5, 800))
    parts = [part.toarray() for part in Splitter(0.5, np.zeros(300), 1).parts(whole)]
    # covariance mean^2 phi / 4 over variance mean / 2 + mean^2 phi / 4
    expected = mean * 0.5 / (2 + mean * 0.5)
    assert (correlations(*parts) - expected).reshape(3, 100).mean(axis=1) == pytest.approx(0, abs=0.02)


def test_values_that_are_no_counts_are_refused():
    for value in (0.5, -1.0, 1_000_000.5, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"Only counts can be split, but there is the value {value}\\."):
            Splitter(0.5, np.zeros(1), 0).parts(np.array([[value]]))


def correlations(first, second):
    centred = first - first.mean(axis=0), second - second.mean(axis=0)
    return (centred[0] * centred[1]).mean(axis=0) / (first.std(axis=0) * second.std(axis=0))
