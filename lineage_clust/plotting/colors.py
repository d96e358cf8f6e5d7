"""One colour a cluster and one a lineage, the same in every picture."""

from __future__ import annotations

import numpy as np

from .checking import check_count

# Paul Tol's "muted" scheme: distinct also with colour-blindness
# (https://personal.sron.nl/~pault/, technical note SRON/EPS/TN/09-002)
_MUTED = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499")
# Okabe & Ito's, without black and yellow: lineages are told apart from clusters (https://jfly.uni-koeln.de/color/)
_OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
UNASSIGNED = "#888888"


def cluster_colors(n_clusters: int) -> list[str]:
    """Return `n_clusters` hex colours.

    Up to nine are Paul Tol's muted scheme; more run through a colour map from the earliest cluster to the latest.

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
    ['#332288', '#88CCEE']
    """
    check_count("n_clusters", n_clusters)
    if n_clusters <= len(_MUTED):
        return list(_MUTED[:n_clusters])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(color) for color in colormaps["viridis"](np.linspace(0.0, 0.92, n_clusters))]


def cluster_color(cluster: int | None, n_clusters: int) -> str:
    """Return the colour of one cluster of `n_clusters`; grey for -1 and the first of all for `None`."""
    if cluster is None:
        return _MUTED[0]
    return cluster_colors(n_clusters)[cluster] if cluster >= 0 else UNASSIGNED


def lineage_colors(n_lineages: int) -> list[str]:
    """Return `n_lineages` hex colours.

    Up to six are those of Okabe and Ito; more run through a colour map.

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
    check_count("n_lineages", n_lineages)
    if n_lineages <= len(_OKABE_ITO):
        return list(_OKABE_ITO[:n_lineages])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(color) for color in colormaps["plasma"](np.linspace(0.0, 0.9, n_lineages))]
