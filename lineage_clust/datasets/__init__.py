"""Example data: a small real data set, and simulated lineages with known truth."""

from .bone_marrow import bone_marrow
from .simulate import simulate_lineage

__all__ = ["bone_marrow", "simulate_lineage"]
