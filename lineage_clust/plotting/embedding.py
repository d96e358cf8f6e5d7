"""Cells on an embedding, coloured by module score, with one panel per cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils.documenting import parameters_as
from .panels.panels import plot_clusters
from .parts import mpl
from .parts.checking import check_color_map, check_figure
from .parts.labels import fit_text, plain, settle_layout, width_of
from .parts.layout import color_bar_beside, grid_of_panels, panels_a_row
from .parts.theme import ink

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE, _NARROWEST = 2.1, 1.0  # width of a panel in inches, and its minimum
_SHAPES = (0.5, 1.4)  # minimum and maximum height of a panel, relative to its width
_INSIDE = (0.01, 0.99)  # quantiles of the scores at the ends of the colour map


@parameters_as(plot_clusters)
def plot_embedding(
    places: np.ndarray,
    scores: np.ndarray,
    titles: Sequence[str],
    *,
    axes_label: str = "",
    cmap: Any = "viridis",
    ncols: int | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Figure:
    """Draw cells on an embedding, coloured by their scores, one panel per cluster.

    Parameters
    ----------
    places : ndarray of shape (n_cells, n_dims)
        Embedding, of which the first two dimensions are drawn.
    scores : ndarray of shape (n_cells, n_clusters)
        Module scores; cells with the highest scores are drawn last.
    titles : sequence of str
        Titles of the panels.
    axes_label : str, default=""
        Name of the embedding.
    cmap : str or Colormap, default="viridis"
        Colour map, from the 1 % to the 99 % quantile of the scores of a panel.

    Raises
    ------
    ValueError
        If shapes do not match, or there are no clusters.

    Examples
    --------
    >>> import numpy as np
    >>> figure = plot_embedding(np.eye(3, 2), np.arange(6.0).reshape(3, 2), ["early", "late"])
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['early', 'late', '']
    """
    check_figure(None, figsize, dpi)
    check_color_map(cmap)
    places, scores = np.asarray(places, dtype=float), np.asarray(scores, dtype=float)
    if places.ndim != 2 or places.shape[1] < 2 or scores.shape != (len(places), len(titles)) or not len(titles):
        raise ValueError(
            "places must have two columns, and scores one row per cell and one column per title, at least one; the "
            f"shapes are {places.shape} and {scores.shape}, and there are {len(titles)} titles."
        )
    ncols = panels_a_row(len(titles), ncols, figsize, narrowest=_NARROWEST)
    nrows = -(-len(titles) // ncols)
    known = np.isfinite(places[:, :2]).all(axis=1)
    width, height = np.ptp(places[known, :2], axis=0) if known.any() else (1.0, 1.0)
    side = _SIDE * float(np.clip(height / (width or 1.0), *_SHAPES))
    size = figsize or (_SIDE * ncols, (side + 0.1) * nrows)
    figure, axes = grid_of_panels(len(titles), ncols, size, dpi)
    written = []
    dot = float(np.clip(6000 / max(known.sum(), 1), 0.8, 12)) * (size[0] / ncols / _SIDE) ** 2
    for number, ax in enumerate(axes):
        values = scores[:, number]
        shown = np.flatnonzero(known & np.isfinite(values))
        shown = shown[np.argsort(values[shown], kind="stable")]
        low, high = np.quantile(values[shown], _INSIDE) if len(shown) else (0.0, 1.0)
        ax.scatter(*places[shown, :2].T, c=values[shown], s=dot, cmap=cmap, vmin=low, vmax=max(high, low + 1e-12), lw=0,
                   rasterized=True)  # fmt: skip
        ax.set(xticks=[], yticks=[])
        ax.set_aspect("equal", adjustable="datalim")
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(ink(0.4))
        written.append(ax.set_title(plain(titles[number]), loc="left", fontsize=9, fontweight="bold"))
    if axes_label:
        first_of_last = axes[(nrows - 1) * ncols]
        first_of_last.set_xlabel(f"{plain(axes_label)} 1", fontsize=8)
        first_of_last.set_ylabel(f"{plain(axes_label)} 2", fontsize=8)
    bar = color_bar_beside(figure, mpl.cm.ScalarMappable(cmap=cmap), (0.1, 2.0), ticks=[0, 1])
    bar.ax.set_yticklabels(["low", "high"], fontsize=8)  # without numbers, as each panel has its own scale
    bar.set_label("module score", fontsize=8, labelpad=0)
    bar.outline.set_visible(False)
    settle_layout(figure)
    room = axes[0].get_window_extent().width
    if any(width_of(title) > room for title in written):  # numbers suffice
        for title in written:
            title.set_text(title.get_text().removeprefix("cluster ").replace(" genes)", ")").replace(" gene)", ")"))
    for title in written:
        fit_text(title, room)
    return figure
