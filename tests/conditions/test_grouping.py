"""Clusters of differences between conditions."""

import numpy as np
from sklearn.cluster import KMeans

from lineage_clust import GraphClusterer
from lineage_clust.conditions.grouping import group_differences, scaled_differences

GRID = np.linspace(0, 1, 30)


def differences(seed=0):
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.3, 3, (36, 1))
    kinds = np.stack([np.ones(30), -np.ones(30), GRID])
    return size * (np.repeat(kinds, 12, axis=0) + 0.05 * rng.standard_normal((36, 1)))


def test_sign_and_level_stay():
    scaled = scaled_differences(differences())
    np.testing.assert_allclose(np.mean(scaled**2, axis=1), 1.0)
    assert np.all(scaled[:12] > 0)
    assert np.all(scaled[12:24] < 0)


def test_higher_and_lower_throughout_are_two_clusters():
    values = differences()
    draws = values + 0.05 * np.random.default_rng(1).standard_normal((20, 36, 1))
    labels, _ = group_differences(GraphClusterer(random_state=0), values, draws, GRID)
    assert len(set(labels[:12]) & set(labels[12:24])) == 0
    assert labels.min() >= 0


def test_other_clusterers_and_few_genes():
    values = differences()
    labels, _ = group_differences(KMeans(3, random_state=0, n_init=2), values, values[None], GRID)
    assert [len(set(part)) for part in labels.reshape(3, 12)] == [1, 1, 1]
    for n_genes in (0, 1, 2, 3):
        labels, _ = group_differences(GraphClusterer(random_state=0), values[:n_genes], values[None, :n_genes], GRID)
        assert len(labels) == n_genes
