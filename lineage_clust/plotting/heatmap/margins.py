"""Margins of a heatmap, with positions in inches: bars, names, legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..parts import mpl
from ..parts.dendrogram import Dendrogram, draw_branches
from ..parts.labels import fit_text, inches_beside, plain, scale_of, shortened, spaced, thinned
from ..parts.strips import Strip, draw_numeric_legend, draw_strip, legend_entries, strip_edges
from ..parts.theme import ink, is_dark, paper

_BAR, _SPACE, _COLUMN = 0.11, 0.04, 0.09  # thickness of a bar, space between bars, width of the confidence column
_LINE, _TEXT = 0.16, 0.19  # distance from the rows at which the line to a name ends and the name starts
_PAD = 0.16  # around everything
SIZE, _LEAST_SIZE = 7.0, 4.5  # font size of gene names in points: default and minimum
SPACING = 1.25 / 72  # line spacing in inches, per point of font size
CLUSTER_GAP = 0.125  # inches between names of clusters
_LONGEST = 22  # characters
_TREE, _MOST_INCHES, _TREE_SPACE = 0.62, 1.1, 0.1  # width of the tree and its maximum, distance from cluster names
_STUB = 0.07  # length of the branch above the root, in depth


def settle(ax, size: tuple[float, float], figsize: tuple[float, float] | None) -> None:
    """Enlarge a new figure so that its rows have `size` within what is around them; with `figsize`, fit the rows instead."""
    figure = ax.figure.figure
    inner, outer = ax.get_window_extent(), ax.get_tightbbox()
    left, bottom = (inner.min - outer.min) / figure.dpi + _PAD
    right, top = (outer.max - inner.max) / figure.dpi + _PAD
    if figsize is None:
        width, height = size
        figure.set_size_inches(left + width + right, bottom + height + top)
    else:
        width, height = max(figsize[0] - left - right, 0.5), max(figsize[1] - bottom - top, 0.5)
    whole = figure.get_size_inches()
    ax.set_position([left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]])


def blocks(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the start and end of each cluster in ordered labels."""
    starts = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
    return starts, np.append(starts[1:], len(labels))


def draw_cluster_bar(ax, labels: np.ndarray, colors: Sequence[str]) -> None:
    """Draw a bar with the colours of the clusters left of the rows, and lines between clusters."""
    starts, ends = blocks(labels)
    bar = ax.inset_axes([-_SPACE - _BAR, 0, _BAR, 1], transform=inches_beside(ax, "left"), label="cluster")
    bar.barh(starts, 1, height=ends - starts, align="edge", color=[colors[labels[start]] for start in starts])
    bar.set(xlim=(0, 1), ylim=(len(labels), 0))
    bar.axis("off")
    for start in starts[1:]:
        for part in (ax, bar):
            part.axhline(start, color=paper(), lw=1.0, gid="halo")
    below = inches_beside(ax, "bottom left")
    ax.text(-_SPACE - _BAR + 0.02, -0.05, "cluster", transform=below, fontsize=8 * scale_of(ax), ha="right", va="top")


def draw_cluster_numbers(ax, labels: np.ndarray, names: Sequence[str]) -> list:
    """Draw the name of each cluster beside its part of the bar; return the artists."""
    starts, ends = blocks(labels)
    height, edge = _size(ax)[1], -_SPACE - _BAR
    middle = (starts + ends) / 2 / len(labels) * height
    kept = np.arange(len(starts))
    if len(starts) * CLUSTER_GAP > height:
        kept = thinned(middle, ends - starts, CLUSTER_GAP)
    drawn = []
    for row, y in zip(kept, spaced(middle[kept], CLUSTER_GAP, 0.0, height), strict=True):
        if abs(y - middle[row]) > 0.02:
            drawn.append(_line(ax, "left", (edge - 0.02, edge - 0.1), 1 - np.array([middle[row], y]) / height))
        number = labels[starts[row]]
        drawn.append(
            ax.text(edge - (0.12 if len(kept) > 9 else 0.05), 1 - y / height, plain(names[number]) if number >= 0 else "none",
                    transform=inches_beside(ax, "left"), fontsize=8 * scale_of(ax), ha="right", va="center", gid="cluster")
        )  # fmt: skip
    return drawn


