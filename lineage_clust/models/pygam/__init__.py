"""GAMs fitted by pyGAM, separately per gene."""

from .pygam import PyGAM

__all__ = ["PyGAM"]
