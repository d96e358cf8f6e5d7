"""Colours of clusters and lineages, the same in all figures, and palettes of the user or stored in AnnData."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import did_you_mean
from ...utils.checking import shortened
from ...utils.constraints import integer
from . import mpl
from .checking import check_color_map
from .theme import legible

# Luminance from .118 to .3, so that a line has a contrast of at least 3:1 to white and to black (WCAG 2.1, 1.4.11). Each
# colour is the one on a regular RGB grid, with chroma below 75, that is farthest from the preceding ones: by the minimum
# of the CIELAB distances in normal vision (halved), protanopia, deuteranopia and tritanopia (divided by .7, as it is
# rare), simulated by Machado, Oliveira & Fernandes (2009), IEEE Trans. Visualization and Computer Graphics 15, 1291-1298.
_CLUSTERS = (
    "#3664C1", "#B92E08", "#00AA5D", "#D174B9", "#C98300", "#466C46", "#6C5D83", "#A274F7", "#937436", "#C95574",
    "#3E9BE0", "#E86C55", "#8355A2", "#B90F7C", "#007400", "#1F93AA", "#B2363E", "#E05DD1", "#008364", "#D8742E",
    "#5555D1", "#D8005D", "#7C7CC1", "#A26C9B", "#C97C7C", "#749B9B", "#469346", "#9B36B2", "#5D8317", "#E84D3E",
)  # fmt: skip
# The colours of Okabe & Ito of this luminance (https://jfly.uni-koeln.de/color/), continued by the same rule (chroma < 85).
_LINEAGES = (
    "#0072B2", "#D55E00", "#009E73", "#8778FF", "#E1004B", "#964B78", "#8796A5", "#B40096", "#4B693C", "#5AA52D",
    "#A587C3", "#C30F0F",
)  # fmt: skip
UNASSIGNED_COLOR = "#888888"
_CONTINUOUS = 64  # colour maps with more colours are gradients instead of lists
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


def cluster_colors(n_clusters: int) -> list[str]:
    """Return `n_clusters` hex colours.

    The first thirty can be distinguished with colour blindness, and are legible on white and on black.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.

    Returns
    -------
    list of str

    Examples
    --------
    >>> cluster_colors(2)
    ['#3664C1', '#B92E08']
    """
    integer(0).check("n_clusters", n_clusters)
    return _first(n_clusters, _CLUSTERS)


def palette_colors(palette: Any, n_clusters: int, names: Sequence[str] | None = None) -> list[str]:
    """Return the hex colour of each cluster from a sequence, a (partial) mapping by number or name, or a colour map."""
    colors = [legible(color) for color in cluster_colors(n_clusters)]
    if palette is None:
        return colors
    if isinstance(palette, (str, mpl.colors.Colormap)):
        check_color_map(palette, "palette")
        chosen = mpl.colormaps.get_cmap(palette)
        whole, last = chosen.N < _CONTINUOUS, max(n_clusters - 1, 1)
        return [mpl.colors.to_hex(chosen(place % chosen.N if whole else place / last)) for place in range(n_clusters)]
    if isinstance(palette, Mapping):
        places = {str(place): place for place in range(n_clusters)} | {name: p for p, name in enumerate(names or ())}
        given = {str(key): color for key, color in palette.items()}
        unknown = [key for key in given if key not in places]
        if unknown:
            raise ValueError(f"palette has a colour for cluster {unknown[0]!r}, which does not exist.")
        pairs = [(places[key], color) for key, color in given.items()]
    else:
        pairs = list(enumerate(palette))
        if len(pairs) < n_clusters:
            raise ValueError(f"palette has {len(pairs)} colours for {n_clusters} clusters. Give one per cluster.")
    for place, color in pairs:
        if not mpl.colors.is_color_like(color):
            raise ValueError(f"palette contains {color!r}, which is not a matplotlib colour.")
        if place < n_clusters:
            colors[place] = mpl.colors.to_hex(color)
    return colors


def _further(place: int) -> str:
    """Return a further colour: hues separated by the golden angle, with a luminance legible on white and black."""
    rgb = mpl.colors.hsv_to_rgb((place * 0.381966 % 1.0, 0.9 - 0.3 * (place % 3) / 2, 1.0))
    linear, wanted = rgb**2.2, 0.17 + 0.04 * (place % 3)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    white = max(wanted - luminance, 0.0) / (1 - luminance)  # pure blue is too dark
    linear = (1 - white) * linear + white
    red, green, blue = (linear * min(wanted / luminance, 1.0)) ** (1 / 2.2)
    return mpl.colors.to_hex((float(red), float(green), float(blue)))


def cluster_color(cluster: int | None, n_clusters: int) -> str:
    """Return the colour of one of `n_clusters` clusters; grey for -1, and the first colour for `None`."""
    if cluster is None:
        cluster, n_clusters = 0, 1
    return legible(cluster_colors(n_clusters)[cluster] if cluster >= 0 else UNASSIGNED_COLOR)


def colors_by_lineage(names: Sequence, given: Mapping[str, Any] | None) -> list:
    """Return the colour of each lineage: those given by name, as in AnnData, if complete, else defaults."""
    known = read_palette(given or None, names, "The palette of the lineages")
    return list(map(legible, lineage_colors(len(names))) if known is None else map(mpl.colors.to_hex, known))


def lineage_colors(n_lineages: int) -> list[str]:
    """Return `n_lineages` hex colours.

    The first twelve can be distinguished with colour blindness, and are legible on white and on black.

    Parameters
    ----------
    n_lineages : int
        Number of lineages.

    Returns
    -------
    list of str

    Examples
    --------
    >>> lineage_colors(2)
    ['#0072B2', '#D55E00']
    """
    integer(0).check("n_lineages", n_lineages)
    return _first(n_lineages, _LINEAGES)


def _first(n: int, known: Sequence[str]) -> list[str]:
    return [*known[:n], *(_further(place) for place in range(n - len(known)))]


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
    if isinstance(color, (str, bytes)):
        name = _text(color).strip()
        try:
            found = mpl.colors.to_rgba(name)
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
    shade = _R_SHADE.fullmatch(name)
    if shade and int(shade[1]) <= 100:
        return (*[int(int(shade[1]) * 2.55 + 0.5) / 255] * 3, 1.0)
    if name in _R_ONLY:
        return mpl.colors.to_rgba(f"#{_R_ONLY[name]}")
    numbered = _R_NUMBERED.fullmatch(name)
    if numbered and (numbered[1] in _R_FIRST or numbered[1] in mpl.colors.CSS4_COLORS):
        first = f"#{_R_FIRST[numbered[1]]}" if numbered[1] in _R_FIRST else numbered[1]
        return (*[part * _R_SHADES[int(numbered[2]) - 1] for part in mpl.colors.to_rgba(first)[:3]], 1.0)
    raise ValueError(_refusal(given, where, did_you_mean(name, mpl.colors.CSS4_COLORS)))


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