def draw_tree(ax, shape: Dendrogram, labels: np.ndarray, colors: Sequence[str], beside: list) -> list:
    """Draw the tree of the clusters, in the order of the rows, left of the artists `beside` these; return the artists."""
    dpi = ax.figure.figure.dpi * scale_of(ax)
    rows = ax.get_window_extent().x0
    edge = min([0.0, *((artist.get_window_extent().x0 - rows) / dpi for artist in beside)]) - _TREE_SPACE
    wide = min(_TREE + 0.03 * len(shape.ends), _MOST_INCHES)
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


def draw_time(ax, parts, strips: Sequence[Strip]) -> None:
    """Draw a bar per covariate and the names of the lineages above the rows."""
    for number, strip in enumerate(strips):
        bottom = _SPACE + number * (_BAR + _SPACE)
        bar = ax.inset_axes([0, bottom, 1, _BAR], transform=inches_beside(ax, "top"), sharex=ax, label=strip.name)
        for part in parts:
            edges = strip_edges(part.x)
            edges[[0, -1]] = part.ends
            draw_strip(bar, Strip(strip.name, strip.colors[part.columns]), edges, named=part is parts[0])
        bar.tick_params(bottom=False, labelbottom=False)
    start, end = parts[0].ends[0], parts[-1].ends[1]
    for part in parts:
        share = (part.ends[1] - part.ends[0]) / (end - start)
        name = ax.text((np.mean(part.ends) - start) / (end - start), 2 * _SPACE + len(strips) * (_BAR + _SPACE),
                       plain(shortened(part.name)), fontsize=9 * scale_of(ax), fontweight="bold", ha="center", va="bottom",
                       transform=inches_beside(ax, "top"), gid="lineage")  # fmt: skip
        if len(parts) > 1:
            fit_text(name, share * ax.get_window_extent().width)
    ax.set_xlabel("pseudotime", fontsize=9 * scale_of(ax))


def draw_ticks(ax, parts) -> None:
    """Draw as many time ticks below the rows of each lineage as fit."""
    start, end = parts[0].ends[0], parts[-1].ends[1]
    width = _size(ax)[0]
    places, names, first = [], [], []
    for part in parts:
        share = (part.ends[1] - part.ends[0]) / (end - start)
        low, high = part.grid[0], part.grid[-1]
        slack = 1e-6 * (high - low)
        for time in mpl.ticker.MaxNLocator(max(1, round(share * width / 0.7))).tick_values(low, high):
            if low - slack <= time <= high + slack:
                places.append(float(time + part.shift))
                names.append(f"{time:.4g}")
                first.append(len(first))
    inches = (np.array(places) - start) / (end - start) * width
    kept = thinned(inches, -np.array(first, dtype=float), 0.32)
    ax.set_xticks([places[index] for index in kept], [names[index] for index in kept], fontsize=8 * scale_of(ax))


def draw_scale(ax, image, label: str) -> None:
    """Draw the colour bar below the rows, on the left, with its label."""
    low, high = image.get_clim()
    data = [part.get_array() for part in ax.images]
    beyond = (min(part.min() for part in data) < low, max(part.max() for part in data) > high)
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(beyond, "neither")
    away = 1.14 if extend in ("both", "max") else 1.08
    _draw_color_bar(ax, -0.66, image, label, "scale", away, extend=extend).locator_params(nbins=4)


def _draw_color_bar(ax, bottom: float, scale, label: str, name: str, away: float = 1.08, **style):
    """Draw a colour bar below the rows, on the left, and its label at `away` widths of the bar from its start."""
    small = scale_of(ax)
    bar = ax.inset_axes([0, bottom, 1.2, 0.1], transform=inches_beside(ax, "bottom left"), label=name)
    ax.figure.figure.colorbar(scale, cax=bar, orientation="horizontal", **style)
    bar.tick_params(labelsize=7 * small, length=3 * small, pad=2 * small)
    bar.text(away, 0.5, label, transform=bar.transAxes, fontsize=8 * small, va="center")
    return bar


CONFIDENCE = _SPACE + _COLUMN  # inches right of the rows


