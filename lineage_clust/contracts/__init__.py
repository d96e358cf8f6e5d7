"""What smoothers, models and clusterers of one's own must have, and what they may have, as typing protocols.

All of them are scikit-learn estimators: `__init__` only stores its arguments, `get_params` and `set_params` (inherited from
:class:`sklearn.base.BaseEstimator`) make copies of them, what `fit` finds out ends in `_`, and `fit` changes no parameter.
A class need not inherit from a protocol. `isinstance(component, Model)` says whether the methods are there.
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
