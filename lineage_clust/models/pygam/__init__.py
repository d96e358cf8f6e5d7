"""GAMs fitted by pyGAM, gene by gene."""

from .pygam import PyGAM

__all__ = ["PyGAM"]
