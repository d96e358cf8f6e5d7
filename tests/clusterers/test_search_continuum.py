"""`resolution="auto"` where trends vary gradually: division in two again and again, alike in similar data."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from lineage_clust import GraphClusterer
from lineage_clust.clusterers.distinctness import Bounds, Material, support_by_rows
from lineage_clust.clusterers.refinement import refine
from lineage_clust.clusterers.search import divided, finest_distinct, without_contradictions

from .shapes import TIME, bumps, noisy, smooth_noise, zscored

SEEDS = st.integers(0, 10**6)


def gradual(rng, n_rows=200, noise=0.15):
    """Rises at times that are spread evenly, noisy rows around them, and draws."""
    curves = zscored(1 / (1 + np.exp(-(TIME - rng.uniform(0.05, 0.95, n_rows)[:, None]) / 0.06)))
    X = curves + smooth_noise(rng, n_rows, noise)
    return curves, X, [X + smooth_noise(rng, n_rows, noise) for _ in range(6)]


def material_of(X, draws):
    centred = X - X.mean(axis=1, keepdims=True)
    return Material(X, np.array(draws), centred, None)


@pytest.mark.parametrize("seed", range(6))
def test_similar_data_are_divided_alike(seed):
    """The search for distinct pairs gave 4 or 5 clusters here, and agreements down to 0.46."""
    rng = np.random.default_rng(seed)
    curves, X, draws = gradual(rng)
    whole = GraphClusterer(random_state=0).fit(X, draws=draws)
    assert whole.stability_.of_continuum
    for _ in range(3):
        other = curves + smooth_noise(rng, len(X), 0.15)
        found = GraphClusterer(random_state=0).fit(
            other, draws=[other + smooth_noise(rng, len(X), 0.15) for _ in range(6)]
        )
        assert abs(found.n_clusters_ - whole.n_clusters_) <= whole.n_clusters_ / 4
        assert adjusted_rand_score(whole.labels_, found.labels_) > 0.6


@settings(max_examples=5)
@given(SEEDS)
def test_smaller_shares_divide_further_and_leave_other_boundaries(seed):
    _, X, draws = gradual(np.random.default_rng(seed))
    material = material_of(X, draws)
    found = [divided(material, Bounds(explained=share)).labels for share in (0.5, 0.1, 0.03, 0.01)]
    assert found[0].max() == 0
    assert found[-1].max() > found[1].max()
    for coarse, fine in pairwise(found):
        assert len(set(zip(fine, coarse, strict=True))) == fine.max() + 1


def test_shares_are_those_of_the_squares_and_the_next_division_is_named():
    _, X, draws = gradual(np.random.default_rng(0))
    material = material_of(X, draws)
    found = divided(material, Bounds(explained=0.05))
    curve, squares = found.curve, (material.curves**2).sum()
    between = [
        sum(
            (labels == k).sum() * (material.curves[labels == k].mean(axis=0) ** 2).sum()
            for k in range(labels.max() + 1)
        )
        for labels in found.coarser
    ]
    np.testing.assert_allclose(curve.explained[1:-1], np.diff(between) / squares)
    assert curve.explained[-1] < 0.05 <= curve.explained[1:-1].min()
    assert curve.n_clusters.tolist() == list(range(1, found.labels.max() + 3))
    assert "the share of the variance explained by the division would be" in curve.why
    assert np.isnan(curve.connectivity[1:]).all()


def test_the_unit_and_the_level_of_the_rows_do_not_matter():
    _, X, draws = gradual(np.random.default_rng(1))
    plain = GraphClusterer(random_state=0).fit(X, draws=draws)
    other = GraphClusterer(random_state=0).fit(1000 * X, draws=[1000 * draw for draw in draws])
    assert adjusted_rand_score(plain.labels_, other.labels_) == 1
    np.testing.assert_allclose(plain.stability_.explained, other.stability_.explained, rtol=1e-4)
    np.testing.assert_allclose(
        divided(material_of(X + 5, [draw + 5 for draw in draws]), Bounds()).curve.explained,
        divided(material_of(X, draws), Bounds()).curve.explained,
    )


def test_coarser_levels_of_the_tree_are_those_that_were_divided():
    _, X, draws = gradual(np.random.default_rng(2))
    clusterer = GraphClusterer(random_state=0).fit(X, draws=draws)
    coarser = divided(material_of(X, draws), Bounds()).coarser
    assert len(coarser) == clusterer.n_clusters_ > 2
    for n_clusters, labels in enumerate(coarser, 1):
        assert adjusted_rand_score(labels, clusterer.cut(n_clusters=n_clusters).labels_) > 0.99


@pytest.mark.parametrize("seed", range(4))
def test_overlapping_groups_are_not_cut_through(seed):
    """Divided in two again and again, there were up to nine clusters, and an ARI down to 0.77."""
    peaks = np.linspace(0.05, 0.95, 6)[:, None]
    X, draws, truth = noisy(np.exp(-(((TIME - peaks) / 0.15) ** 2)), [40] * 6, 0.6, seed=seed)
    clusterer = GraphClusterer(random_state=0).fit(X, draws=draws)
    assert clusterer.n_clusters_ == 6
    assert adjusted_rand_score(truth, clusterer.labels_) > 0.9
    assert not clusterer.stability_.of_continuum


def test_the_measures_of_overlapping_groups_are_those_of_all_pairs():
    peaks = np.linspace(0.05, 0.95, 6)[:, None]
    X, draws, _ = noisy(np.exp(-(((TIME - peaks) / 0.15) ** 2)), [40] * 6, 0.6, seed=1)
    clusterer = GraphClusterer(random_state=0).fit(X, draws=draws)
    curve = clusterer.stability_
    assert curve.of_overlapping
    assert curve.n_clusters.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert np.isnan(curve.connectivity[1:]).all()
    assert np.isnan(curve.explained[:-1]).all()
    assert curve.explained[-1] < 0.015
    assert curve.why == (
        "With 7 clusters, support would be 0.27 (at least 0.3), the share of the variance explained by the division 1.07 % "
        "(at least 1.5 %)."
    )
    for n_clusters in range(2, 6):
        pairs = list(zip(clusterer.labels_, clusterer.cut(n_clusters=n_clusters).labels_, strict=True))
        assert len(set(pairs)) == 6


@pytest.mark.parametrize("seed", [1, 3])
def test_groups_that_deviate_in_many_directions_are_not_divided(seed):
    """Each was divided in two or three, although no division is better than many others."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1], 80)
    X = zscored(bumps(3))[truth] + smooth_noise(rng, 160, 0.6)
    clusterer = GraphClusterer(random_state=0).fit(X, draws=[X + smooth_noise(rng, 160, 0.1) for _ in range(6)])
    assert clusterer.n_clusters_ == 2
    assert adjusted_rand_score(truth, clusterer.labels_) > 0.95
    curve = clusterer.stability_
    assert curve.of_continuum
    assert curve.explained[-1] > curve.bounds.explained
    assert curve.distinct.tolist() == [True, True, False]
    assert curve.why == (
        f"With 3 clusters, the variance explained within the divided cluster would be "
        f"{100 * curve.within[-1]:.3g} % (at least 28 %)."
    )


