"""Compilation of loops by numba (extra `fast`); numba is imported only when a function is compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType

_OPTIONS = {"nogil": True, "error_model": "numpy"}
_WORTHWHILE = 2**20  # values that a loop reads; for fewer, importing numba takes longer than it saves


@cache
def can_compile() -> bool:
    """Return whether numba is installed and compatible with the installed NumPy.

    >>> can_compile() in (True, False)
    True
    """
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def is_worthwhile(n_values: int) -> bool:
    """Return whether the number of values that a compiled loop reads justifies importing numba.

    >>> is_worthwhile(10**4), is_worthwhile(10**7)
    (False, True)
    """
    return n_values >= _WORTHWHILE


def compiled(function: Callable) -> Callable:
    """Compile a function at its first call, cached on disk where possible; return it unchanged without numba."""
    if not can_compile():
        return function
    import numba

    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # no writable cache directory
        return numba.njit(**_OPTIONS)(function)


def compiled_module(name: str, package: str | None) -> Callable[[], ModuleType | None]:
    """Return a function that imports a module of compiled functions; it returns `None` without numba.

    >>> compiled_module(".sum_loops", "lineage_clust.expression.sums")() is None or can_compile()
    True
    """

    @cache
    def load() -> ModuleType | None:
        return import_module(name, package) if can_compile() else None

    return load
