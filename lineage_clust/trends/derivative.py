"""Slopes of trends, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import norm

from ..contracts.capabilities import family_of, has_posterior
from ..models.gam import GAM
from .calling import draws_of, predict_model, readable_by
from .group_fit import GroupFit

_STEP = 1e-4  # relative to the length of the grid
_N_DRAWS = 400


def slope_with_interval(
    group: GroupFit, column: int, times: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the slope of one trend at some pseudotimes, `(n_points,)`, and its interval `(n_points, 2)` or `None`.

    `column` is the gene's position among the targets of the model.

    The slope is a central difference of the trend, one-sided at the ends of the grid. With an identity link it is linear
    in the coefficients: differences `D = (B(t + h) - B(t - h)) / 2h` of basis rows give the slope `D b` and its
    variance `D V D'` [1]_, section 7.2.4. For a cubic spline the error is of order `h^2`, here 1e-8 of the squared
    length of the grid. The interval is conditional on the smoothing parameter. With other links, the interval is
    computed from slopes of posterior samples of the trend, including the smoothing parameter; its ends vary by a few
    percent of its width with the number of samples.

    References
    ----------
    .. [1] Wood (2017). Generalized Additive Models: An Introduction with R, 2nd edition.
    """
    model, start, end = group.model, group.grid[0], group.grid[-1]
    step = _STEP * (end - start)
    before = np.maximum(times - step, min(start, times.min()))
    after = np.minimum(times + step, max(end, times.max()))
    per_width = sparse.diags_array(1 / (after - before))
    rows = [group.design(at) for at in (before, after)]
    means = [predict_model(model, at, None)[0][:, column] for at in rows]
    slope = per_width @ (means[1] - means[0])
    if _is_linear(model):
        _, error = predict_model(model, readable_by(model, per_width @ (rows[1] - rows[0])), None)
        if error is not None:
            half = norm.ppf(0.5 + level / 2) * error[:, column]
            return slope, np.column_stack([slope - half, slope + half])
    if not has_posterior(model):
        return slope, None
    drawn = draws_of(model, group.design(np.concatenate([before, after])), [column], _N_DRAWS, 0)
    slopes = np.array([per_width @ (values[len(times) :, 0] - values[: len(times), 0]) for values in drawn])
    return slope, np.quantile(slopes, [0.5 - level / 2, 0.5 + level / 2], axis=0).T


def _is_linear(model: Any) -> bool:
    """Return whether trends of a model are linear combinations of its basis functions."""
    own = isinstance(model, GAM) and not model._has_intercept
    return own and family_of(model)[1] in ("identity", None if model.family == "gaussian" else "identity")
