"""Placement of labels beside points without overlap."""

from __future__ import annotations

import numpy as np

_ANGLES = np.deg2rad(np.arange(0, 360, 30))
_MARGIN = 3.0  # in pixels, between labels


def place(
    anchors: np.ndarray,
    sizes: np.ndarray,
    points: np.ndarray,
    bounds: tuple[float, float, float, float],
    *,
    distances: np.ndarray,
    taken: np.ndarray | None = None,
    centred: bool = False,
    all_of_them: bool = False,
) -> np.ndarray:
    """Return the centre of each label's box, `(n_names, 2)`, NaN for labels that cannot be placed.

    Labels are placed in order of importance, each at the best free position. All lengths are in pixels.

    anchors, sizes : `(n_names, 2)` positions of the labelled points, and width and height of the labels.
    points : `(n_points, 2)` positions of everything drawn, which labels should not cover.
    distances : Candidate distances from a point to the edge of its label.
    bounds, taken : Left, bottom, right and top of the area for labels, and of boxes `(n_taken, 4)` that are not free.
    centred : Whether a label may be centred on its point.
    all_of_them : Whether to place labels without a candidate position at the nearest free one, at any distance.
    """
    boxes = [] if taken is None else [np.asarray(box, dtype=float) for box in taken]
    found = np.full((len(anchors), 2), np.nan)
    far = np.geomspace(distances[-1], 2 * np.hypot(bounds[2] - bounds[0], bounds[3] - bounds[1]), 60)
    for number, (anchor, size) in enumerate(zip(anchors, sizes, strict=True)):
        middles = _around(anchor, size, distances, centred)
        best = _best(middles, anchor, size, points, bounds, boxes)
        if best is None and all_of_them:
            best = _best(_around(anchor, size, far, False), anchor, size, points[:0], bounds, boxes)
        if best is not None:
            found[number] = best
            boxes.append(np.r_[best - size / 2, best + size / 2])
    return found


def _around(anchor, size, distances, centred: bool) -> np.ndarray:
    directions = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
    middles = anchor + (directions[None] * (distances[:, None, None] + size / 2)).reshape(-1, 2)
    return np.vstack([anchor, middles]) if centred else middles


def _best(middles, anchor, size, points, bounds, boxes):
    """Return the free position that covers the fewest points and is close, or `None`."""
    low, high = middles - size / 2, middles + size / 2
    free = (low >= bounds[:2]).all(axis=1) & (high <= bounds[2:]).all(axis=1)
    for box in boxes:
        free &= ~((low < box[2:] + _MARGIN).all(axis=1) & (high > box[:2] - _MARGIN).all(axis=1))
    if not free.any():
        return None
    middles, low, high = middles[free], low[free], high[free]
    covered = np.array([((points > a) & (points < b)).all(axis=1).sum() for a, b in zip(low, high, strict=True)])
    away = np.hypot(*(np.maximum(np.abs(middles - anchor) - size / 2, 0)).T)
    return middles[np.argmin(covered + away / 12)]
