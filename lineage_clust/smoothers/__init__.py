"""Smoothers say which curves are allowed: a basis for pseudotime and a penalty on roughness."""

from .bspline import BSplineSmoother

__all__ = ["BSplineSmoother"]
