"""Generalised additive models of all genes at once.

`gam.py` is the estimator and `any_family.py` selects the method of the fit:

- `gaussian.py`: the closed form of the Gaussian family, from one pass over expression and one eigenproblem.
- `pirls`: other families, by iterations over nodes, which are the cells or, after one pass over expression, those of a
  grid of pseudotime and offset.
- `donors`: donors as replicates, for all families; `conditions`: a curve for every condition, and tests of differences
  (:class:`.ConditionGAM`).

All of them use `design.py`, `smoothing` (smoothing parameters) and `inference` (posteriors and tests of smooths).
`pooled.py` pools fits to draws of pseudotime, and `influence.py` finds trends that depend on a single cell.
Arguments of the same name are the same everywhere: `design` and `weights`, `offset` (both `(n_cells,)`, the latter
may be `None`) of the cells; `spectrum` of gram matrix and penalty; `smoothing` and `covariance` as in :class:`GAM`.
"""

from .gam import GAM

__all__ = ["GAM"]
