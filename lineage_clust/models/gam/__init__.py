"""GAMs of all genes at once: design, one eigenproblem, smoothing parameters, posterior, tests."""

from .gam import GAM

__all__ = ["GAM"]
