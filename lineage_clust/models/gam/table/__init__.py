"""Fits of non-Gaussian families from sums over a grid of pseudotime and offset."""
