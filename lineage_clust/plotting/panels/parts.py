"""Elements of a panel: curves with mean and band, axis limits, cell density, titles, and the key below all panels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ...trends.shapes import DIRECTIONS, direction, half_back, moved_times
from ..parts import mpl
from ..parts.captions import Caption
from ..parts.labels import fit_text, plain, width_of
from ..parts.theme import ink, mixed, paper, tint
from ..parts.timeline import Segment

_LINE = 11.5  # line spacing of titles in points
_MAX_LINES = 400  # more curves form a solid area, and make vector files large
_FEW, _THICK, _FINEST = 14, 0.6, 0.15  # up to this number, curves are thick; widths in points
_FOOT = 0.1  # fraction of the height for the cell density, below the curves
_VEIL = 0.8  # opacity of the background colour over curves where there are no cells
LOW_CONFIDENCE, _PALE = 0.6, 0.5
_UNSURE = (0, (2.4, 0.9))  # line style of the mean of a cluster with low confidence

CENTRAL, BAND = 0.98, 0.8  # fraction of all curves within the axis limits, and of a cluster within its band
_THIN = 0.25  # of the mean density; curves fade below
_BANDWIDTH = 0.02  # of the grid
_MOVES = 0.25  # minimum change within a lineage, relative to the total range, for a half-change time


def draw_curves(
    ax, trends: np.ndarray, lineages: Sequence[Segment], span: tuple[float, float], color: str, *,
    thin: np.ndarray | None, confidence: float, with_half: bool, small: float,
) -> None:  # fmt: skip
    """Draw trends `(n_genes, n_points)`, their mean and a band with the middle 80 %; the axis includes `span`."""
    pale = confidence < LOW_CONFIDENCE
    drawn = trends[:: max(1, -(-len(trends) // _MAX_LINES))]
    width = float(np.clip(_THICK * np.sqrt(_FEW / len(drawn)), _FINEST, _THICK)) * (_PALE if pale else 1.0)
    tone = color if len(drawn) <= _FEW else tint(color)
    mean, (lower, upper) = trends.mean(axis=0), band(trends)
    for lineage in lineages:  # separate lines per lineage
        x, part = lineage.x, lineage.columns
        paths = np.dstack(np.broadcast_arrays(x, drawn[:, part]))
        lines = mpl.collections.LineCollection(list(paths), colors=tone, lw=width * small, zorder=1, gid="gene")
        ax.add_collection(lines, autolim=False)
        if len(trends) > 1:
            faint = 0.11 if pale else 0.22
            ax.fill_between(x, lower[part], upper[part], color=color, alpha=faint, lw=0, zorder=2)
            for edge in (lower, upper):  # the band is visible on a dense bundle of curves too
                ax.plot(x, edge[part], color=mixed(ink(), color, 0.45), lw=0.6 * small, zorder=2.5, gid="band")
    low, high = span
    if thin is not None:
        _draw_veil(ax, lineages, thin, 2 * low - high, 2 * high - low)
    for lineage in lineages:
        x, part = lineage.x, lineage.columns
        ax.plot(x, mean[part], color=paper(), lw=3.6 * small, zorder=4, gid="halo")
        ax.plot(x, mean[part], color=color, lw=2.1 * small, zorder=5, gid="mean", ls=_UNSURE if pale else "-")
    ax.set_ylim(low - (_FOOT + 0.04) * (high - low) / (1 - _FOOT), high + 0.03 * (high - low))
    if with_half:
        for at, value in half_times(mean, lineages):
            ax.plot(at, value, "o", ms=4.6 * small, mfc=paper(), mec=color, mew=1.3 * small, zorder=6, gid="half")
    ax.spines[["top", "right"]].set_visible(False)


def _draw_veil(ax, lineages: Sequence[Segment], thin: np.ndarray, bottom: float, top: float) -> None:
    """Fade curves where there are few cells."""
    for part in lineages:
        if thin[part.columns].any():
            rgba = np.empty((1, len(part.x), 4))
            rgba[..., :3], rgba[..., 3] = paper(), _VEIL * thin[part.columns]
            ax.imshow(rgba, extent=(part.x[0], part.x[-1], bottom, top), aspect="auto", zorder=3,
                      interpolation="bilinear", gid="veil")  # fmt: skip


def draw_cells(ax, density: np.ndarray, lineages: Sequence[Segment]) -> None:
    """Draw the density of cells at the bottom of a panel."""
    height = _FOOT * density / (density.max() or 1.0)
    for part in lineages:
        ax.fill_between(part.x, 0, height[part.columns], transform=ax.get_xaxis_transform(), color=ink(0.45), lw=0,
                        zorder=0.5, gid="cells")  # fmt: skip


def label_panel(ax, caption: Caption, n_outside: int, named: Sequence[str], small: float) -> None:
    """Write caption, numbers of genes and of curves beyond the axis, confidence, and names of genes above a panel."""
    pale = caption.confidence < LOW_CONFIDENCE
    room = ax.get_window_extent().width
    above = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    n_lines = 2 if named else 1
    ax.set_title(plain(caption.heading), loc="left", fontsize=10 * small, fontweight="bold", y=1.0,
                 pad=(4 + _LINE * n_lines) * small, color=ink(0.6 if pale else 1.0))  # fmt: skip
    fit_text(ax._left_title, room, least=0.7)
    outside = f" · {n_outside} beyond the scale" if n_outside else ""
    numbers = ax.annotate(caption.numbers + outside, (0, 1), (0, (4 + _LINE * (n_lines - 1)) * small), fontsize=8 * small,
                          color=ink(0.65), gid="numbers", **above)  # fmt: skip
    if width_of(numbers) > room:
        numbers.set_text((caption.numbers + outside.removesuffix(" the scale")).replace("confidence", "conf."))
        fit_text(numbers, room)
    if named:
        text = ax.annotate(plain(", ".join(named)), (0, 1), (0, 3.5 * small), fontsize=8 * small, style="italic",
                           color=ink(0.75), gid="genes", **above)  # fmt: skip
        shown = len(named)
        while width_of(text) > room and shown > 1:
            shown -= 1
            text.set_text(plain(", ".join(named[:shown]) + ", …"))
        fit_text(text, room)


def draw_key(figure, layout, with_cells: bool, with_unsure: bool) -> None:
    """Add the key below all panels."""
    parts = ["thick line: mean of the genes", "band: middle 80 %", "○: half of the change"]
    if with_unsure:  # shorter, to fit into the same space
        parts = ["line: mean", f"dashed: conf. < {LOW_CONFIDENCE:g}", "band: middle 80 %", "○: half of change"]
    parts += ["grey: cells"] if with_cells else []
    lines = [" · ".join(part) for part in ([parts] if layout.n_key_lines == 1 else [parts[:2], parts[2:]])]
    figure.text(0.5 if layout.n_key_lines > 1 else layout.centre, 0.06 / layout.size[1], "\n".join(lines), ha="center",
                va="bottom", fontsize=8 * layout.small, color=ink(0.65), gid="key", linespacing=1.15)  # fmt: skip


def band(trends: np.ndarray) -> np.ndarray:
    """Return the limits of the middle 80 % of curves `(n_genes, n_points)` at each point, `(2, n_points)`."""
    return np.quantile(trends, [(1 - BAND) / 2, (1 + BAND) / 2], axis=0)


def limits(clusters: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return limits that include the central 98 % of all curves at each point, and the middle 80 % of each cluster."""
    every = np.concatenate(list(clusters))
    ends = [np.quantile(every, [(1 - CENTRAL) / 2, (1 + CENTRAL) / 2], axis=0), *(band(trends) for trends in clusters)]
    low, high = min(float(one[0].min()) for one in ends), max(float(one[1].max()) for one in ends)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def n_beyond(trends: np.ndarray, low: float, high: float) -> int:
    """Return the number of curves that leave a range by more than one per cent of it."""
    slack = 0.01 * (high - low)
    return int(((trends < low - slack) | (trends > high + slack)).any(axis=1).sum())