def draw_confidence(ax, confidence: np.ndarray) -> None:
    """Draw a column of confidence right of the rows, and its scale below; unknown values are blank."""
    ends = [ink(0.04), "#B79CED" if is_dark(paper()) else "#5B3C88"]
    cmap = mpl.colors.LinearSegmentedColormap.from_list("confidence", ends)
    column = ax.inset_axes([_SPACE, 0, _COLUMN, 1], transform=inches_beside(ax, "right"), label="confidence")
    crowded = len(confidence) > ax.get_window_extent().height
    column.imshow(np.ma.masked_invalid(confidence)[:, None], aspect="auto", cmap=cmap, vmin=0, vmax=1,
                  extent=(0, 1, len(confidence), 0), interpolation="antialiased" if crowded else "nearest")  # fmt: skip
    column.axis("off")
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), cmap)
    _draw_color_bar(ax, -1.05, scale, "confidence (column)", "confidence scale", ticks=[0, 0.5, 1])


def draw_gene_labels(ax, names: list[str] | None, wanted, importance: np.ndarray | None, beside: float = 0.0) -> list:
    """Draw names of genes (`wanted`: these, at most this number, or all that fit) right of the rows; return the artists."""
    if names is None:
        return []
    height = _size(ax)[1]
    centres = (np.arange(len(names)) + 0.5) / len(names) * height
    size = SIZE
    if isinstance(wanted, list):
        rows = np.array([row for row, name in enumerate(names) if name in set(wanted)], dtype=int)
        size = min(SIZE, height / SPACING / max(len(rows), 1))
        if size * scale_of(ax) < _LEAST_SIZE:
            raise ValueError(
                f"{len(rows)} names do not fit beside rows of {height * scale_of(ax):.1f} inches: pass at most "
                f"{int(height * scale_of(ax) / SPACING / _LEAST_SIZE)} label_genes, or make the figure higher (figsize)."
            )
        places = spaced(centres[rows], size * SPACING, size * SPACING / 2, height - size * SPACING / 2)
    else:
        weight = np.zeros(len(names)) if importance is None else importance
        rows = thinned(centres, weight, size * SPACING * 0.999, wanted)
        places = centres[rows]
    every = len(rows) == len(names) and np.allclose(places, centres[rows])
    drawn, points = [], size * scale_of(ax)
    for row, y in zip(rows, places, strict=True):
        if not every:
            heights = 1 - np.array([centres[row], centres[row], y]) / height
            drawn.append(_line(ax, "right", beside + np.array([0.02, 0.05, _LINE]), heights))
        drawn.append(
            ax.text(beside + (0.05 if every else _TEXT), 1 - y / height, plain(shortened(names[row], _LONGEST)),
                    fontsize=points, transform=inches_beside(ax, "right"), va="center", fontstyle="italic", gid="gene")
        )  # fmt: skip
    return drawn


def draw_legends(ax, strips: Sequence[Strip], beside: list) -> list:
    """Draw the legends of covariates right of the artists `beside` the rows; return the artists."""
    edge, small = ax.get_window_extent().x1, scale_of(ax)
    dpi = ax.figure.figure.dpi * scale_of(ax)
    x = 0.2 + max([0.0, *((artist.get_window_extent().x1 - edge) / dpi for artist in beside)])
    at, top, drawn = inches_beside(ax, "top right"), 0.3, []
    for strip in strips:
        if strip.categories:
            handles, labels, title = legend_entries(strip)
            legend = mpl.legend.Legend(
                ax, handles, labels, title=title, loc="upper left", bbox_to_anchor=(x, top), bbox_transform=at,
                fontsize=8 * small, title_fontsize=9 * small, alignment="left",
                frameon=False, borderaxespad=0.0, borderpad=0.0, handlelength=1.2,
            )  # fmt: skip
            ax.add_artist(legend).set_clip_on(False)  # otherwise layouts ignore the part outside the axes
            top -= legend.get_window_extent().height / dpi + 0.15
            drawn.append(legend)
        elif strip.limits is not None:
            bar = ax.inset_axes([x, top - 0.3, 1.2, 0.1], transform=at, label=f"{strip.name} legend")
            draw_numeric_legend(bar, strip)
            top -= 0.65
            drawn.append(bar)
    return drawn


def _size(ax) -> np.ndarray:
    """Return width and height of an axes in scaled inches."""
    box = ax.get_window_extent()
    return np.array([box.width, box.height]) / ax.figure.figure.dpi / scale_of(ax)


def _line(ax, side: str, x, y):
    style: dict[str, Any] = {"color": ink(0.55), "lw": 0.5 * scale_of(ax), "clip_on": False, "solid_joinstyle": "round"}
    return ax.add_artist(mpl.lines.Line2D(x, y, transform=inches_beside(ax, side), **style))
