"""Command-line program `lineage-clust`: from a file to figures and tables.

Each subcommand is a module with a function `add_to(commands)`, listed in `program.COMMANDS`.
"""

from .analysing import summary
from .options import read_genes
from .program import main, make_parser

__all__ = ["main", "make_parser", "read_genes", "summary"]
