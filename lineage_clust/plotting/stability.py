"""Figure of how distinct clusters are, by number of clusters."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from ..clusterers.stability import StabilityCurve
from ..errors import counted
from ..utils.documenting import parameters_as
from .parts import mpl
from .parts.checking import axes_for
from .parts.labels import inches_beside, settle_layout
from .parts.theme import ink, legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FONT = 8
_NARROW = 3.3  # inches
# Okabe & Ito's colours; the last entry is whether the measure must be above (True) or below its threshold
_MEASURES = (
    ("support", "support (agreement of halves)", "#0072B2", "o-", True),
    ("connectivity", "connectivity (edges over chance)", "#D55E00", "s-", False),
    ("correlation", "correlation of means", "#007A5A", "^-", False),
    ("explained", "explained (share of variance)", "#8B5A8C", "D-", True),
    ("within", "within cluster (share explained)", "#A6611A", "v-", True),
)
_SHARES = ("explained", "within")
_HIGHEST = 1.5


@parameters_as(axes_for)
def plot_stability(
    curve: StabilityCurve,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw how distinct the clusters of partitions are as a function of their number.

    Parameters
    ----------
    curve : StabilityCurve
        Attribute `stability_` of a `GraphClusterer`.

    Notes
    -----
    The text above states why this number was chosen, and rings mark the measures that rule out the next number. Groups have
    the measures of the least distinct pair of clusters; those of a continuum are of the two clusters into which the last
    division divides one. The share of the variance that a division explains has a logarithmic axis on the right; that within
    the cluster is drawn if it rules out the next number. Support and shares must be above their thresholds, connectivity and
    correlation below theirs; otherwise points are open. Connectivity is truncated at 1.5. The chosen number is shaded,
    without clusters of genes that contradict their cluster.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.clusterers.stability import StabilityCurve
    >>> curve = StabilityCurve(
    ...     np.arange(1, 4), np.array([1, 0.9, 0.2]), np.array([0, 0.1, 0.4]), np.array([-1, 0.3, 0.95]), chosen=2
    ... )
    >>> plot_stability(curve).get_xlabel()
    'number of clusters'
    """
    if not hasattr(curve, "connectivity"):
        raise TypeError(f"curve must be the stability_ of a GraphClusterer; got {type(curve).__name__}.")
    ax = axes_for(ax, (5.2, 3.6), figsize, dpi)
    several = curve.n_clusters >= 2
    numbers = curve.n_clusters[several]
    with_shares = not np.isnan(curve.explained).all()
    axes: dict[str, Any] = dict.fromkeys(_SHARES, _axis_of_shares(ax, curve)) if with_shares else {}
    for name, label, tone, style, above in _MEASURES:
        color, on = legible(tone), axes.get(name, ax)
        values, bound = getattr(curve, name)[several], getattr(curve.bounds, name)
        if np.isnan(values).all() or (name == "within" and not curve.lacks_direction):
            continue
        shown = _shown(name, values)
        kept = values >= bound if above else values <= bound
        on.plot(numbers, shown, style, color=color, ms=0, lw=1.6, zorder=3)
        said = f"{label}, {'≥' if above else '≤'}\u00a0" + (f"{100 * bound:g}\u00a0%" if name in axes else f"{bound:g}")
        on.plot(numbers[kept], shown[kept], style[0], color=color, ms=5, label=said)
        on.plot(
            numbers[~kept], shown[~kept], style[0], color=color, ms=5, mfc=ax.get_facecolor(), zorder=4, gid="missed"
        )
        on.axhline(bound, color=color, lw=0.9, ls=":", zorder=1)
    ax.axvspan(curve.selected - 0.4, curve.selected + 0.4, color=ink(0.8), alpha=0.15, lw=0, zorder=0)
    every = list(dict.fromkeys((ax, *axes.values())))
    lines = [line for one in every for line in one.lines]
    keys: list[Any] = [line for line in lines if not line.get_label().startswith("_")]
    if any(line.get_gid() == "missed" and np.size(line.get_xdata()) for line in lines):
        keys += ax.plot([], [], "o", color=ink(0.8), ms=5, mfc=ax.get_facecolor(), label="open: violates threshold")
    said = f"chosen: {counted(curve.selected, 'cluster')}"
    said += f" and {curve.n_divided} divided off" if curve.n_divided else ""
    keys += ax.plot([], [], "s", color=ink(0.8), alpha=0.3, ms=7, label=said)
    ax.set_xlim(min(curve.selected, 2) - 0.6, curve.n_clusters.max() + 0.6)
    ax.set_ylim(-0.1, _HIGHEST + 0.05)
    highest = max(np.nanmax(getattr(curve, name)[several], initial=0.0) for name, *_ in _MEASURES)
    ticks = np.arange(0.0, _HIGHEST + 0.1, 0.5)
    ax.set_yticks(ticks, [f"{'≥ ' if tick == _HIGHEST < highest else ''}{tick:.1f}" for tick in ticks])
    ylabel = "support, correlation" if curve.of_continuum else "least distinct two clusters"
    ax.set(xlabel="number of clusters", ylabel=ylabel)
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, min_n_ticks=1))
    ax.spines[["top", "right"]].set_visible(False)
    settle_layout(ax.figure.figure)
    width = ax.get_window_extent().width / ax.figure.dpi  # in inches, now that the labels have their room
    narrow = width < _NARROW
    font = 6.5 if narrow else _FONT
    _say_what_decided(ax, axes, curve, width, font)
    # below the curves, which may extend to any corner
    texts = [str(key.get_label()) for key in keys]
    if narrow:
        ax.set_ylabel(ax.get_ylabel().removesuffix(" clusters"))
        for one in every:
            one.xaxis.label.set_size(_FONT)
            one.yaxis.label.set_size(_FONT)
            one.tick_params(labelsize=_FONT)
        texts = [text.split(" (")[0] + text.split(")", 1)[-1] if "(" in text else text for text in texts]
    below = (0, -0.4 if narrow else -0.48)
    ax.legend(keys, _wrapped(texts, width, font), loc="upper left", frameon=False, bbox_to_anchor=below,
              bbox_transform=inches_beside(ax, "bottom left"), fontsize=font, borderaxespad=0.0, borderpad=0.0)  # fmt: skip
    settle_layout(ax.figure.figure)
    return ax


