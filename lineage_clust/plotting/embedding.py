"""Cells on an embedding, coloured by module score, with one panel per cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .checking import check_color_map, check_count, check_figure
from .labels import fit_text, plain, settle_layout
from .theme import ink

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE = 2.1  # width of a panel in inches
_SHAPES = (0.5, 1.4)  # minimum and maximum height of a panel, relative to its width
_INSIDE = (0.01, 0.99)  # quantiles of the scores at the ends of the colour map


def plot_embedding(
    places: np.ndarray,
    scores: np.ndarray,
    titles: Sequence[str],
    *,
    axes_label: str = "",
    cmap: Any = "viridis",
    ncols: int = 4,
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
    ncols : int, default=4
        Maximum number of panels per row.
    figsize, dpi
        Size in inches and dots per inch of the figure; `None` = by the number of panels.

    Returns
    -------
    matplotlib.figure.Figure

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
    import matplotlib.pyplot as plt

    check_figure(None, figsize, dpi)
    check_count("ncols", ncols, 1)
    check_color_map(cmap)
    places, scores = np.asarray(places, dtype=float), np.asarray(scores, dtype=float)
    if places.ndim != 2 or places.shape[1] < 2 or scores.shape != (len(places), len(titles)) or not len(titles):
        raise ValueError(
            "places must have two columns, and scores one row per cell and one column per title, at least one; the "
            f"shapes are {places.shape} and {scores.shape}, and there are {len(titles)} titles."
        )
    ncols = min(ncols, len(titles))
    nrows = -(-len(titles) // ncols)
    known = np.isfinite(places[:, :2]).all(axis=1)
    width, height = np.ptp(places[known, :2], axis=0) if known.any() else (1.0, 1.0)
    side = _SIDE * float(np.clip(height / (width or 1.0), *_SHAPES))
    size = figsize or (_SIDE * ncols, (side + 0.1) * nrows)
    figure, axes = plt.subplots(nrows, ncols, figsize=size, dpi=dpi, squeeze=False, layout="constrained")
    written = []
    dot = float(np.clip(6000 / max(known.sum(), 1), 0.8, 12)) * (size[0] / ncols / _SIDE) ** 2
    for number, ax in enumerate(axes.ravel()):
        if number >= len(titles):
            ax.remove()
            continue
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
    drawn = figure.axes
    if axes_label:
        first_of_last = drawn[(nrows - 1) * ncols]
        first_of_last.set_xlabel(f"{plain(axes_label)} 1", fontsize=8)
        first_of_last.set_ylabel(f"{plain(axes_label)} 2", fontsize=8)
    _name_colors(figure, drawn, cmap)
    settle_layout(figure)
    for ax, title in zip(drawn, written, strict=False):
        fit_text(title, ax.get_window_extent().width)
    return figure


def _name_colors(figure, axes: list, cmap: Any) -> None:
    """Add a colour bar without numbers, as each panel has its own scale."""
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(cmap=cmap), ax=axes, shrink=0.6, aspect=20, ticks=[0, 1], pad=0.02)
    bar.ax.set_yticklabels(["low", "high"], fontsize=8)
    bar.set_label("module score", fontsize=8)
    bar.outline.set_visible(False)
