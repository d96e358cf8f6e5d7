"""Parsing of palettes stored in AnnData: matplotlib or R names, hexadecimal, numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...errors import did_you_mean
from ...utils.checking import shortened

_R_SHADE = re.compile(r"(?:gr[ae]y)(\d{1,3})")
_R_NUMBERED = re.compile(r"([a-z]+)([1-4])")
_R_SHADES = (1.0, 0.932, 0.804, 0.545)  # of red1, red2, red3 and red4, and so on
# X11 names known to R whose first shade differs from the CSS colour of that name
# (https://gitlab.freedesktop.org/xorg/app/rgb, licence MIT).
_X11 = """
antiquewhite FFEFDB brown FF4040 burlywood FFD39B cadetblue 98F5FF chocolate FF7F24 coral FF7256 darkgoldenrod
FFB90F darkolivegreen CAFF70 darkorange FF7F00 darkorchid BF3EFF darkseagreen C1FFC1 darkslategray 97FFFF
firebrick FF3030 goldenrod FFC125 green 00FF00 hotpink FF6EB4 indianred FF6A6A khaki FFF68F lightblue BFEFFF
lightgoldenrod FFEC8B lightpink FFAEB9 lightskyblue B0E2FF lightsteelblue CAE1FF maroon FF34B3 mediumorchid
E066FF mediumpurple AB82FF olivedrab C0FF3E orchid FF83FA palegreen 9AFF9A paleturquoise BBFFFF palevioletred
FF82AB pink FFB5C5 plum FFBBFF purple 9B30FF rosybrown FFC1C1 royalblue 4876FF salmon FF8C69 seagreen 54FF9F
sienna FF8247 skyblue 87CEFF slateblue 836FFF slategray C6E2FF steelblue 63B8FF tan FFA54F thistle FFE1FF
turquoise 00F5FF violetred FF3E96 wheat FFE7BA
"""
_R_FIRST = dict(zip(*[iter(_X11.split())] * 2, strict=True))
_R_ONLY = {"violetred": "D02090", "lightslateblue": "8470FF", "lightgoldenrod": "EEDD82", "navyblue": "000080"}


def read_palette(stored: Any, levels: Iterable[str], where: str) -> list[tuple[float, float, float, float]] | None:
    """Return one colour per category as RGBA; `None` if there are no colours, or fewer than categories.

    Colours are stored in the order of the categories or as a mapping, as strings or bytes (a name of matplotlib or R, or
    hexadecimal) or numbers, from 0 to 1 or, if any number of the palette is above 1, to 255. Errors say `where`.
    """
    levels = [str(level) for level in levels]
    if stored is None:
        return None
    if isinstance(stored, Mapping):
        by_level = {_text(level): color for level, color in stored.items()}
        colors = [by_level[level] for level in levels if level in by_level]
    elif np.iterable(stored):
        colors = [stored] if isinstance(stored, (str, bytes)) else list(stored)
    else:
        raise ValueError(_refusal(stored, where))
    if len(colors) < len(levels):
        return None
    largest = max(map(_largest, colors), default=1.0)
    return [read_color(color, where, largest) for color in colors[: len(levels)]]


def read_color(color: Any, where: str, largest: float = 1.0) -> tuple[float, float, float, float]:
    """Return a colour as RGBA, with numbers relative to `largest`, 1 or 255; refuse invalid ones, with their place."""
    from matplotlib.colors import to_rgba

    if isinstance(color, (str, bytes)):
        name = _text(color).strip()
        try:
            found = to_rgba(name)
        except ValueError:
            found = _of_r(name.lower(), where, color)
        return _rounded(found)
    try:
        numbers = np.asarray(color, dtype=float).ravel()
    except (TypeError, ValueError):
        raise ValueError(_refusal(color, where)) from None
    numbers = numbers / largest
    if numbers.size not in (3, 4) or not (numbers >= 0).all() or not (numbers <= 1).all():
        raise ValueError(_refusal(color, where))
    return _rounded(numbers if numbers.size == 4 else [*numbers, 1.0])


def _largest(color: Any) -> float:
    """Return 255 if a number of a colour is above 1, else 1."""
    try:
        numbers = [] if isinstance(color, (str, bytes)) else np.asarray(color, dtype=float)
        return 255.0 if np.max(numbers, initial=0.0) > 1 else 1.0
    except (TypeError, ValueError):  # reported by read_color
        return 1.0


def _of_r(name: str, where: str, given: Any):
    """Return a colour of R unknown to matplotlib: shades of grey, and numbered X11 names."""
    from matplotlib.colors import CSS4_COLORS, to_rgba

    shade = _R_SHADE.fullmatch(name)
    if shade and int(shade[1]) <= 100:
        return (*[int(int(shade[1]) * 2.55 + 0.5) / 255] * 3, 1.0)
    if name in _R_ONLY:
        return to_rgba(f"#{_R_ONLY[name]}")
    numbered = _R_NUMBERED.fullmatch(name)
    if numbered and (numbered[1] in _R_FIRST or numbered[1] in CSS4_COLORS):
        first = f"#{_R_FIRST[numbered[1]]}" if numbered[1] in _R_FIRST else numbered[1]
        return (*[part * _R_SHADES[int(numbered[2]) - 1] for part in to_rgba(first)[:3]], 1.0)
    raise ValueError(_refusal(given, where, did_you_mean(name, CSS4_COLORS)))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _rounded(color) -> tuple[float, float, float, float]:
    red, green, blue, alpha = (round(float(part), 3) for part in color)
    return red, green, blue, alpha


def _refusal(color: Any, where: str, hint: str = "") -> str:
    return (
        f"{where} contains {shortened(color)}, which is not a colour: use a name of matplotlib or R, '#RRGGBB', or "
        f"three or four numbers up to 1 or 255.{hint} Set it to a list of colours, one per category, or delete it."
    )
