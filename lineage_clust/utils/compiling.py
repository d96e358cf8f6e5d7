"""Loops compiled by numba, the extra `fast`. Nothing is imported until a function is to be compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

_OPTIONS = {"nogil": True, "error_model": "numpy"}


@cache
def can_compile() -> bool:
    """Return whether numba is installed, and works with the NumPy that is.

    Examples
    --------
    >>> can_compile() in (True, False)
    True
    """
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def compiled(function: Callable) -> Callable:
    """Return a function that is compiled at its first call and kept on disk where possible; without numba, as it is."""
    if not can_compile():
        return function
    import numba

    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # nowhere to keep it
        return numba.njit(**_OPTIONS)(function)
