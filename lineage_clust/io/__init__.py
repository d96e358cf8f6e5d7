"""Output: AnnData, tables, gene lists and files."""
