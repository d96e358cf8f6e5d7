"""Results in an AnnData, tables, gene lists and files."""
