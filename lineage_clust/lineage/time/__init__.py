"""Pseudotime, its draws, and the range of a lineage."""
