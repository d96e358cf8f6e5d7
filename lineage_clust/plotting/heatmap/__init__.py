"""Heat maps of trends, ordered by cluster and time."""
