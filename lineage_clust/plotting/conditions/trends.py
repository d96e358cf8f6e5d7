"""Figures of trends in several conditions and their differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...utils.documenting import parameters_as
from ..panels.panels import plot_clusters
from ..parts.checking import check_figure
from ..parts.colors import colors_by_lineage
from ..parts.grids import panels_a_row
from ..parts.labels import fit_text, plain, settle_layout, shortened
from ..parts.theme import ink

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Z = 1.96
_NARROWEST, _TALLER = 1.5, 1.3  # inches for a gene; its height relative to other panels
_MOST_SAMPLES = 60  # more lines are not legible
_FONT = 8
_EXPRESSION = {"log": "log expression", "logit": "log odds of expression"}


@parameters_as(plot_clusters)
def plot_condition_genes(
    found: Any,
    genes: Sequence[str] | str,
    *,
    ncols: int | None = None,
    samples: bool = True,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Figure:
    """Draw the trends of genes in each condition, and their differences from the reference below.

    Parameters
    ----------
    found : ConditionComparison
        As returned by :func:`lineage_clust.compare_conditions`.
    genes : sequence of str
        Genes.
    samples : bool, default=True
        Whether to draw donors as thin lines.

    Notes
    -----
    Bands are 95 % bands: pointwise for trends, simultaneous for differences. Lines are dotted where a condition has no
    cells.

    Examples
    --------
    >>> import numpy as np
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.simulate_lineage(400, 30, 3, n_lineages=1, random_state=0)
    >>> adata.obs["drug"] = np.where(np.arange(400) % 2, "yes", "no")
    >>> adata.X = adata.X.toarray()
    >>> adata.X[1::2, :3] += 1.0
    >>> found = lc.compare_conditions(adata, "drug", random_state=0)
    >>> len(plot_condition_genes(found, found.genes[:2]).axes)
    4
    """
    import matplotlib.pyplot as plt

    check_figure(None, figsize, dpi)
    names = [genes] if isinstance(genes, str) else list(dict.fromkeys(genes))
    if not names:
        raise ValueError("genes is empty. Name at least one gene.")
    rows = found.rows(names)
    most = None if figsize is None else max(1, int(figsize[0] / _NARROWEST))
    n_across = panels_a_row(len(names), ncols, most, figsize and (_TALLER * figsize[0], figsize[1]))
    n_down = -(-len(names) // n_across)
    colors = colors_by_lineage(found.conditions, None)
    figure = plt.figure(figsize=figsize or (0.6 + 2.9 * n_across, 0.9 + 3.1 * n_down), dpi=dpi, layout="constrained")
    grid = figure.add_gridspec(2 * n_down, n_across, height_ratios=[2.2, 1] * n_down)
    titles = []
    for number, (name, row) in enumerate(zip(names, rows, strict=True)):
        down, across = divmod(number, n_across)
        upper = figure.add_subplot(grid[2 * down, across])
        lower = figure.add_subplot(grid[2 * down + 1, across], sharex=upper)
        titles += _draw_trends(upper, found, name, row, colors, samples)
        _draw_differences(lower, found, row, colors)
        upper.tick_params(labelbottom=False)
        if number % n_across == 0:
            upper.set_ylabel(_EXPRESSION.get(found.link, "expression"), fontsize=_FONT + 1)
            lower.set_ylabel(f"minus\n{plain(shortened(found.reference, 12))}", fontsize=_FONT + 1)
        if number + n_across >= len(names):
            lower.set_xlabel("pseudotime", fontsize=_FONT + 1)
        for ax in (upper, lower):
            ax.spines[["top", "right"]].set_visible(False)
            ax.tick_params(labelsize=_FONT)
    _finish(figure, found, colors, samples)
    settle_layout(figure)
    for text in titles:
        fit_text(text, text.axes.get_window_extent().width, least=0.75)
    return figure


def _draw_trends(ax, found, name: str, row: int, colors: list[str], samples: bool) -> list:
    """Draw the trends of a gene, and return the texts above."""
    time, inside = found.pseudotime, found.is_common
    if samples and found.replicates == "donors":
        own = found.sample_trends(name)[:_MOST_SAMPLES]
        for condition, values in zip(found.samples["condition"], own, strict=False):
            color = colors[found.conditions.index(condition)]
            ax.plot(time, np.where(inside, values, np.nan), color=color, lw=0.6, zorder=1)
    for number, color in enumerate(colors):
        trend, half = found.trends[number, row], _Z * found.trend_se[number, row]
        _line(ax, time, trend, inside, color, 2.0)
        ax.fill_between(time, trend - half, trend + half, where=inside, color=color, alpha=0.2, lw=0)
    q = found.table[["qvalue_level", "qvalue_shape"]].to_numpy()[row]
    title = ax.set_title(plain(shortened(name, 26)), loc="left", fontsize=10, fontstyle="italic", pad=16)
    tests = ax.annotate(
        f"q: level {_number(q[0])}, shape {_number(q[1])}", (0, 1), (0, 4), xycoords="axes fraction",
        textcoords="offset points", fontsize=_FONT, color=ink(0.75), va="bottom", in_layout=False,
    )  # fmt: skip
    return [title, tests]


def _draw_differences(ax, found, row: int, colors: list[str]) -> None:
    time, inside = found.pseudotime, found.is_common
    ax.axhline(0, color=ink(0.55), lw=0.8, zorder=0)
    for number, name in enumerate(found.conditions[1:]):
        color = colors[number + 1]
        lower, upper = found.difference_band(found.genes[row], name)
        _line(ax, time, found.differences[number, row], inside, color, 1.6)
        ax.fill_between(time, lower[0], upper[0], where=inside, color=color, alpha=0.2, lw=0)


def _line(ax, time, values, inside, color: str, width: float) -> None:
    ax.plot(time, values, color=color, lw=0.7 * width, ls=":", zorder=2)
    ax.plot(time, np.where(inside, values, np.nan), color=color, lw=width, zorder=3)


def _finish(figure, found, colors: list[str], samples: bool) -> None:
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.lines import Line2D

    handles: list[Any] = [Line2D([], [], color=color, lw=2.2) for color in colors]
    labels = [plain(shortened(name, 30)) for name in found.conditions]
    if samples and found.replicates == "donors":
        handles.append(tuple(Line2D([], [], color=color, lw=0.7) for color in colors))
        labels.append("one donor")
    figure.legend(
        handles, labels, loc="outside upper left", ncols=len(labels), frameon=False, fontsize=_FONT + 1,
        handler_map={tuple: HandlerTuple(ndivide=None)},
    )  # fmt: skip
    say_replicates(figure, found)


def say_replicates(figure, found) -> None:
    """Write the type of replicates below a figure."""
    from textwrap import fill

    width = int(figure.get_size_inches()[0] * 72 / (0.62 * _FONT))
    figure.supxlabel(plain(fill(found.replicates_note, width)), x=0.01, ha="left", fontsize=_FONT, color=ink(0.75))


def minus_reference(found, condition: str) -> str:
    """Return the label of a difference from the reference."""
    return f"{plain(shortened(condition, 24))} minus {plain(shortened(found.reference, 24))}"


def _number(value: float) -> str:
    if not np.isfinite(value):
        return "?"
    return f"{value:.0e}" if value < 1e-3 else f"{value:.2g}"
