"""Figures of the trends of single genes, with their cells."""
