"""Trends of many genes: which are fitted together, on which cells, and how they are drawn anew."""
