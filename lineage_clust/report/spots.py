"""Positions in figures at which clusters can be clicked and selected genes are marked."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plotting.places import in_figure, outline, places_in

SIZE = 10_000  # width and height of a figure, in units of the marks


def spots(figure: Any, genes: list[str]) -> dict[str, list]:
    """Return the positions of clusters, and of genes by their number on the page, in a drawn figure, from 0 to 10,000.

    `areas`: cluster and corners; `curves`: cluster, position of its axes (left, top, right, bottom), ends of each lineage
    from left to right, and the scaled expression at bottom and top; `rows`: gene, left, right and height; `dots`: gene and
    position.
    """
    index = {gene: number for number, gene in enumerate(genes)}
    found: dict[str, list] = {"areas": [], "curves": [], "rows": [], "dots": []}
    for ax, places in places_in(figure):
        for cluster, corners in places.areas:
            found["areas"].append([cluster, _whole(outline(ax, corners))])
            if places.curves:
                box = _whole(outline(ax, None))
                ends = in_figure(ax, np.array([[end, np.nan] for pair in places.curves for end in pair]))[:, 0]
                frame = [box[0], box[1], box[4], box[5]]
                found["curves"].append([cluster, frame, _whole(ends), [round(y, 4) for y in map(float, ax.get_ylim())]])
        at = _whole(in_figure(ax, places.at)) if len(places.at) else []
        lines = len(places.at) and np.isnan(places.at[:, 0]).all()
        area = _whole(np.vstack([outline(ax, corners) for _, corners in places.areas]))
        for number, gene in enumerate(places.genes):
            if gene not in index:
                continue
            x, y = at[2 * number], at[2 * number + 1]
            if lines:
                found["rows"].append([index[gene], min(area[::2]), max(area[::2]), y])
            else:
                found["dots"].append([index[gene], x, y])
    return {kind: listed for kind, listed in found.items() if listed}


def _whole(shares: np.ndarray) -> list[int]:
    """Return fractions of a figure as a flat list of integers."""
    return [0 if np.isnan(share) else round(float(share) * SIZE) for share in np.ravel(shares)]
