"""Background and text colours of the current matplotlib style, light or dark."""

from __future__ import annotations

from typing import Any


def paper() -> tuple[float, float, float]:
    """Return the background colour of axes, as red, green and blue from 0 to 1."""
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb, to_rgba

    color: Any = rcParams["axes.facecolor"]
    if to_rgba(color)[3] == 0:  # transparent: the background of the figure is visible
        color = rcParams["figure.facecolor"]
    return to_rgb(color)


def ink(strength: float = 1.0) -> tuple[float, float, float]:
    """Return the text colour mixed with the background: 1 is text colour, 0 is background.

    >>> ink(1.0), tuple(float(part) for part in ink(0.5))
    ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5))
    """
    from matplotlib import rcParams

    return mixed(rcParams["text.color"], paper(), strength)


def mixed(color: Any, other: Any, share: float) -> tuple[float, float, float]:
    """Return the mixture of two colours, with weight `share` of the first."""
    from matplotlib.colors import to_rgb

    red, green, blue = (share * one + (1 - share) * two for one, two in zip(to_rgb(color), to_rgb(other), strict=True))
    return red, green, blue


def is_dark(color: Any) -> bool:
    """Return whether white text is more legible on a colour than black text.

    >>> is_dark("navy"), is_dark("yellow")
    (True, False)
    """
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
