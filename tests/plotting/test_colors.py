import numpy as np
import pytest
from matplotlib.colors import to_rgb

from lineage_clust.plotting import cluster_colors


@pytest.mark.parametrize("n_clusters", [0, 1, 5, 9, 10, 40])
def test_every_cluster_has_a_colour_of_its_own(n_clusters):
    colors = cluster_colors(n_clusters)
    assert len(set(colors)) == n_clusters
    assert all(len(to_rgb(color)) == 3 for color in colors)


def test_few_clusters_keep_their_colours_when_more_come():
    assert cluster_colors(9)[:4] == cluster_colors(4)


def test_many_clusters_grow_lighter_with_time():
    brightness = [np.mean(to_rgb(color)) for color in cluster_colors(30)]
    assert brightness[-1] > brightness[0]
