"""Figures of the trends of several conditions, and of their differences."""
