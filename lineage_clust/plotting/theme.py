"""Colours of paper and ink, so that pictures suit the style in use, light or dark."""

from __future__ import annotations

from typing import Any


def paper() -> tuple[float, float, float]:
    """Return the background colour as red, green and blue from 0 to 1."""
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb, to_rgba

    color: Any = rcParams["axes.facecolor"]
    if to_rgba(color)[3] == 0:  # transparent: the figure behind the axes is visible
        color = rcParams["figure.facecolor"]
    return to_rgb(color)


def ink(strength: float = 1.0) -> tuple[float, float, float]:
    """Return the colour of text, mixed with that of the paper: 1 is the text's own, 0 the paper's.

    Examples
    --------
    >>> ink(1.0), tuple(float(part) for part in ink(0.5))
    ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5))
    """
    from matplotlib import rcParams

    return mixed(rcParams["text.color"], paper(), strength)


def mixed(color: Any, other: Any, share: float) -> tuple[float, float, float]:
    """Return a colour of which `share` is the one and the rest the other."""
    from matplotlib.colors import to_rgb

    red, green, blue = (share * one + (1 - share) * two for one, two in zip(to_rgb(color), to_rgb(other), strict=True))
    return red, green, blue


def is_dark(color: Any) -> bool:
    """Return whether white text is easier to read on a colour than black text.

    Examples
    --------
    >>> is_dark("navy"), is_dark("yellow")
    (True, False)
    """
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
