"""Expression matrices, in memory or stored in files, and their weighted sums over cells.

`storage` reads matrices in blocks, `sums` computes their products with a design, and `counts` sums of counts over the
nodes of a grid.
"""
