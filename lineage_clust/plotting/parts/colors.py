"""Colours of clusters and lineages, the same in all figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...utils.constraints import integer
from .checking import check_color_map
from .palettes import read_palette
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
    from matplotlib import colormaps
    from matplotlib.colors import Colormap, is_color_like, to_hex

    if isinstance(palette, (str, Colormap)):
        check_color_map(palette)
        chosen = colormaps.get_cmap(palette)
        whole, last = chosen.N < _CONTINUOUS, max(n_clusters - 1, 1)
        return [to_hex(chosen(place % chosen.N if whole else place / last)) for place in range(n_clusters)]
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
        if not is_color_like(color):
            raise ValueError(f"palette contains {color!r}, which is not a matplotlib colour.")
        if place < n_clusters:
            colors[place] = to_hex(color)
    return colors


def _further(place: int) -> str:
    """Return a further colour: hues separated by the golden angle, with a luminance legible on white and black."""
    from matplotlib.colors import hsv_to_rgb, to_hex

    rgb = hsv_to_rgb((place * 0.381966 % 1.0, 0.9 - 0.3 * (place % 3) / 2, 1.0))
    linear, wanted = rgb**2.2, 0.17 + 0.04 * (place % 3)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    white = max(wanted - luminance, 0.0) / (1 - luminance)  # pure blue is too dark
    linear = (1 - white) * linear + white
    red, green, blue = (linear * min(wanted / luminance, 1.0)) ** (1 / 2.2)
    return to_hex((float(red), float(green), float(blue)))


def cluster_color(cluster: int | None, n_clusters: int) -> str:
    """Return the colour of one of `n_clusters` clusters; grey for -1, and the first colour for `None`."""
    if cluster is None:
        cluster, n_clusters = 0, 1
    return legible(cluster_colors(n_clusters)[cluster] if cluster >= 0 else UNASSIGNED_COLOR)


def colors_by_lineage(names: Sequence, given: Mapping[str, Any] | None) -> list:
    """Return the colour of each lineage: those given by name, as in AnnData, if complete, else defaults."""
    from matplotlib.colors import to_hex

    known = read_palette(given or None, names, "The palette of the lineages")
    return list(map(legible, lineage_colors(len(names))) if known is None else map(to_hex, known))


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