def _axis_of_shares(ax, curve: StabilityCurve) -> Axes:
    """Return an axes for the shares of the variance that divisions explain, whose logarithmic axis is on the right."""
    right, color = ax.twinx(), legible(_MEASURES[3][2])
    lowest = max(np.nanmin(np.append(np.array(curve.explained), curve.bounds.explained)), 1e-3)
    right.set(yscale="log", ylim=(lowest / 2, 1.0), ylabel="explained variance")
    ticks = [tick for tick in (0.001, 0.01, 0.1, 1.0) if tick >= lowest / 2]
    right.set_yticks(ticks, [f"{100 * tick:g}\u00a0%" for tick in ticks])
    right.yaxis.set_minor_locator(mpl.ticker.NullLocator())
    right.spines[["top", "left"]].set_visible(False)
    right.spines["right"].set_color(color)
    right.tick_params(axis="y", color=color, labelcolor=color)
    right.yaxis.label.set_color(color)
    return right


def _shown(name: str, values: np.ndarray) -> np.ndarray:
    """Return values within the limits of their axis."""
    return np.maximum(values, 5e-4) if name in _SHARES else np.clip(values, -0.05, _HIGHEST)


def _say_what_decided(ax, axes: dict[str, Any], curve: StabilityCurve, width: float, font: float) -> None:
    """Write above the curves why there are not more clusters, and mark the measures that rule out the next number."""
    following = np.flatnonzero(curve.n_clusters > curve.selected)
    why = f"{counted(curve.chosen, 'cluster')} chosen. {curve.why}".replace(" %", "\u00a0%")
    ax.set_title("\n".join(_wrapped([why], width, font)), loc="left", fontsize=font, pad=8)
    if len(following):
        after = following[0]
        for name, _, color, _, above in _MEASURES:
            value, bound = getattr(curve, name)[after], getattr(curve.bounds, name)
            if name == "within" and not curve.lacks_direction:
                continue
            if (value < bound) if above else (value > bound):
                at = curve.n_clusters[after], _shown(name, value)
                ring = {"facecolors": "none", "edgecolors": color, "linewidths": 1.2, "clip_on": False}
                axes.get(name, ax).scatter(*at, s=130, zorder=5, gid="decided", **ring)


def _wrapped(texts: list[str], width: float, font: float) -> list[str]:
    """Wrap texts to lines that fit beside the handles of a legend, which are about 2.8 font sizes wide."""
    n_letters = int((72 * width / font - 2.8) / 0.62)
    return [fill(text, max(n_letters, 12)) for text in texts]
