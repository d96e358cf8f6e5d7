"""What is given away: results in an AnnData, tables, gene lists, files."""
