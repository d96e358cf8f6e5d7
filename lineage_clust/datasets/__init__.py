"""Data to try things on: a small real differentiation and simulated lineages of known truth."""

from .bone_marrow import bone_marrow
from .simulate import simulate_lineage

__all__ = ["bone_marrow", "simulate_lineage"]
