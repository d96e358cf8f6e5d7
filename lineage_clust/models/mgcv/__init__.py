"""GAMs fitted by R's mgcv, separately per gene."""

from .mgcv import MgcvGAM

__all__ = ["MgcvGAM"]
