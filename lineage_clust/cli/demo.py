"""`lineage-clust demo`: complete analysis of the bundled data."""

from __future__ import annotations

import argparse

from .. import datasets
from ..clusterer import TrendClusterer
from .analysing import analyse
from .messages import say
from .options import check_folder, common_options
from .processes import n_processes


def add_to(commands) -> None:
    """Add the parser of the subcommand."""
    parser = commands.add_parser(
        "demo",
        help="analyse the bundled mouse bone marrow data",
        description="Analyse the bundled cells of mouse bone marrow: the erythroid and the myeloid lineage.",
        epilog="example:\n  lineage-clust demo --out demo    then open demo/report_Ery.html",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=demo)
    common_options(parser)


def demo(arguments: argparse.Namespace) -> str:
    """Analyse the bundled data, and return the summary."""
    check_folder(arguments.out)
    say("Reading the bundled data.")
    adata = datasets.bone_marrow()
    head = f"Mouse bone marrow (Paul et al., 2015): {adata.n_obs:,} cells, {adata.n_vars:,} genes."
    clusterers = [TrendClusterer(lineage=lineage, random_state=0) for lineage in ("Ery", "Myeloid")]
    n_at_once = n_processes(len(clusterers), -1) if arguments.alone else 1
    return f"{head}\n\n{analyse(clusterers, adata, arguments.out, True, n_at_once)}"
