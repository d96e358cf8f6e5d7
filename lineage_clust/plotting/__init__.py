"""Figures: functions that take arrays and return matplotlib objects.

`panels`, `heatmap`, `genes` and `graph` contain the larger figures with their elements, and `parts` what
figures share. `views.py` draws the figures of a fit, for the methods of TrendClusterer.
"""

from .conditions import plot_condition_genes, plot_difference_heatmap, plot_difference_volcano
from .drivers import plot_drivers
from .embedding import plot_embedding
from .genes.gene import plot_gene_trend
from .genes.panels import plot_gene_trends
from .graph.graph import plot_graph
from .heatmap.heatmap import plot_heatmap
from .lineage_cells import LineageCells, plot_lineage
from .panels.panels import plot_clusters
from .parts.colors import cluster_colors, lineage_colors
from .stability import plot_stability
from .tree import plot_tree

__all__ = [
    "LineageCells",
    "cluster_colors",
    "lineage_colors",
    "plot_clusters",
    "plot_condition_genes",
    "plot_difference_heatmap",
    "plot_difference_volcano",
    "plot_drivers",
    "plot_embedding",
    "plot_gene_trend",
    "plot_gene_trends",
    "plot_graph",
    "plot_heatmap",
    "plot_lineage",
    "plot_stability",
    "plot_tree",
]
