"""Validation of arguments common to all figures: axes, sizes, colour maps, counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import UnknownNameError, did_you_mean
from ...utils.constraints import integer, number
from . import mpl

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = number("a positive number", lambda value: 0 < value < float("inf"), or_none=True)


def check_figure(ax: Any = None, figsize: Any = None, dpi: Any = None) -> None:
    """Raise an error unless `ax`, or the size of a new figure, is valid."""
    if ax is not None and not isinstance(ax, mpl.axes.Axes):
        raise TypeError(f"ax must be matplotlib Axes, as plt.subplots returns them, or None; got {type(ax).__name__}.")
    if figsize is not None:
        sides = list(figsize) if isinstance(figsize, (tuple, list, np.ndarray)) else []
        if len(sides) != 2 or None in sides or not all(map(_SIZE.holds, sides)):
            raise ValueError(f"figsize must be None or (width, height) in inches, both positive; got {figsize!r}.")
    _SIZE.check("dpi", dpi)


def axes_for(ax: Any, size: tuple[float, float], figsize: Any = None, dpi: Any = None) -> Axes:
    """Return the axes to draw into, validated by :func:`check_figure`.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, default=None
        Axes to draw into; `None` = a new figure.
    size
        Default size of a new figure in inches.
    figsize, dpi
        Size in inches and dots per inch of a new figure; `None` = by its content.

    Returns
    -------
    matplotlib.axes.Axes
    """
    check_figure(ax, figsize, dpi)
    return mpl.pyplot.subplots(figsize=figsize or size, dpi=dpi, layout="constrained")[1] if ax is None else ax


def check_named(name: str, wanted: Any, genes: Sequence[str] | None, figure: str, why: str) -> Any:
    """Return the wanted names among the `genes` of a figure, or their maximum number; `why` one may not be there."""
    if np.ndim(wanted) == 0 and not isinstance(wanted, str):
        integer(0).check(name, wanted)
        return wanted
    if genes is None:
        raise ValueError(f"{name} requires the names of the genes: pass genes= as well.")
    known = list(map(str, genes))
    found = list(dict.fromkeys([wanted] if isinstance(wanted, str) else map(str, wanted)))
    for gene in sorted(set(found).difference(known), key=found.index):  # the same one in every process
        raise UnknownNameError(
            f"{name} contains {gene!r}, which is not in the {figure} of {len(known)} genes{why}.{did_you_mean(gene, known)}"
        )
    return found


def check_color_map(cmap: Any, name: str = "cmap") -> None:
    """Raise an error unless `cmap`, an argument called `name`, is a matplotlib colour map or the name of one."""
    if isinstance(cmap, str) and cmap not in mpl.colormaps:
        raise ValueError(f"{name} {cmap!r} is not a colour map of matplotlib.{did_you_mean(cmap, mpl.colormaps)}")
    if not isinstance(cmap, (str, mpl.colors.Colormap)):
        raise TypeError(f"{name} must be the name of a colour map, or a Colormap; got {cmap!r}.")
