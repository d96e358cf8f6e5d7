"""How well a partition comes back, and how many clusters it has, by resolution."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from ..utils.checking import check_number
from .checking import check_figure
from .labels import inches_beside, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lineage_clust.clusterers.stability import StabilityCurve

_STABILITY, _LEAST, _CHOSEN = "#0072B2", "#D55E00", "0.2"
_FONT = 8
# why, where it is not that all of its clusters come back
_RULES = {"coherent": "; the best cut into coherent ones", "most reproducible": "; the most reproducible"}


def plot_stability(
    curve: StabilityCurve,
    resolution: float | None = None,
    n_kept: int | None = None,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw the stability curve of a clusterer.

    Parameters
    ----------
    curve : StabilityCurve
        As `GraphClusterer.stability_`: resolutions, n_clusters, stability, least_jaccard, reference.
    resolution : float, optional
        The one chosen, which is marked; `None` = one cluster, which is said instead.
    n_kept : int, optional
        Number of clusters that are left where duplicates were merged after the cut.
    ax : matplotlib.axes.Axes, optional
        Where to draw; `None` = a new figure.
    figsize, dpi
        Inches and dots per inch of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Notes
    -----
    Numbers of clusters stand on top, at their resolutions. Where there is one cluster the curves have gaps: that it
    comes back says nothing. The rule that chose is `curve.rule`; if it is "coherent", the choice is the best among the
    cuts of which every cluster is coherent, and others may come back better.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.clusterers.stability import StabilityCurve
    >>> curve = StabilityCurve(np.array([0.1, 1.0]), np.array([2, 5]), np.array([0.9, 0.4]), np.array([0.95, 0.3]))
    >>> plot_stability(curve, 0.1).get_xscale()
    'log'
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator

    check_figure(ax, figsize, dpi)
    if not hasattr(curve, "least_jaccard"):
        raise TypeError(f"curve must be the stability_ of a GraphClusterer; got {type(curve).__name__}.")
    check_number("resolution", resolution, or_none=True)
    resolutions = np.asarray(curve.resolutions, dtype=float)
    n_clusters = np.asarray(curve.n_clusters)
    if ax is None:
        _, ax = plt.subplots(figsize=figsize or (5.2, 3.6), dpi=dpi, layout="constrained")
    several = n_clusters >= 2
    stability = np.where(several, curve.stability, np.nan)
    least = np.where(several, curve.least_jaccard, np.nan)
    ax.plot(
        resolutions,
        stability,
        "o-",
        color=_STABILITY,
        ms=4,
        lw=1.8,
        label="all clusters (adjusted Rand index)",
        zorder=3,
    )
    ax.plot(resolutions, least, "s--", color=_LEAST, ms=3.5, lw=1.2, label="least stable cluster (Jaccard)", zorder=3)
    if np.isfinite(curve.reference):
        label = "adjusted Rand index of data without clusters"
        ax.axhline(curve.reference, color=_STABILITY, lw=1.2, ls=":", label=label, zorder=1)
    ax.set_xscale("log")
    ax.set_xlim(resolutions[0] / 1.15, resolutions[-1] * 1.15)
    ax.set_ylim(min(-0.03, np.nanmin(np.r_[stability, least, 0.0]) - 0.03), 1.04)
    ax.set(xlabel="resolution", ylabel="reproducibility")
    ax.spines[["top", "right"]].set_visible(False)
    _mark(ax, resolutions, n_clusters, resolution, n_kept, curve.rule)
    _number(ax, resolutions, n_clusters)
    ax.xaxis.set_major_locator(
        LogLocator(subs=(1, 2, 5) if ax.get_window_extent().width > 2.5 * ax.figure.dpi else (1,))
    )
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    # below the curves, for there is no corner that they never come to
    handles, texts = ax.get_legend_handles_labels()
    ax.legend(handles, _wrapped(texts, _width(ax)), loc="upper left", bbox_to_anchor=(0, -0.48), frameon=False,
              bbox_transform=inches_beside(ax, "bottom left"), fontsize=_FONT, borderaxespad=0.0, borderpad=0.0)  # fmt: skip
    return ax


def _width(ax) -> float:
    """Return the width of an axes in inches, once the figure's layout has made room for its labels."""
    ax.figure.figure.draw_without_rendering()
    return ax.get_window_extent().width / ax.figure.dpi


def _wrapped(texts: list[str], width: float) -> list[str]:
    """Return texts in lines that fit beside the handles of a legend, which are about 2.8 letters' heights wide."""
    n_letters = int((72 * width / _FONT - 2.8) / 0.62)
    return [fill(text, max(n_letters, 12)) for text in texts]


def _mark(ax, resolutions: np.ndarray, n_clusters: np.ndarray, resolution, n_kept, rule: str) -> None:
    if resolution is None:
        ax.plot([], [], " ", label="chosen: one cluster, no finer cut comes back")
        return
    chosen = int(np.argmin(np.abs(np.log(resolutions / resolution))))
    k = n_clusters[chosen]
    label = f"chosen: resolution {resolution:.2g}, {k} cluster{'s' if k != 1 else ''}"
    label += f" ({n_kept} once merged)" if n_kept is not None and n_kept < k else ""
    label += _RULES.get(rule, "")
    ax.axvline(resolution, color=_CHOSEN, lw=5, alpha=0.2, zorder=0, label=label)


def _number(ax, resolutions: np.ndarray, n_clusters: np.ndarray) -> None:
    """Write the numbers of clusters above, as many as there is room for."""
    top = ax.secondary_xaxis("top")
    width = ax.get_window_extent().width / ax.figure.dpi
    low, high = np.log(ax.get_xlim())
    inches = (np.log(resolutions) - low) / (high - low) * width
    gap = 0.09 + 0.07 * len(str(n_clusters.max(initial=0)))
    kept = thinned(inches, -np.arange(len(inches)), gap)
    top.set_xticks(resolutions[kept], [str(n_clusters[index]) for index in kept])
    top.set_xticks([], minor=True)
    top.tick_params(labelsize=8, length=2)
    top.spines["top"].set_visible(False)
    top.set_xlabel("number of clusters", fontsize=9)
