"""Checks that raise an informative error before allocations that exceed the memory."""

from __future__ import annotations

import os
from typing import Any

from .constraints import integer

_MOST_POINTS = 100_000
_SHARE = 8  # trends, errors, scaled trends and draws of clustered genes are in memory at the same time
_ASSUMED = 16 * 10**9


def machine_memory() -> int:
    """Return the memory of the machine in bytes; 16 GB if it is unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return _ASSUMED


def check_points(n_points: Any, n_trends: int = 1) -> None:
    """Raise a ValueError if so many trends, one per gene and lineage, cannot be computed at so many grid points."""
    integer(2).check("n_points", n_points)
    if n_points > _MOST_POINTS:
        raise ValueError(
            f"n_points must be at most {_MOST_POINTS:,}; got {n_points!r}. A few hundred points resolve any trend; "
            f"the default is 200."
        )
    n_bytes = 8 * int(n_points) * n_trends
    if n_bytes > machine_memory() / _SHARE:
        raise ValueError(
            f"n_points={n_points!r} is too large for {n_trends:,} trends: each of several tables would take "
            f"{n_bytes / 1e9:.3g} GB, and the machine has {machine_memory() / 1e9:.3g} GB. Lower n_points; the "
            f"default is 200."
        )
