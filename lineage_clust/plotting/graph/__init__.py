"""The nearest-neighbour graph of genes."""
