import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.expression.value_kinds import as_counts, is_log_normalised, kind_of


def some_counts(seed, rate=1.0):
    counts = np.random.default_rng(seed).poisson(rate, (60, 40)).astype(float)
    counts[0, :2] = 1, 2
    return counts


@given(st.integers(0, 1000), st.sampled_from([np.float32, np.float64, np.int64]), st.floats(0.05, 300))
def test_counts_are_counts_in_any_dtype(seed, dtype, rate):
    counts = some_counts(seed, rate).astype(dtype)
    assert kind_of(counts[counts > 0]) == "counts"


@given(
    st.integers(0, 1000),
    st.sampled_from([np.float32, np.float64]),
    st.floats(0.05, 300),
    st.sampled_from([np.log1p, lambda counts: np.log2(counts + 1), lambda counts: np.log10(counts + 1)]),
)
def test_logs_of_counts_are_found_and_undone(seed, dtype, rate, log):
    counts = some_counts(seed, rate)
    logs = log(counts).astype(dtype)
    assert kind_of(logs[logs > 0]) == "log counts"
    np.testing.assert_allclose(as_counts(logs, "log counts"), counts, atol=2e-3)
    np.testing.assert_allclose(as_counts(sparse.csr_array(logs), "log counts").toarray(), counts, atol=2e-3)


@given(st.integers(0, 1000), st.sampled_from([np.float32, np.float64]), st.floats(0.05, 300))
def test_roots_of_counts_are_found_and_undone(seed, dtype, rate):
    counts = some_counts(seed, rate)
    roots = np.sqrt(counts).astype(dtype)
    assert kind_of(roots[roots > 0]) == "roots of counts"
    np.testing.assert_allclose(as_counts(roots, "roots of counts"), counts, rtol=1e-6)
    np.testing.assert_allclose(as_counts(sparse.csr_array(roots), "roots of counts").toarray(), counts, rtol=1e-6)


@given(st.integers(0, 1000), st.sampled_from([np.float32, np.float64]), st.sampled_from([50, 1e4, 1e6]))
def test_normalised_values_are_neither(seed, dtype, total):
    counts = some_counts(seed)
    normalised = counts / counts.sum(axis=1, keepdims=True) * total
    for values in (normalised, np.log1p(normalised), np.sqrt(normalised)):
        values = values.astype(dtype)
        assert kind_of(values[values > 0]) == "other"
    assert is_log_normalised(np.log1p(normalised).astype(dtype))
    assert is_log_normalised(sparse.csr_array(np.log1p(normalised).astype(dtype)))
    assert not is_log_normalised(normalised.astype(dtype))


@pytest.mark.parametrize("values", [[], [1.0, 1.0], [-1.0, 2.0], [0.5, 1.0], [0.0, 3.2]])
def test_what_is_neither(values):
    assert kind_of(np.array(values)) == "other"
