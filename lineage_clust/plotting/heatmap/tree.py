"""Dendrogram beside a heatmap, with the current cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..parts.dendrogram import Dendrogram, draw_branches
from ..parts.labels import inches_beside, scale_of
from ..parts.theme import ink

_WIDE, _SPACE, _STUB = 0.62, 0.1, 0.07  # width of the tree, distance from cluster names; depth above the root
_MOST_INCHES = 1.1


def draw_tree(ax, shape: Dendrogram, labels: np.ndarray, colors: Sequence[str], beside: list) -> list:
    """Draw the tree of the clusters left of the artists `beside` the rows; return the artists.

    labels : `(n_rows,)` clusters of the rows in their order.
    beside : Artists drawn before.
    """
    dpi = ax.figure.figure.dpi * scale_of(ax)
    rows = ax.get_window_extent().x0
    edge = min([0.0, *((artist.get_window_extent().x0 - rows) / dpi for artist in beside)]) - _SPACE
    wide = min(_WIDE + 0.03 * len(shape.ends), _MOST_INCHES)
    middles = [float(np.mean(np.flatnonzero(labels == shape.cluster[end]))) + 0.5 for end in shape.ends]

    def x(depth: float) -> float:
        return edge - wide * depth / (1 + _STUB)

    def y(place: float) -> float:
        return 1 - float(np.interp(place, np.arange(len(middles)), middles)) / len(labels)

    before = list(ax.get_children())
    at = inches_beside(ax, "left")
    draw_branches(ax, shape, x, y, colors, transform=at, width=1.1 * scale_of(ax), stub=_STUB)
    for end in shape.ends:
        color = colors[shape.cluster[end]]
        ax.plot(x(0), y(shape.place[end]), "o", ms=4 * scale_of(ax), color=color, transform=at, clip_on=False, zorder=4)
    if shape.cut is not None and shape.children:
        ax.plot([x(shape.cut)] * 2, [0, 1], "--", lw=0.8, color=ink(0.75), transform=at, clip_on=False, gid="cut")
    return [artist for artist in ax.get_children() if artist not in before]
