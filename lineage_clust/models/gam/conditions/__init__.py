"""Trends of several conditions, and tests of their differences."""
