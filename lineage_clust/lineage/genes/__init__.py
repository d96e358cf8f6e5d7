"""Names of the genes, their expression, and checks of its values."""
