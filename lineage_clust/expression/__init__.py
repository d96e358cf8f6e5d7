"""Expression matrices, in memory or stored in files, and their weighted sums over cells."""