@pytest.mark.parametrize("seed", range(3))
def test_rows_in_all_directions_have_no_mean_and_are_divided(seed):
    rng = np.random.default_rng(seed)
    X = smooth_noise(rng, 200, 1.0)
    found = divided(material_of(X, np.array([X + smooth_noise(rng, 200, 0.1) for _ in range(4)])), Bounds())
    assert found.curve.within[1] < Bounds().within
    assert found.curve.selected > 2


def test_a_division_explains_its_share_of_the_squares_within_the_cluster():
    _, X, draws = gradual(np.random.default_rng(0))
    found = divided(material_of(X, draws), Bounds(explained=0.05))
    curves = X - X.mean(axis=1, keepdims=True)
    first = found.coarser[1]
    left = sum(((curves[first == k] - curves[first == k].mean(axis=0)) ** 2).sum() for k in (0, 1))
    np.testing.assert_allclose(found.curve.within[1], 1 - left / ((curves - curves.mean(axis=0)) ** 2).sum())


def test_divisions_of_several_groups_in_many_directions_are_made_to_reach_the_groups():
    rng = np.random.default_rng(0)
    corners = np.eye(8)[np.repeat(np.arange(8), 40)] + rng.normal(0, 0.2, (320, 8))
    found = divided(
        material_of(corners, np.array([corners + rng.normal(0, 0.02, corners.shape) for _ in range(4)])), Bounds()
    )
    assert found.curve.within[1] < Bounds().within
    assert found.labels.max() >= 7


@pytest.mark.parametrize("sizes", [[40, 40, 40], [200, 10, 15]])
def test_clear_groups_are_found_at_any_size(sizes):
    X, draws, truth = noisy(bumps(3), sizes, 0.3)
    clusterer = GraphClusterer(random_state=0, min_explained=0.9).fit(X, draws=draws)
    assert not clusterer.stability_.of_continuum
    assert adjusted_rand_score(truth, clusterer.labels_) == 1


def test_a_row_that_contradicts_its_cluster_moves_to_one_that_it_agrees_with():
    """It used to become a cluster, to which others moved until it was large."""
    rng = np.random.default_rng(0)
    X = np.concatenate([zscored(np.array([TIME, -TIME])).repeat([60, 40], axis=0) + smooth_noise(rng, 100, 0.5)])
    labels = np.repeat([0, 1], [60, 40])
    labels[70] = 0
    material = material_of(X, [X + smooth_noise(rng, 100, 0.1) for _ in range(5)])
    np.testing.assert_array_equal(without_contradictions(material, labels, Bounds()), np.repeat([0, 1], [60, 40]))


