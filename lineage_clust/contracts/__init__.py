"""Typing protocols of smoothers, models and clusterers: required methods and optional attributes.

All of them are scikit-learn estimators: `__init__` only stores its arguments, `get_params` and `set_params` (inherited from
:class:`sklearn.base.BaseEstimator`) copy them, fitted attributes end in `_`, and `fit` does not modify parameters. A
class need not inherit from a protocol. `isinstance(component, Model)` checks that the methods exist.
"""

from .protocols import (
    Clusterer,
    DesignModel,
    DrawnClusterer,
    ExpressionMatrix,
    Model,
    PenalisedSmoother,
    PosteriorModel,
    SelectiveModel,
    Smoother,
)

__all__ = [
    "Clusterer",
    "DesignModel",
    "DrawnClusterer",
    "ExpressionMatrix",
    "Model",
    "PenalisedSmoother",
    "PosteriorModel",
    "SelectiveModel",
    "Smoother",
]
