"""Lines of all figures are legible: a contrast of at least 3:1 to the background (WCAG 2.1, 1.4.11)."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

import lineage_clust as lc
from lineage_clust.plotting.parts.colors import colors_by_lineage, palette_colors

from .colour_vision import contrast

STYLES = ["default", "dark_background", "ggplot", "seaborn-v0_8", "bmh", "Solarize_Light2", "grayscale", "classic"]


def seen(color, alpha, background):
    """The colour of a translucent line on its background."""
    *rgb, opacity = to_rgba(color, alpha)
    return opacity * np.array(rgb) + (1 - opacity) * np.array(to_rgba(background)[:3])


def faint_lines(figure):
    """The lines with less contrast; without the halos of others, and without grid lines of the style."""
    faint = []
    for ax in figure.axes:
        background = ax.get_facecolor() if ax.axison else figure.get_facecolor()
        for line in ax.lines:
            drawn = line.get_linestyle() != "None" and line.get_linewidth() > 0 and line.get_gid() != "halo"
            if drawn and contrast(seen(line.get_color(), line.get_alpha(), background), background) < 3:
                faint.append((line.get_gid(), line.get_color(), line.get_alpha()))
        for many in (one for one in ax.collections if isinstance(one, LineCollection)):
            shown = {tuple(color) for color, width in zip(*spread(many), strict=True) if width > 0}
            faint += [
                (many.get_gid(), color) for color in shown if contrast(seen(color, None, background), background) < 3
            ]
    return faint


def spread(lines):
    """The colour and the width of each line of a collection."""
    colors, widths, n_lines = lines.get_colors(), lines.get_linewidths(), len(lines.get_paths())
    return [[values[place % len(values)] for place in range(n_lines)] for values in (colors, widths)]


@pytest.fixture(scope="module")
def fitted():
    adata = lc.datasets.simulate_lineage(300, 60, 2, n_lineages=2, flat_fraction=0, random_state=0)  # 30 curves a panel
    return lc.TrendClusterer(lineage=["lineage_1", "lineage_2"], n_points=50, random_state=0).fit(adata), adata


@pytest.fixture(scope="module")
def compared():
    adata = lc.datasets.simulate_lineage(180, 20, 3, n_lineages=1, random_state=0)
    donor = np.arange(180) % 6
    adata.obs["donor"], adata.obs["drug"] = donor.astype(str), np.where(donor % 2, "yes", "no")
    with pytest.warns(lc.LineageClustWarning, match="No gene differs"):
        return lc.compare_conditions(adata, "drug", sample_key="donor", n_points=50, random_state=0)


# The background of the axes of the first style is closest to the colours, and that of the figure of the second one.
@pytest.mark.slow
@pytest.mark.parametrize("style", ["seaborn-v0_8", "grayscale"])
def test_every_line_can_be_seen(fitted, compared, style):
    tc, adata = fitted
    with plt.style.context(style):
        drawn = [
            tc.plot(), tc.plot_heatmap(), tc.plot_genes(tc.genes_[:2], adata), tc.plot_graph(), tc.plot_tree(),
            tc.plot_stability(), *tc.plot_lineage(adata), compared.plot_genes(compared.genes[:2]), compared.plot_volcano(),
        ]  # fmt: skip
        assert not [line for one in drawn for line in faint_lines(one.figure.figure)]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("n_colors", [1, 9, 30])
def test_every_colour_can_be_seen_in_every_style(style, n_colors):
    with plt.style.context(style):
        backgrounds = [plt.rcParams["axes.facecolor"], plt.rcParams["figure.facecolor"]]
        colors = palette_colors(None, n_colors) + colors_by_lineage(range(n_colors), None)
    assert min(contrast(color, background) for color in colors for background in backgrounds) >= 3
