"""Figure of the nearest-neighbour graph of genes."""
