"""Background and text colours of the current matplotlib style, light or dark."""

from __future__ import annotations

from typing import Any

_CONTRAST, _MIDDLE = 3.0, 0.18  # least contrast of lines (WCAG 2.1, 1.4.11); luminance equally far from black and white


def paper() -> tuple[float, float, float]:
    """Return the background colour of axes, as red, green and blue from 0 to 1."""
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb, to_rgba

    color: Any = rcParams["axes.facecolor"]
    if to_rgba(color)[3] == 0:  # transparent: the background of the figure is visible
        color = rcParams["figure.facecolor"]
    return to_rgb(color)


def backgrounds() -> list[tuple[float, float, float]]:
    """Return the background colours on which lines are drawn: of axes, and of the figure around axes without a frame."""
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb, to_rgba

    figure: Any = rcParams["figure.facecolor"]
    return [paper()] if to_rgba(figure)[3] == 0 else [paper(), to_rgb(figure)]


def ink(strength: float = 1.0) -> tuple[float, float, float]:
    """Return the text colour mixed with the background: 1 is text colour, 0 is background.

    If axes and figure have different backgrounds, it is mixed with the one that is closer to the text colour.

    >>> ink(1.0), tuple(float(part) for part in ink(0.5))
    ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5))
    """
    from matplotlib import rcParams

    text: Any = rcParams["text.color"]
    return mixed(text, min(backgrounds(), key=lambda color: abs(luminance(color) - luminance(text))), strength)


def mixed(color: Any, other: Any, share: float) -> tuple[float, float, float]:
    """Return the mixture of two colours, with weight `share` of the first."""
    from matplotlib.colors import to_rgb

    red, green, blue = (share * one + (1 - share) * two for one, two in zip(to_rgb(color), to_rgb(other), strict=True))
    return red, green, blue


def legible(color: Any) -> str:
    """Return a colour with a contrast of at least 3:1 to the backgrounds: mixed with black or white if necessary.

    >>> legible("#00AA5D"), legible("yellow")
    ('#00AA5D', '#999900')
    """
    from matplotlib.colors import to_hex

    extreme = "black" if luminance(paper()) > _MIDDLE else "white"
    for share in range(20):
        found = to_hex(mixed(extreme, color, share / 20))
        if min(contrast(found, back) for back in backgrounds()) >= _CONTRAST:
            break
    return color if share == 0 else found


def tint(color: Any) -> tuple[float, float, float]:
    """Return the palest mixture of a colour with the background whose contrast to the backgrounds is still 3:1.

    A colour with less contrast is returned unchanged.

    >>> tuple(round(part, 3) for part in tint("black")), tint("yellow")
    ((0.58, 0.58, 0.58), (1.0, 1.0, 0.0))
    """
    palest = mixed(color, paper(), 1.0)
    for share in range(99, 0, -1):
        found = mixed(color, paper(), share / 100)
        if min(contrast(found, back) for back in backgrounds()) < _CONTRAST:
            break
        palest = found
    return palest


def contrast(color: Any, other: Any) -> float:
    """Return the contrast ratio of two colours, from 1 to 21 (WCAG 2.1).

    >>> contrast("white", "black")
    21.0
    """
    darker, lighter = sorted((luminance(color), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: Any) -> float:
    """Return the relative luminance of a colour (WCAG 2.1).

    >>> luminance("black"), luminance("white")
    (0.0, 1.0)
    """
    from matplotlib.colors import to_rgb

    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def is_dark(color: Any) -> bool:
    """Return whether white text is more legible on a colour than black text.

    >>> is_dark("navy"), is_dark("yellow")
    (True, False)
    """
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
