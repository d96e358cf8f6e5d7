"""Parameter constraints: one table per class; error messages name the value found and the allowed values.

A class defines `_constraints`, a dictionary from parameter names to constraints, or functions of name and value that raise an
error, and calls :func:`check_constraints` in `fit`, similar to scikit-learn's `_parameter_constraints`. The class then
checks combinations of parameters itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Constraint:
    """Constraint on a parameter: "name must be `says`", if a value `holds`; `advice` on it is added to the message.

    >>> integer(2).check("n_neighbors", 1)
    Traceback (most recent call last):
    ValueError: n_neighbors must be an integer of at least 2; got 1.
    """

    says: str
    holds: Callable[[Any], bool]
    error: type[Exception] = ValueError
    advice: Callable[[Any], str] = lambda _: ""

    def check(self, name: str, value: object) -> None:
        """Raise an error if the value is not allowed."""
        if not self.holds(value):
            raise self.error(f"{name} must be {self.says}; got {value!r}.{self.advice(value)}")


Constraints = dict[str, Constraint | Callable[[str, Any], object]]


def check_constraints(estimator: Any, constraints: Constraints | None = None) -> None:
    """Raise an error if a parameter of an estimator violates the constraints by parameter, `None` = those of its class."""
    for name, constraint in (type(estimator)._constraints if constraints is None else constraints).items():
        check = constraint.check if isinstance(constraint, Constraint) else constraint
        check(name, getattr(estimator, name))


def is_integer(value: object) -> bool:
    """Return whether a value is an integer; booleans are not."""
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def is_number(value: object) -> bool:
    """Return whether a value is a real number; booleans and NaN are not."""
    return bool(is_real(value) and value == value)


def is_real(value: object) -> bool:
    """Return whether a value is a real number or NaN; booleans are not."""
    return isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_, np.complexfloating))


def integer(least: int, most: int | None = None, *, or_none: bool = False, remark: str = "") -> Constraint:
    """Return the constraint to an integer between `least` and `most`."""
    bound = f"of at least {least}" if most is None else f"from {least} to {most:,}"
    says = f"an integer {bound}{remark}"
    return number(
        says, lambda value: least <= value and (most is None or value <= most), or_none=or_none, kind=is_integer
    )


def positive_integer(or_none: bool = False) -> Constraint:
    """Return the constraint to an integer of at least 1."""
    return number("a positive integer", lambda value: value >= 1, or_none=or_none, kind=is_integer)


def number(
    says: str, holds: Callable[[Any], bool], *, or_none: bool = False, kind: Callable[[object], bool] = is_number
) -> Constraint:
    """Return the constraint to a number of a kind for which `holds` is true; `says` does not mention None."""
    return Constraint(
        f"None or {says}" if or_none else says,
        lambda value: (or_none and value is None) or (kind(value) and bool(holds(value))),
    )


def one_of(options: Iterable[str], says: str | None = None) -> Constraint:
    """Return the constraint to one of several strings."""
    known = list(options)
    listed = ", ".join(repr(option) for option in known[:-1])
    return Constraint(says or f"{listed} or {known[-1]!r}", lambda value: isinstance(value, str) and value in known)


FLAG = Constraint("True or False", lambda value: isinstance(value, (bool, np.bool_)), TypeError)
