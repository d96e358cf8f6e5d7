"""Weighted sums of expression over cells, in one pass."""
