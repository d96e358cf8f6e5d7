"""Trends of several conditions, and their differences."""
