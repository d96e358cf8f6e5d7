"""Shared validation functions; messages name the parameter, the value found and the allowed values."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from joblib.parallel import BACKENDS, EXTERNAL_BACKENDS, ParallelBackendBase
from scipy import sparse
from sklearn.utils import check_random_state

from .constraints import FLAG, Constraint, is_integer, is_real, number

MOST_CONDITIONS = 10  # with more, the labels are hardly conditions
_LARGEST = 1e100  # cubes of designs and weights must be finite

check_flag = FLAG.check
JOBS = Constraint(
    "None, a positive integer, or -1 for all cores", lambda jobs: jobs is None or (is_integer(jobs) and jobs != 0)
)
check_share = number("between 0 and 1", lambda value: 0 < value < 1).check


def check_number(name: str, value: object, *, or_none: bool = False) -> None:
    """Raise a TypeError unless `value` is a real number, or `None` where that is allowed."""
    if value is None and or_none:
        return
    if not is_real(value):
        raise TypeError(f"{name} must be {'None or ' if or_none else ''}a number; got {value!r}.")


def check_key(name: str, value: object) -> None:
    """Raise a TypeError if `value`, such as a list of names, cannot be the name of a column or an entry."""
    if not isinstance(value, Hashable):
        own = getattr(value, "name", None)  # a column was passed instead of its name
        advice = f" Pass the name of the column, {own!r}." if isinstance(own, str) else ""
        raise TypeError(f"{name} must be one name; got {shortened(value)} of type {type(value).__name__}.{advice}")


def as_path(value: Any) -> Path:
    """Convert a value to the path of a file, or raise an error."""
    try:
        path = os.fsdecode(value)
    except TypeError:
        raise TypeError(f"path must be the name of a file; got {shortened(value)}.") from None
    if "\0" in path:
        raise ValueError(f"The name of a file cannot contain the character NUL; got {path!r}.")
    return Path(path)


def check_backend(backend: object) -> None:
    """Raise a ValueError unless `backend` is `None`, a backend object, or a name that joblib knows."""
    known = {"loky", *BACKENDS, *EXTERNAL_BACKENDS}
    if not (
        backend is None or isinstance(backend, ParallelBackendBase) or (isinstance(backend, str) and backend in known)
    ):
        raise ValueError(
            f"backend must be a joblib backend, one of {', '.join(map(repr, sorted(known)))}; got {backend!r}."
        )


def check_seed(name: str, value: object) -> None:
    """Raise a ValueError unless `value` is a valid seed; a generator that is passed is not advanced."""
    try:
        check_random_state(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be None, an integer from 0 to 2**32 - 1 or a numpy RandomState; got {value!r}."
        ) from None


def as_numbers(name: str, values: object) -> np.ndarray:
    """Return `values` as a float array, or raise a TypeError that shows them."""
    found = np.asarray(values)
    if found.dtype.kind not in "cmM":  # NumPy converts dates to nanoseconds
        try:
            return found.astype(np.float64)
        except (TypeError, ValueError):
            pass
    raise TypeError(f"{name} must hold real numbers; got {shortened(values)}.")


def as_vector(name: str, values: object) -> np.ndarray:
    """Return `values` as a one-dimensional float array, or raise an error that shows them."""
    found = as_numbers(name, values)
    if found.ndim != 1:
        raise ValueError(f"{name} must have one dimension, with one value per cell; got shape {found.shape}.")
    return found


def check_size(name: str, values) -> None:
    """Raise a ValueError if powers of the values of an array or sparse matrix (or `None`) overflow or underflow.

    >>> check_size("sample_weight", np.array([0.0, 1e300]))
    Traceback (most recent call last):
    ValueError: The largest value of sample_weight is 1e+300, whose powers overflow or underflow. Divide it by its
    largest value.
    """
    values = getattr(values, "data", None) if sparse.issparse(values) else values
    largest = max(float(values.max()), -float(values.min())) if values is not None and values.size else 0.0
    if largest and not 1 / _LARGEST <= largest <= _LARGEST:
        raise ValueError(
            f"The largest value of {name} is {largest:.3g}, whose powers overflow or underflow. Divide it by its "
            f"largest value."
        )


def shortened(value: object, length: int = 60) -> str:
    """Return the representation of a value on one line, truncated if it is long.

    >>> shortened(list(range(100)), 12)
    '[0, 1, 2, 3, ...'
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= length else text[:length].rstrip() + " ..."
