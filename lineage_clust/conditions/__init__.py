"""Comparison of trends between conditions."""

from .comparing import compare_conditions
from .comparison import ConditionComparison

__all__ = ["ConditionComparison", "compare_conditions"]
