"""Covariates whose effects are not identifiable are rejected by name, and others are accepted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.lineage.cells.confounding import check_identified, scatter

ONES = np.ones(200)
TIMES = np.linspace(0, 1, 200)
NOISE = np.random.default_rng(0).normal(size=(200, 4))
EARLY = (TIMES < 0.5).astype(float)


def centred(*columns):
    columns = np.column_stack(columns)
    return columns - columns.mean(axis=0)


@pytest.mark.parametrize(
    ("columns", "keys", "message"),
    [
        ([EARLY], ["batch"], "The effect of covariate 'batch' cannot be separated from that of pseudotime"),
        ([TIMES**2], ["age"], "covariate 'age' cannot be separated from that of pseudotime: .* ten are needed"),
        ([np.sin(20 * TIMES)], ["phase"], "covariate 'phase' cannot be separated from that of pseudotime"),
        ([NOISE[:, 0], EARLY], ["depth", "batch"], "covariate 'batch' cannot"),
        (
            [NOISE[:, 0] + TIMES, NOISE[:, 0]],
            ["a", "b"],
            "covariates 'a', 'b' together cannot be separated from that of pseudo",
        ),
        (
            [NOISE[:, 0], 3 - 2 * NOISE[:, 0]],
            ["a", "b"],
            "covariates 'a', 'b' cannot be separated from each other.*'b' is a linear function",
        ),
        (
            [NOISE[:, 0], NOISE[:, 1], NOISE[:, 2], NOISE[:, 0] + NOISE[:, 1]],
            ["a", "b", "c", "d"],
            "covariates 'a', 'b', 'd' cannot be separated from each other.*'d' is a linear function of the others",
        ),
    ],
)
def test_the_covariate_is_named(columns, keys, message):
    with pytest.raises(ValueError, match=message):
        check_identified(TIMES, ONES, centred(*columns), keys)


def test_a_few_cells_of_the_same_time_are_enough():
    """Batches that overlap in 20 of 200 cells: their difference is known from these, and standard errors say how well."""
    overlap = (TIMES > 0.45) & (TIMES < 0.55)
    batch = np.where(overlap, np.arange(200) % 2, EARLY)
    check_identified(TIMES, ONES, centred(batch), ["batch"])
    with pytest.raises(ValueError, match="corresponds to 2 cells"):
        check_identified(TIMES, ONES, centred(EARLY), ["batch"])


def test_single_precision_copies_are_copies():
    copy = NOISE[:, 0].astype(np.float32).astype(float)
    with pytest.raises(ValueError, match="cannot be separated from each other"):
        check_identified(TIMES, ONES, centred(NOISE[:, 0], copy), ["depth", "depth32"])


def test_too_few_cells():
    with pytest.raises(ValueError, match="2 coefficients of covariates 'a', 'b' would be estimated from 19 cells"):
        check_identified(TIMES[:19], ONES[:19], NOISE[:19, :2], ["a", "b"])


@given(st.integers(0, 500), st.integers(2, 30), st.sampled_from(["unit", "fate"]))
def test_covariates_that_mix_at_all_times_pass(seed, n_times, weighting):
    """Rare levels, ties in time, trends of a covariate with time, and unequal weights do not matter."""
    rng = np.random.default_rng(seed)
    times = rng.choice(np.linspace(0, 1, n_times), 400) if seed % 2 else rng.random(400)
    weights = np.ones(400) if weighting == "unit" else rng.uniform(0.05, 1, 400)
    rare = np.zeros(400)
    rare[rng.choice(400, 6, replace=False)] = 1
    columns = np.column_stack([rng.random(400) < 0.5, rng.normal(times, 0.5), rare]).astype(float)
    columns -= np.average(columns, axis=0, weights=weights)
    check_identified(times, weights, columns, ["batch", "depth", "donor"])


@given(st.integers(0, 500), st.booleans())
def test_the_order_of_the_cells_does_not_matter(seed, ties):
    rng = np.random.default_rng(seed)
    times = rng.integers(0, 9, 60) / 9 if ties else rng.random(60)
    weights, columns = rng.uniform(0.1, 1, 60), rng.normal(size=(60, 2))
    order = rng.permutation(60)
    for found, expected in zip(
        scatter(times[order], weights[order], columns[order]), scatter(times, weights, columns), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_without_ties_and_weights_it_is_von_neumanns_ratio():
    total, local = scatter(TIMES, ONES, NOISE[:, :1])
    ratio = np.sum(np.diff(NOISE[:, 0]) ** 2) / np.sum((NOISE[:, 0] - NOISE[:, 0].mean()) ** 2)
    assert local.item() / total.item() == pytest.approx(ratio / 2)


def test_cells_of_equal_time_are_compared_with_each_other_only():
    times = np.repeat([0.0, 1.0], 100)
    mixed = np.tile([0.0, 1.0], 100)
    total, local = scatter(times, ONES, mixed[:, None])
    assert local.item() == pytest.approx(total.item())
    with pytest.raises(ValueError, match="'batch' cannot be separated from that of pseudotime"):
        check_identified(times, ONES, (times - 0.5)[:, None], ["batch"])
