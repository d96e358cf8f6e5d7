"""Trends of many genes: fitting them, their shapes, and samples of their posterior."""

from .trends import Trends

__all__ = ["Trends"]
