"""Colours of clusters and lineages: distinct for everybody, legible, and stable if clusters are added."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from lineage_clust.plotting import cluster_colors, lineage_colors
from lineage_clust.plotting.parts.colors import palette_colors

from ..colour_vision import SEEN, contrast, lab


@pytest.mark.parametrize("n_clusters", [0, 1, 5, 9, 10, 40])
def test_every_cluster_has_a_colour_of_its_own(n_clusters):
    colors = cluster_colors(n_clusters)
    assert len(set(colors)) == n_clusters
    assert all(len(to_rgb(color)) == 3 for color in colors)


def test_few_clusters_keep_their_colours_when_more_come():
    assert cluster_colors(9)[:4] == cluster_colors(4)


@pytest.mark.parametrize("background", ["white", "black", "#121212"])
def test_every_colour_can_be_read_on_white_and_on_black(background):
    """WCAG 2.1, success criterion 1.4.11: graphics have a contrast of at least 3:1."""
    assert min(contrast(color, background) for color in [*cluster_colors(60), *lineage_colors(40)]) >= 3


@pytest.mark.parametrize("vision", SEEN)
@pytest.mark.parametrize(("n_clusters", "least"), [(5, 15), (9, 14), (14, 9), (30, 6)])
def test_colours_are_distinct_for_everybody(vision, n_clusters, least):
    """A CIELAB distance of 2.3 is just noticed (Mahy, Van Eycken & Oosterlinck 1994)."""
    seen = [lab(color, vision) for color in cluster_colors(n_clusters)]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) >= least


@pytest.mark.parametrize("vision", SEEN)
@pytest.mark.parametrize(("n_lineages", "least"), [(6, 16), (12, 10)])
def test_colours_of_lineages_are_distinct_for_everybody(vision, n_lineages, least):
    seen = [lab(color, vision) for color in lineage_colors(n_lineages)]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) >= least


@pytest.mark.parametrize(
    "palette", [["red", "#00FF00", (0, 0, 1)], {0: "red", 2: "blue"}, {"a": "red"}, "Set2", "viridis"]
)
def test_palettes_of_the_user(palette):
    found = palette_colors(palette, 3, ["a", "b", "c"])
    assert len(set(found)) == 3
    if isinstance(palette, (list, dict)):
        assert found[0] == "#ff0000"
    if isinstance(palette, dict):
        assert found[1] == cluster_colors(3)[1]


@pytest.mark.parametrize(
    ("palette", "message"),
    [
        (["red"], "palette has 1 colours for 3 clusters. Give one per cluster"),
        ({9: "red"}, "palette has a colour for cluster '9', which does not exist"),
        (["red", "blue", "no colour"], "palette contains 'no colour', which is not a matplotlib colour"),
        ("Set22", "cmap 'Set22' is not a colour map of matplotlib"),
    ],
)
def test_palettes_that_are_none(palette, message):
    with pytest.raises(ValueError, match=message):
        palette_colors(palette, 3)
