"""Memory budget for blocks of expression: 256 MB by default."""

from __future__ import annotations

import re
from numbers import Real

import numpy as np

DEFAULT = 256 * 10**6
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def parse_budget(budget: object, name: str = "memory_budget") -> int:
    """Return a memory budget in bytes, given as bytes, a string such as "500MB" or "2GiB", or `None` = 256 MB."""
    if budget is None:
        return DEFAULT
    number = budget
    if isinstance(budget, str):
        match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([KMGT]I?)?B?\s*", budget, flags=re.IGNORECASE)
        number = float(match[1]) * _UNITS[(match[2] or "").upper()] if match else None
    if isinstance(number, (bool, np.bool_)) or not isinstance(number, Real) or not 1 <= number < np.inf:
        raise ValueError(f"{name} must be bytes, a string such as '500MB', or None; got {budget!r}.")
    return int(number)


def readable(n_bytes: float) -> str:
    """Return a number of bytes with its unit."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes:.0f} bytes"
