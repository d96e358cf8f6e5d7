"""Heatmap of trends, ordered by cluster and time."""
