"""The types that signatures name, for type checkers and readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

# SciPy and pandas have no types of their own, so that all a checker can say of a matrix that may be sparse or a
# DataFrame is that it is anything.
Matrix: TypeAlias = Any
Names: TypeAlias = str | Sequence[str] | None
# One array, or with `return_std=True` and the like a tuple of arrays.
Predicted: TypeAlias = Any
Seed: TypeAlias = int | np.random.RandomState | None
TimeRange: TypeAlias = float | tuple[float | None, float | None] | None
WeightThreshold: TypeAlias = float | tuple[float, float]
