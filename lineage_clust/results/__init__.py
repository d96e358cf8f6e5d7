"""Results of a fit: which genes changed, their clusters, tables and module scores."""
