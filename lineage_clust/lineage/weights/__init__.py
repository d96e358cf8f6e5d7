"""Weights of cells in lineages, under the keys and in the formats of common tools."""
