"""Figure of the genes correlated with a lineage, with confidence intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lineage_clust.errors import UnknownNameError, did_you_mean, quoted

from ..utils.constraints import positive_integer
from ..utils.documenting import parameters_as
from .parts import mpl
from .parts.checking import axes_for
from .parts.labels import plain, shortened
from .parts.theme import ink, paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_WITH, _AGAINST = "#D55E00", "#0072B2"
_ROW = 0.2  # inches per gene


@parameters_as(axes_for)
def plot_drivers(
    drivers: pd.DataFrame,
    lineage: str | None = None,
    *,
    n_genes: int = 10,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw the genes with the strongest correlations of either sign.

    Parameters
    ----------
    drivers : DataFrame
        As returned by :func:`lineage_clust.lineage_drivers`.
    lineage : str, default=None
        Lineage; `None` = the first of the table.
    n_genes : int, default=10
        Maximum number of genes of each sign.

    Raises
    ------
    UnknownNameError
        If the table does not contain the lineage.
    ValueError
        If `drivers` is not such a table, or no gene has a correlation.

    Notes
    -----
    Lines are the confidence intervals of the table. Dots are open if the interval contains 0. Because genes are
    selected by their correlations, the strongest correlations are likely overestimated.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> ax = plot_drivers(lc.lineage_drivers(lc.datasets.bone_marrow(), "Ery"), n_genes=3)
    >>> len(ax.get_yticks())
    6
    """
    lineage = _check(drivers, lineage, n_genes)
    table = pd.DataFrame({name: drivers[f"{lineage}_{name}"] for name in ("corr", "ci_low", "ci_high")}).astype(float)
    table = table[table["corr"].notna()].sort_values("corr", ascending=False, kind="stable")
    if table.empty:
        raise ValueError(f"No gene has a correlation with lineage {lineage!r}: all are NaN.")
    top, bottom = table[table["corr"] > 0].head(n_genes), table[table["corr"] <= 0].tail(n_genes)
    shown = pd.concat([top, bottom])
    along = np.arange(len(shown)) < len(top)
    y = np.arange(len(shown)) + np.where(along, 0.0, 0.6 if len(top) else 0.0)
    ax = axes_for(ax, (4.4, 0.9 + _ROW * (y[-1] + 1)), figsize, dpi)
    r, low, high = shown.to_numpy().T
    colors = np.where(along, _WITH, _AGAINST)
    certain = (low > 0) | (high < 0)
    ax.axvline(0, color=ink(0.55), lw=0.8, zorder=0)
    ax.hlines(y, low, high, colors=list(colors), lw=1.6, zorder=1)
    inside = list(np.where(certain, colors, mpl.colors.to_hex(paper())))
    ax.scatter(r, y, s=26, c=inside, edgecolors=list(colors), linewidths=1.2, zorder=2)
    ax.set_yticks(y, [plain(shortened(gene, 26)) for gene in shown.index], fontsize=8, fontstyle="italic")
    ax.set_ylim(y[-1] + 0.7, -0.7)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("correlation with fate probability")
    ax.set_title(plain(shortened(lineage, 40)), loc="left", fontsize=11, fontweight="bold")
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def _check(drivers, lineage: str | None, n_genes: int) -> str:
    if not isinstance(drivers, pd.DataFrame):
        raise ValueError(f"drivers must be the table returned by lineage_drivers; got {type(drivers).__name__}.")
    known = [name.removesuffix("_corr") for name in map(str, drivers.columns) if name.endswith("_corr")]
    if not known:
        raise ValueError(
            f"drivers has no column such as 'Ery_corr' (it has {quoted(drivers.columns)}): pass the table returned by "
            "lineage_drivers."
        )
    positive_integer().check("n_genes", n_genes)
    lineage = known[0] if lineage is None else lineage
    if lineage not in known:
        raise UnknownNameError(
            f"drivers has no lineage {lineage!r}; it has {quoted(known)}.{did_you_mean(lineage, known)}"
        )
    return lineage
