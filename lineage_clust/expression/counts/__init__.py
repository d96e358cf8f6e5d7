"""Sums of counts over the nodes of a grid, in one pass."""
