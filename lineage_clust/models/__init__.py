"""Models fit, for every gene, how expression varies around a smooth curve."""

from .gam import GAM

__all__ = ["GAM"]
