"""The curve of distinctness over resolutions, its summary in words, and confidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.clusterers.distinctness import Bounds
from lineage_clust.clusterers.stability import StabilityCurve, confidence

BOUNDS = Bounds(connectivity=0.5, support=0.5, correlation=0.9)


def curve(support, connectivity, correlation, chosen, bounds=BOUNDS):
    numbers = np.arange(1, len(support) + 2)
    return StabilityCurve(
        numbers, np.r_[1.0, support], np.r_[0.0, connectivity], np.r_[-1.0, correlation], chosen, bounds
    )


@given(st.floats(-1, 1), st.floats(0, 3), st.floats(-1, 1))
def test_a_partition_is_distinct_if_it_keeps_all_three_bounds(support, connectivity, correlation):
    found = curve([support], [connectivity], [correlation], 1)
    assert found.distinct.tolist() == [True, support >= 0.5 and connectivity <= 0.5 and correlation <= 0.9]
    lax = Bounds(connectivity=3, support=-1, correlation=1)
    assert curve([support], [connectivity], [correlation], 1, lax).distinct.all()


@pytest.mark.parametrize(
    "values, said",
    [
        (([0.2], [0.4], [0.3]), "With 2 clusters, support would be 0.20 (at least 0.5)."),
        (([0.9], [0.84], [0.3]), "With 2 clusters, connectivity would be 0.84 (at most 0.5)."),
        (([0.9], [0.4], [0.95]), "With 2 clusters, correlation of means would be 0.95 (at most 0.9)."),
        (
            ([0.1], [0.8], [0.95]),
            "With 2 clusters, support would be 0.10 (at least 0.5), connectivity 0.80 (at most 0.5), "
            "correlation of means 0.95 (at most 0.9).",
        ),
    ],
)
def test_why_names_the_measures_that_do_not_hold(values, said):
    assert curve(*values, chosen=1).why == said


def test_values_near_their_bound_can_be_told_from_it():
    """A correlation of 0.902 was 0.90, which is at most 0.9."""
    ends = np.array([1.0, 0.2996]), np.array([0.0, 1.001]), np.array([-1.0, 0.902])
    assert StabilityCurve(np.arange(1, 3), *ends, 1, explained=np.array([np.nan, 0.014996])).why == (
        "With 2 clusters, support would be 0.2996 (at least 0.3), connectivity 1.001 (at most 1), correlation of means 0.902 "
        "(at most 0.9), the share of the variance explained by the division 1.4996 % (at least 1.5 %)."
    )


def test_why_is_about_the_next_number_and_the_bounds_of_the_fit():
    bounds = Bounds(connectivity=0.3, support=0.7, correlation=0.8)
    found = curve([0.9, 0.6, 0.1], [0.1, 0.2, 0.9], [0.2, 0.3, 0.99], 2, bounds)
    assert found.why == "With 3 clusters, support would be 0.60 (at least 0.7)."


def test_why_of_the_finest_partition_that_there_is():
    assert (
        curve([0.9], [0.1], [0.1], 2).why
        == "No cluster can be divided: each has a single gene, or genes with identical trends."
    )


def test_why_names_what_a_division_explains_and_what_was_divided_off():
    numbers, nan = np.arange(1, 4), np.nan
    found = StabilityCurve(
        numbers,
        np.ones(3),
        np.full(3, nan),
        -np.ones(3),
        2,
        BOUNDS._replace(explained=0.03),
        np.array([nan, 0.4, 0.0182]),
    )
    assert found.distinct.tolist() == [True, True, False]
    assert found.why == (
        "With 3 clusters, the share of the variance explained by the division would be 1.82 % (at least 3 %)."
    )
    divided = StabilityCurve(numbers, np.r_[1, 0.9, 0.1], np.zeros(3), -np.ones(3), 3, BOUNDS, n_divided=1)
    assert divided.selected == 2
    assert divided.why == (
        "2 clusters are distinct; with 3 clusters, support would be 0.10 (at least 0.5). Genes that contradict the mean of "
        "their cluster form 1 more."
    )


@given(st.integers(0, 10**6))
def test_confidence_counts_how_often_a_row_stays(seed):
    rng = np.random.default_rng(seed)
    rows, means, labels = rng.normal(size=(12, 3)), rng.normal(size=(4, 3)), rng.integers(0, 4, 12)
    draws = rows + rng.normal(size=(5, 12, 3))
    stays = np.zeros(12)
    for half in np.concatenate([draws, 2 * rows - draws]):
        stays += ((half[:, None] - means) ** 2).sum(axis=2).argmin(axis=1) == labels
    np.testing.assert_allclose(confidence(rows, draws, means, labels), stays / 10)


def test_confidence_is_1_within_and_a_half_on_the_border():
    rng = np.random.default_rng(0)
    rows, means = np.array([[0.0], [1.0], [0.5 - 1e-9]]), np.array([[0.0], [1.0]])
    draws = rows + rng.normal(0, 0.1, (400, 3, 1))
    np.testing.assert_allclose(confidence(rows, draws, means, np.array([0, 1, 0])), [1, 1, 0.5], atol=0.01)
