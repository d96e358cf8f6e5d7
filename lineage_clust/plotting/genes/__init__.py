"""Trends of single genes with their cells."""
