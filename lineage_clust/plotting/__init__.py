"""Figures: functions that take arrays and return matplotlib objects."""

from .colors import cluster_colors, lineage_colors
from .conditions import plot_condition_genes
from .differences import plot_difference_heatmap, plot_difference_volcano
from .drivers import plot_drivers
from .embedding import plot_embedding
from .gene import plot_gene_trend
from .gene_panels import plot_gene_trends
from .graph import plot_graph
from .heatmap import plot_heatmap
from .lineage_cells import LineageCells, plot_lineage
from .panels import plot_clusters
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
