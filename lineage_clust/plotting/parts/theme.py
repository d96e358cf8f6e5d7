"""Background and text colours of the current matplotlib style, light or dark."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from . import mpl

_CONTRAST, _MIDDLE = 3.0, 0.18  # least contrast of lines (WCAG 2.1, 1.4.11); luminance equally far from black and white


def paper() -> tuple[float, float, float]:
    """Return the background colour of axes, as red, green and blue from 0 to 1."""
    color: Any = mpl.rcParams["axes.facecolor"]
    if mpl.colors.to_rgba(color)[3] == 0:  # transparent: the background of the figure is visible
        color = mpl.rcParams["figure.facecolor"]
    return mpl.colors.to_rgb(color)


def backgrounds() -> list[tuple[float, float, float]]:
    """Return the background colours on which lines are drawn: of axes, and of the figure around axes without a frame."""
    figure: Any = mpl.rcParams["figure.facecolor"]
    return [paper()] if mpl.colors.to_rgba(figure)[3] == 0 else [paper(), mpl.colors.to_rgb(figure)]


def ink(strength: float = 1.0) -> tuple[float, float, float]:
    """Return the text colour (1) mixed with the background (0): that of axes or figure, whichever is closer to the text."""
    text: Any = mpl.rcParams["text.color"]
    return mixed(text, min(backgrounds(), key=lambda color: abs(luminance(color) - luminance(text))), strength)


def mixed(color: Any, other: Any, share: float) -> tuple[float, float, float]:
    """Return the mixture of two colours, with weight `share` of the first."""
    pairs = zip(mpl.colors.to_rgb(color), mpl.colors.to_rgb(other), strict=True)
    red, green, blue = (share * one + (1 - share) * two for one, two in pairs)
    return red, green, blue


def legible(color: Any) -> str:
    """Return a colour with a contrast of at least 3:1 to the backgrounds: mixed with black or white if necessary.

    >>> legible("#00AA5D"), legible("yellow")
    ('#00AA5D', '#999900')
    """
    if _is_legible(color):
        return color
    extreme = "black" if luminance(paper()) > _MIDDLE else "white"
    mixtures = [mpl.colors.to_hex(mixed(extreme, color, share / 20)) for share in range(1, 20)]
    return next(filter(_is_legible, mixtures), mixtures[-1])


def _is_legible(color: Any) -> bool:
    return min(contrast(color, back) for back in backgrounds()) >= _CONTRAST


def tint(color: Any) -> tuple[float, float, float]:
    """Return the palest mixture of a colour with the background that has a contrast of 3:1 to the backgrounds, if any has.

    >>> tuple(round(part, 3) for part in tint("black")), tint("yellow")
    ((0.58, 0.58, 0.58), (1.0, 1.0, 0.0))
    """
    mixtures = (mixed(color, paper(), share / 100) for share in range(100, 0, -1))
    palest = list(takewhile(_is_legible, mixtures))
    return palest[-1] if palest else mixed(color, paper(), 1.0)


def contrast(color: Any, other: Any) -> float:
    """Return the contrast ratio of two colours, from 1 to 21 (WCAG 2.1)."""
    darker, lighter = sorted((luminance(color), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: Any) -> float:
    """Return the relative luminance of a colour, from 0 to 1 (WCAG 2.1)."""
    parts = mpl.colors.to_rgb(color)
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def is_dark(color: Any) -> bool:
    """Return whether white text is more legible on a colour than black text."""
    red, green, blue = mpl.colors.to_rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
