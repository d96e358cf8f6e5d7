"""Timing of function calls."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter


def best_of(call: Callable[[], object], repeats: int = 3) -> float:
    """Return the minimum of several wall-clock times in seconds, which is least affected by other processes."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)
