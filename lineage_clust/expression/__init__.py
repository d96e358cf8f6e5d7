"""Expression matrices, wherever they are stored, and their sums against a design."""
