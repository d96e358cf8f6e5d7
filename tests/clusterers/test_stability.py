"""Measures of reproducibility, and what is chosen from them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from lineage_clust.clusterers.stability import (
    StabilityCurve,
    agreement,
    choose,
    confidence,
    contingency,
    jaccards,
    measure,
    needs_reference,
    structureless,
)


def curve(n_clusters, stability, least=None, reference=np.nan):
    least = np.ones(len(n_clusters)) if least is None else np.asarray(least)
    return StabilityCurve(
        np.arange(1.0, len(n_clusters) + 1), np.asarray(n_clusters), np.asarray(stability), least, reference
    )


def test_stability_is_the_mean_rand_index_of_all_pairs():
    rng = np.random.default_rng(0)
    draws = rng.integers(0, 3, (4, 2, 30))
    found = measure(np.array([0.1, 1.0]), draws[0], draws.transpose(1, 0, 2))
    for index in range(2):
        pairs = [adjusted_rand_score(draws[i, index], draws[j, index]) for i in range(4) for j in range(i)]
        assert found.stability[index] == pytest.approx(np.mean(pairs))
    assert found.n_clusters.tolist() == [3, 3]


def test_one_cluster_is_not_called_reproducible():
    draws = np.zeros((5, 1, 10), dtype=int)
    found = measure(np.array([0.1]), draws[0], draws.transpose(1, 0, 2))
    assert found.stability.tolist() == [0.0]
    assert choose(found)[0] is None


def test_rows_that_were_not_drawn_do_not_count():
    labels = np.repeat([0, 1], 10)
    drawn = labels.copy()
    drawn[::2] = -1
    found = measure(np.array([1.0]), labels[None], np.array([labels, drawn])[None])
    assert found.stability[0] == 1.0


@given(st.integers(0, 1000))
def test_jaccards_of_the_same_partition_are_1(seed):
    labels = np.unique(np.random.default_rng(seed).integers(0, 5, 40), return_inverse=True)[1]
    np.testing.assert_array_equal(jaccards(labels, np.array([labels, labels])), 1.0)


def test_jaccards_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1])
    split = np.array([0, 0, 1, 1, 2, 2])
    np.testing.assert_allclose(jaccards(labels, split[None]), [0.5, 1.0])
    np.testing.assert_array_equal(contingency(labels, split), [[2, 2, 0], [0, 0, 2]])


def test_confidence_counts_how_often_a_row_stays():
    labels = np.array([0, 0, 0, 1, 1, 1])
    moved = np.array([1, 1, 0, 0, 0, 0])  # the third row goes with the second cluster
    absent = np.array([0, 0, 0, 1, 1, -1])
    np.testing.assert_allclose(confidence(labels, np.array([labels, moved])), [1, 1, 0.5, 1, 1, 1])
    np.testing.assert_allclose(confidence(labels, absent[None]), [1, 1, 1, 1, 1, np.nan])


def test_the_finest_cut_is_chosen_of_which_every_cluster_comes_back():
    assert choose(curve([1, 2, 8, 10], [0, 1.0, 0.98, 0.97], [1, 1, 0.95, 0.6]))[0] == 2
    assert choose(curve([2, 8, 10], [1.0, 0.98, 0.97], [1, 0.95, 0.9]))[0] == 2
    assert choose(curve([2, 8], [1.0, 0.7], [1, 1]))[0] == 0  # a finer cut that is much less stable
    assert choose(curve([2, 8, 10], [1.0, 0.98, 0.97]), finest=False)[0] == 0
    assert choose(curve([3, 4], [0.9, 0.89], [0.5, 0.4]))[0] == 0  # no cut is whole: the coarsest


def test_without_structure_there_is_no_cut():
    weak = curve([1, 2, 4], [0, 0.3, 0.2])
    assert needs_reference(weak)
    assert not needs_reference(curve([1, 2], [0, 0.9]))
    assert choose(curve([1, 2, 4], [0, 0.3, 0.2], reference=0.25))[0] is None  # below 0.4
    assert choose(curve([1, 2, 4], [0, 0.5, 0.2], reference=0.6))[0] is None
    assert choose(curve([1, 2, 4], [0, 0.6, 0.2], reference=0.25))[0] == 1
    assert choose(curve([1, 1], [0, 0]))[0] is None


@pytest.mark.parametrize("n_rows", [20, 500])
def test_the_reference_has_the_moments_of_the_data(n_rows):
    rng = np.random.default_rng(1)
    X = np.vstack([rng.normal(0, 1, (n_rows // 2, 3)), rng.normal([4, 0, 0], 1, (n_rows - n_rows // 2, 3))])
    plain = np.vstack([structureless(X, rng) for _ in range(4000 // n_rows)])
    np.testing.assert_allclose(plain.mean(axis=0), X.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(np.cov(plain.T), np.cov(X.T), atol=0.6)


@given(st.integers(0, 1000))
def test_agreement_is_scikit_learns_adjusted_rand_index(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, rng.integers(2, 6), 25), rng.integers(0, rng.integers(2, 6), 25)
    if np.ptp(first) and np.ptp(second):
        assert agreement(first, second) == pytest.approx(adjusted_rand_score(first, second))
    assert agreement(first, np.zeros(25, dtype=int)) == 0.0
    gone = rng.uniform(size=25) < 0.3
    left = ~gone
    if np.ptp(first[left]) and np.ptp(second[left]):
        assert agreement(np.where(gone, -1, first), second) == pytest.approx(
            adjusted_rand_score(first[left], second[left])
        )


def test_a_continuum_is_cut_as_coarsely_as_is_coherent():
    found = curve([1, 3, 6, 9, 20], [0, 0.9, 0.55, 0.4, 0.1], [1, 0.5, 0.3, 0.2, 0.1])
    coherent = replace(found, coherence=np.array([0.6, 0.8, 0.91, 0.95, 0.99]), coherence_of_one=0.6)
    assert choose(coherent) == (2, "coherent")
    alike = replace(coherent, coherence=np.full(5, 0.95), coherence_of_one=0.95)
    assert choose(alike) == (1, "coherent")  # a few that go another way, and come back, are not lost among the others
    assert choose(replace(alike, stability=np.array([0, 0.39, 0.2, 0.2, 0.1]))) == (None, "one cluster")
    assert choose(replace(alike, reference=0.95, stability=np.array([0, 0.7, 0.6, 0.2, 0.1]))) == (None, "one cluster")
    noise = replace(coherent, stability=np.array([0, 0.35, 0.2, 0.2, 0.1]))
    assert choose(noise) == (None, "one cluster")
    assert choose(replace(coherent, coherence=np.full(5, 0.5))) == (1, "most reproducible")
    assert choose(replace(coherent, typical=np.array([0, 0.9, 0.3, 0.5, 0.1]))) == (
        3,
        "coherent",
    )  # not by a lucky pair
    assert choose(replace(coherent, least_jaccard=np.array([1, 0.96, 0.2, 0.2, 0.2]))) == (1, "reproducible")
    mixed = replace(coherent, least_jaccard=np.array([1, 0.9, 0.2, 0.2, 0.2]))
    assert choose(mixed) == (2, "coherent")  # what holds together is worth more than what just comes back
    assert choose(replace(mixed, coherence=np.full(5, 0.5))) == (1, "reproducible")  # where nothing does, it will do
    assert choose(replace(mixed, coherence=np.full(5, 0.95))) == (1, "reproducible")
