"""Smoothers: a basis for functions of pseudotime and a penalty on roughness."""

from .bspline import BSplineSmoother
from .cubic import CubicSplineSmoother, CyclicSplineSmoother
from .gaussian_process import GaussianProcessSmoother

__all__ = ["BSplineSmoother", "CubicSplineSmoother", "CyclicSplineSmoother", "GaussianProcessSmoother"]
