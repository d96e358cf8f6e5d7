"""Compilation of loops by numba (extra `fast`); numba is imported only when a function is compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

_OPTIONS = {"nogil": True, "error_model": "numpy"}
_WORTHWHILE = 2**20  # values that a loop reads; for fewer, importing numba takes longer than it saves


@cache
def can_compile() -> bool:
    """Return whether numba is installed and compatible with the installed NumPy."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def is_worthwhile(n_values: int) -> bool:
    """Return whether the number of values that a compiled loop reads justifies importing numba."""
    return n_values >= _WORTHWHILE


def compiled(function: Callable) -> Callable:
    """Compile a function at its first call, cached on disk where possible; return it unchanged without numba."""
    if not can_compile():
        return function
    import numba

    try:
        kept = numba.njit(cache=True, **_OPTIONS)(function)
        _forget_unreadable(kept)
    except (RuntimeError, OSError):  # no writable cache directory
        return numba.njit(**_OPTIONS)(function)
    return kept


def _forget_unreadable(function: Any) -> None:
    """Empty the cache of a function if it cannot be read.

    It names the classes of named arguments, which an earlier version of the package may have had elsewhere; numba would
    raise an error before it sees that the source is another one.
    """
    read = getattr(getattr(getattr(function, "_cache", None), "_cache_file", None), "_load_index", None)
    if read is None:
        return
    try:
        read()
    except Exception:  # whatever unpickling raises
        function._cache.flush()


def compiled_module(name: str, package: str | None) -> Callable[[], ModuleType | None]:
    """Return a function that imports a module of compiled functions; it returns `None` without numba."""

    @cache
    def load() -> ModuleType | None:
        return import_module(name, package) if can_compile() else None

    return load
