"""Type aliases used in signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

# SciPy and pandas are untyped here, so that a matrix that may be sparse or a DataFrame is Any.
Matrix: TypeAlias = Any
Names: TypeAlias = str | Sequence[str] | None
# An array, or a tuple of arrays with `return_std=True` and similar options.
Predicted: TypeAlias = Any
Seed: TypeAlias = int | np.random.RandomState | None
TimeRange: TypeAlias = float | tuple[float | None, float | None] | None
WeightThreshold: TypeAlias = float | tuple[float, float]
