"""Names and expression values of the genes."""
