"""GAMs fitted by R's mgcv, gene by gene."""

from .mgcv import MgcvGAM

__all__ = ["MgcvGAM"]
