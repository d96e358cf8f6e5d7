"""What does not fit in memory is refused in words, before it is asked for."""

from __future__ import annotations

import os
from numbers import Integral

_MOST_POINTS = 100_000
_SHARE = 8  # trends, errors, scaled trends and ten draws of the genes that are clustered are held at once
_ASSUMED = 16 * 10**9


def machine_memory() -> int:
    """Return the bytes of memory of the machine; 16 GB where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return _ASSUMED


def check_points(n_points: object, n_trends: int = 1) -> None:
    """Raise a ValueError unless trends can be given at so many points.

    Parameters
    ----------
    n_points
        Points of the grid of a lineage: an integer from 2 to 100,000.
    n_trends
        Number of trends, one for each gene and lineage.

    Examples
    --------
    >>> check_points(10**12)
    Traceback (most recent call last):
    ValueError: n_points must be at most 100,000; got 1000000000000. A grid of a few hundred points shows all that a trend
    does: 200 is the default.
    """
    if isinstance(n_points, bool) or not isinstance(n_points, Integral) or n_points < 2:
        raise ValueError(f"n_points must be an integer of at least 2; got {n_points!r}.")
    if n_points > _MOST_POINTS:
        raise ValueError(
            f"n_points must be at most {_MOST_POINTS:,}; got {n_points!r}. A grid of a few hundred points shows all that "
            "a trend does: 200 is the default."
        )
    n_bytes = 8 * int(n_points) * n_trends
    if n_bytes > machine_memory() / _SHARE:
        raise ValueError(
            f"n_points={n_points!r} is too fine a grid for {n_trends:,} trends: each of several tables of them would "
            f"take {n_bytes / 1e9:.3g} GB, and the machine has {machine_memory() / 1e9:.3g} GB. Lower n_points: 200 is "
            "the default."
        )