def smoothed(density: np.ndarray, lineages: Sequence[Segment]) -> np.ndarray:
    """Return the density of cells `(n_points,)`, smoothed within each lineage."""
    found = np.array(density, dtype=float)
    for part in lineages:
        own = found[part.columns]
        sd = max(_BANDWIDTH * len(own), 1e-3)
        ones = gaussian_filter1d(np.ones(len(own)), sd, mode="constant")
        found[part.columns] = gaussian_filter1d(own, sd, mode="constant") / np.maximum(ones, 1e-12)
    return found


def thinness(density: np.ndarray, lineages: Sequence[Segment]) -> np.ndarray:
    """Return the sparsity of cells `(n_points,)`: 0 above a quarter of the lineage's mean density, 1 without cells."""
    found = np.zeros(len(density))
    for part in lineages:
        own = density[part.columns]
        if own.mean() > 0:
            found[part.columns] = np.clip(1 - own / (_THIN * own.mean()), 0, 1)
    return found


def half_times(mean: np.ndarray, lineages: Sequence[Segment]) -> list[tuple[float, float]]:
    """Return position and value of `half_max`, or `half_back` if a peak or dip begins beyond its half, in each lineage.

    Lineages in which the mean changes by less than a quarter of its total range, or turns more than once, are left out.

    >>> lineages = [Segment("", slice(0, 3), np.array([0.0, 0.5, 1.0]), 0.0)]
    >>> half_times(np.array([0.0, 1.0, 2.0]), lineages), half_times(np.array([0.0, 1.0, -3.0]), lineages)
    ([(0.5, 1.0)], [(0.75, -1.0)])
    """
    found = []
    for part in lineages:
        own = mean[part.columns]
        way = direction(own[None])
        if np.ptp(own) > _MOVES * np.ptp(mean) and way[0] <= DIRECTIONS.index("transient down"):
            time = float(moved_times(own[None], part.grid, [0.5])[0][0])
            back = float(half_back(own[None], part.grid, way)[0])
            time = min(time, back)  # `time` if the other one is NaN
            found.append((time + part.shift, float(np.interp(time, part.grid, own))))
    return found
