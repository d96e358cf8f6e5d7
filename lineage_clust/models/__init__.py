"""Models: smooth regression of the expression of each gene on pseudotime."""

from .gam.conditions.condition_gam import ConditionGAM
from .gam.gam import GAM
from .mgcv.mgcv import MgcvGAM
from .pygam.pygam import PyGAM
from .regressor import RegressorModel

__all__ = ["GAM", "ConditionGAM", "MgcvGAM", "PyGAM", "RegressorModel"]