def test_a_row_that_contradicts_all_clusters_takes_no_others_with_it():
    rng = np.random.default_rng(0)
    curves = zscored(1 / (1 + np.exp(-(TIME - rng.uniform(0.2, 0.8, 100)[:, None]) / 0.1)))
    X = np.concatenate([curves, -curves[:1]])
    material = material_of(X, [X + smooth_noise(rng, 101, 0.1) for _ in range(5)])
    labels = without_contradictions(material, np.r_[np.repeat([0, 1], 50), 1], Bounds())
    np.testing.assert_array_equal(labels, np.r_[np.repeat([0, 1], 50), 2])


def test_without_draws_support_is_that_of_halves_of_the_rows():
    _, X, _ = gradual(np.random.default_rng(3))
    found = finest_distinct(material_of(X, np.zeros((0, *X.shape))), np.zeros(len(X), dtype=int), Bounds())
    assert found.labels.max() > 0
    assert (found.curve.support[found.curve.n_clusters <= found.labels.max() + 1] >= Bounds().support).all()


@pytest.mark.parametrize("shape", [(60, 60), (500, 5), (40, 10)])
def test_white_noise_is_divided_less_if_halves_of_the_rows_must_agree(shape):
    """Without that, 9, 7 and 14 clusters."""
    X = np.random.default_rng(3).normal(size=shape)
    assert GraphClusterer(random_state=0).fit(X).n_clusters_ <= 5


@pytest.mark.parametrize("sizes", [(20,) * 12, (40,) * 14])
def test_groups_with_gaps_between_them_are_clear_even_if_their_means_are_similar(sizes):
    """Means of neighbours have correlations of 0.79 and 0.84; as parts of a continuum there were eight or nine clusters."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    peaks = np.linspace(0.05, 0.95, len(sizes))[truth]
    X = zscored(np.exp(-(((TIME - peaks[:, None]) / 0.12) ** 2)) + smooth_noise(rng, len(truth), 0.03))
    assert adjusted_rand_score(truth, GraphClusterer(random_state=0).fit(X).labels_) == 1


@pytest.mark.parametrize("smaller", [2, 15, 40])
def test_support_by_rows_is_1_for_groups_far_apart_of_any_size(smaller):
    rows = np.repeat([[0.0, 0], [5, 5]], [smaller, 40], axis=0) + np.random.default_rng(0).normal(
        0, 0.1, (smaller + 40, 2)
    )
    assert support_by_rows(rows, np.repeat([True, False], [smaller, 40])) == 1


def test_boundaries_are_moved_only_if_this_explains_as_much_as_a_division():
    _, X, draws = gradual(np.random.default_rng(4))
    material = material_of(X, draws)
    anyhow = divided(material, Bounds(explained=1e-9))
    np.testing.assert_array_equal(refine(X, anyhow.labels), anyhow.labels)
    found = divided(material, Bounds())
    assert (refine(X, found.labels) != found.labels).any()
    assert adjusted_rand_score(refine(X, found.labels), found.labels) > 0.8


@pytest.mark.parametrize("seed", range(3))
def test_signs_and_the_order_of_columns_do_not_matter_without_draws(seed):
    """Halves of the rows were drawn in the order of their first column: 3 clusters became 8 with opposite signs."""
    X = np.random.default_rng(seed).normal(size=(60, 6))
    found = [GraphClusterer(random_state=0).fit(rows).labels_ for rows in (X, -X, X[:, ::-1])]
    assert adjusted_rand_score(found[0], found[1]) == adjusted_rand_score(found[0], found[2]) == 1


@pytest.mark.parametrize("n_clusters", [2, 3])
def test_rows_of_any_amplitude_do_not_contradict_their_mean_with_a_given_number(n_clusters):
    """By k-means alone, rows of small amplitude were in the cluster whose mean is nearest to 0, in either direction."""
    rng = np.random.default_rng(0)
    shapes = np.cos(np.linspace(0, np.pi, 20) + rng.normal(0, 0.3, (60, 1))) * np.repeat([1, -1], 30)[:, None]
    X = shapes * np.exp(rng.normal(size=(60, 1)))
    X -= X.mean(axis=1, keepdims=True)
    labels = GraphClusterer(n_clusters=n_clusters, random_state=0).fit(X).labels_
    means = np.array([X[labels == cluster].mean(axis=0) for cluster in range(n_clusters)])
    assert labels.max() == n_clusters - 1
    assert ((X * means[labels]).sum(axis=1) >= 0).all()


def test_without_draws_the_support_of_the_division_not_made_is_stated():
    """It was the reason, and was left out: "With 5 clusters, ."."""
    X = np.random.default_rng(35).integers(-1, 2, (100, 4)).astype(float)
    curve = GraphClusterer(random_state=0).fit(X).stability_
    assert not curve.of_continuum
    assert np.isnan(curve.support[:-1]).all()
    assert "With 10 clusters, support would be 0." in curve.why
