"""Constraints of parameters, one table per class, and their errors."""

import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.utils.constraints import (
    FLAG,
    Constraint,
    check_constraints,
    integer,
    is_integer,
    is_number,
    number,
    one_of,
    positive_integer,
)

WITH_TABLES = [
    lc.TrendClusterer(), lc.BSplineSmoother(), lc.CubicSplineSmoother(), lc.CyclicSplineSmoother(),
    lc.GaussianProcessSmoother(), lc.GraphClusterer(), lc.MgcvGAM(), lc.DriverSelector(),
]  # fmt: skip


@pytest.mark.parametrize("estimator", WITH_TABLES, ids=lambda estimator: type(estimator).__name__)
def test_tables_name_parameters_and_allow_the_defaults(estimator):
    assert set(type(estimator)._constraints) <= set(estimator.get_params(deep=False))
    check_constraints(estimator)


@pytest.mark.parametrize("estimator", WITH_TABLES, ids=lambda estimator: type(estimator).__name__)
def test_what_no_parameter_can_be_is_refused_by_name(estimator):
    for name, constraint in type(estimator)._constraints.items():
        check = constraint.check if isinstance(constraint, Constraint) else constraint
        with pytest.raises((TypeError, ValueError), match=name):
            check(name, object())


@pytest.mark.parametrize(
    ("constraint", "good", "bad", "says"),
    [
        (integer(2), [2, np.int64(7)], [1, 2.0, True, None, "2"], "an integer of at least 2"),
        (integer(1, 3, or_none=True), [None, 1, 3], [0, 4], "None or an integer from 1 to 3"),
        (positive_integer(), [1], [0, -1, None, 1.5], "a positive integer"),
        (positive_integer(or_none=True), [None, 5], [0, np.True_], "None or a positive integer"),
        (
            number("a share", lambda value: 0 <= value <= 1),
            [0, 0.5, np.float32(1)],
            [np.nan, 2, 1j, "a", False],
            "a share",
        ),
        (one_of(["a", "b"]), ["a"], ["c", None, 0, ["a"]], "'a' or 'b'"),
        (FLAG, [True, np.False_], [0, "True", None], "True or False"),
    ],
)
def test_kinds_of_constraints(constraint, good, bad, says):
    for value in good:
        constraint.check("x", value)
    for value in bad:
        with pytest.raises(constraint.error) as caught:
            constraint.check("x", value)
        assert str(caught.value) == f"x must be {says}; got {value!r}."


def test_advice_follows():
    constraint = Constraint("even", lambda value: value % 2 == 0, advice=lambda value: f" Try {value + 1}.")
    with pytest.raises(ValueError, match=r"n must be even; got 3\. Try 4\."):
        constraint.check("n", 3)


def test_kinds_of_numbers():
    assert [is_integer(value) for value in (1, np.uint8(1), 1.0, True, np.True_)] == [True, True, False, False, False]
    assert [is_number(value) for value in (1, 1.5, np.float16(1), np.inf, np.nan, True, 1j, "1")] == [True] * 4 + [
        False
    ] * 4
