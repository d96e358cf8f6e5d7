"""One colour a cluster, the same in every picture."""

from __future__ import annotations

import numpy as np

# Paul Tol's "muted" scheme: distinct also with colour-blindness
# (https://personal.sron.nl/~pault/, technical note SRON/EPS/TN/09-002)
_MUTED = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499")
UNASSIGNED = "#BBBBBB"


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
    if n_clusters <= len(_MUTED):
        return list(_MUTED[:n_clusters])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(color) for color in colormaps["viridis"](np.linspace(0.0, 0.92, n_clusters))]
