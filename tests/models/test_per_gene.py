"""Fits of single genes: order, isolation of failures, independence of the number of jobs."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from lineage_clust.errors import NoTrendError, check_any_fitted
from lineage_clust.models.per_gene import PerGeneModel, UnfitGeneError, fit_each, reason_of

RNG = np.random.default_rng(0)
Y = RNG.poisson(0.5, (30, 45)).astype(np.float32)


def total_of_even(column):
    total = column.sum()
    if total % 2:
        raise UnfitGeneError(f"the total {total:g} is odd")
    return total, column.dtype, column.flags.writeable


def never(column):
    raise RuntimeError("no\n  way")


def no_memory(column):
    raise MemoryError


class Level(PerGeneModel):
    """Every trend is the mean of expression."""

    def fit(self, X, y, sample_weight=None, offset=None):
        _, y, weights, _ = self._check_data(X, y, sample_weight, offset)
        levels, self.failed_ = fit_each(lambda column: np.average(column, weights=weights), y)
        check_any_fitted(self.failed_, y.shape[1])
        self.levels_ = np.array(levels, dtype=float)
        return self

    def _at(self, times):
        return np.tile(self.levels_, (len(times), 1)), np.full((len(times), len(self.levels_)), 0.5)

    _link = SimpleNamespace(mean=np.negative, slope=lambda mean: np.full_like(mean, -1.0))

    def _quantile(self, X, level):
        return 2.0


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
def test_columns_keep_their_order(kind):
    results, failed = fit_each(total_of_even, kind(Y))
    totals = Y.sum(axis=0)
    assert len(results) == Y.shape[1]
    assert sorted(failed) == np.flatnonzero(totals % 2).tolist()
    for gene, result in enumerate(results):
        if gene in failed:
            assert result is None
            assert failed[gene] == f"the total {totals[gene]:g} is odd"
        else:
            assert result == (totals[gene], np.float64, True)


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_jobs_do_not_matter(n_jobs):
    one = fit_each(total_of_even, Y)
    assert fit_each(total_of_even, sparse.csc_array(Y), n_jobs, "threading") == one


def test_a_function_may_write_into_its_column():
    before = Y.copy()
    fit_each(lambda column: column.fill(0), Y)
    np.testing.assert_array_equal(Y, before)


def test_foreign_errors_are_one_line_with_their_name():
    _, failed = fit_each(never, Y[:, :2])
    assert failed == {0: "RuntimeError: no way", 1: "RuntimeError: no way"}
    assert reason_of(KeyError()) == "KeyError"
    assert len(reason_of(ValueError("long " * 500))) <= 240


def test_running_out_of_memory_is_not_a_gene_s_fault():
    with pytest.raises(MemoryError):
        fit_each(no_memory, Y)


def test_predictions_and_intervals_of_a_falling_link():
    t = np.linspace(0, 1, 30)
    model = Level().fit(t[:, None], Y)
    mean, std = model.predict(t[:4], return_std=True)
    np.testing.assert_allclose(mean, -np.tile(Y.mean(axis=0), (4, 1)), rtol=1e-6)
    np.testing.assert_allclose(std, 0.5)
    lower, upper = model.confidence_interval(t[:4])
    np.testing.assert_allclose(upper - lower, 2.0, rtol=1e-6)
    assert np.all(lower < mean)
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        model.confidence_interval(t, level=95)


def test_shapes_follow_y():
    t = np.linspace(0, 1, 30)
    assert Level().fit(t, Y[:, 0]).predict(t[:7]).shape == (7,)
    assert Level().fit(t, Y[:, :1]).predict(t[:7]).shape == (7, 1)
    assert Level().fit(t, sparse.csr_array(Y)).predict(t[:7]).shape == (7, 45)


def test_a_weight_of_zero_is_an_absent_cell():
    t, keep = np.linspace(0, 1, 30), np.arange(30) % 3 > 0
    y = np.where(keep[:, None], Y, np.nan)
    np.testing.assert_array_equal(Level().fit(t, y, keep.astype(float)).levels_, Level().fit(t[keep], Y[keep]).levels_)


@pytest.mark.parametrize(
    ("X", "y", "keywords", "message"),
    [
        (np.ones((30, 2)), Y, {}, "Level reads pseudotime: X must have one column; got 2"),
        (np.ones((30, 1)), Y[:20], {}, "inconsistent numbers of samples: 30 and 20"),
        (np.ones((30, 1)), Y, {"sample_weight": np.zeros(30)}, "weight"),
        (np.ones((30, 1)), Y, {"offset": np.zeros(3)}, "offset must have shape"),
        (np.full((30, 1), np.nan), Y, {}, "NaN"),
    ],
)
def test_wrong_data(X, y, keywords, message):
    with pytest.raises(ValueError, match=message):
        Level().fit(X, y, **keywords)


def test_no_gene_at_all():
    class Hopeless(Level):
        def fit(self, X, y):
            _, failed = fit_each(never, y)
            check_any_fitted(failed, y.shape[1])

    with pytest.raises(
        NoTrendError, match="None of the 45 genes could be fitted; 45 of them because: RuntimeError"
    ) as e:
        Hopeless().fit(None, Y)
    assert e.value.reasons[44] == "RuntimeError: no way"
