"""Results of a fit: significant genes, clusters, tables and module scores."""
