"""`lineage-clust run`: analysis of lineages in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.base import clone

from ..clusterer import TrendClusterer
from ..errors import counted
from . import options
from .analysing import analyse
from .processes import n_processes

_EXAMPLES = """\
examples:
  lineage-clust run cells.h5ad --lineage Ery --report --out results
  lineage-clust run cells.h5ad --lineage Ery --lineage Mono --out results             one after the other
  lineage-clust run cells.h5ad --lineage Ery --lineage Mono --n-jobs 2 --out results  at the same time
  lineage-clust run cells.h5ad --lineage Ery --lineage Mono --joint --out results     in one clustering
  lineage-clust run cells.h5ad --lineage Ery --genes Klf1,Gata1,Mpo --alpha none --out results
  lineage-clust run cells.h5ad --lineage Ery --sample donor --symbols gene_name --out results
  lineage-clust run atlas.h5ad --lineage Ery --memory-budget 2GB --verbose --out results 2> log.txt
"""


def add_to(commands) -> None:
    """Add the parser of the subcommand."""
    parser = commands.add_parser(
        "run",
        help="analyse an h5ad file",
        description="Analyse one or several lineages of an h5ad file that holds expression, pseudotime and lineage weights.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    parser.add_argument("file", metavar="FILE.h5ad", type=Path, help="AnnData of cells x genes")
    parser.add_argument("--report", action="store_true", help="also write an HTML page with figures and tables")
    _add_lineages(parser.add_argument_group("lineages"))
    options.add_expression_reading(parser.add_argument_group("what is read (defaults in brackets)"))
    _add_method(parser.add_argument_group("how it is done (defaults in brackets)"))
    options.common_options(parser)


def _add_lineages(group) -> None:
    group.add_argument(
        "--lineage", metavar="NAME", action="append", dest="lineages",
        help="a lineage; may be omitted if there is only one. Repeat --lineage for several, which are analysed one by one, "
        "each with its own files. 'A, B' combines A and B: their weights are added",
    )  # fmt: skip
    group.add_argument(
        "--joint", action="store_true",
        help="cluster the genes by their trends along all these lineages together, with one set of files",
    )  # fmt: skip
    group.add_argument(
        "--n-jobs", metavar="N", type=int, default=1,
        help="analyse up to N lineages at the same time, each in its own process; -1 = one per core; on Linux (1)",
    )  # fmt: skip
    options.add_lineage_reading(group)
    group.add_argument(
        "--time-draws", metavar="KEY", nargs="+",
        help="several draws of an uncertain pseudotime, in place of --time-key: columns of obs, or matrices in obsm",
    )  # fmt: skip


def _add_method(group) -> None:
    default = TrendClusterer().get_params()
    bound, those = options.number_or("none", None), "of these genes, cluster those whose trend"
    for flag, metavar, kind, parameter, text in (
        ("--alpha", "Q", bound, "alpha", "cluster the genes with a q-value below this; 'none' clusters all (%(default)s)"),
        ("--min-range", "X", bound, "min_range", f"{those} changes by at least this, in units of expression (none)"),
        ("--min-deviance-explained", "SHARE", bound, "min_deviance_explained", f"{those} explains at least this (none)"),
        ("--n-splines", "N", int, "smoother__n_splines", "number of basis functions (%(default)s)"),
        ("--n-neighbors", "N", int, "clusterer__n_neighbors", "neighbours in the graph of genes (%(default)s)"),
        ("--resolution", "R", options.number_or("auto", "auto"), "clusterer__resolution",
         "the more, the more clusters (%(default)s)"),
    ):  # fmt: skip
        group.add_argument(flag, metavar=metavar, type=kind, dest=parameter, default=default[parameter], help=text)
    group.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the clustering (%(default)s)")


def run(arguments: argparse.Namespace) -> str:
    """Analyse a file, and return the summary."""
    clusterers = _clusterers(arguments)
    options.check_folder(arguments.out)
    n_at_once = n_processes(len(clusterers), arguments.n_jobs) if arguments.alone else 1
    with options.opened_cells(arguments) as adata:
        head = f"{arguments.file}: {counted(adata.n_obs, 'cell')}, {counted(adata.n_vars, 'gene')}."
        return f"{head}\n\n{analyse(clusterers, adata, arguments.out, arguments.report, n_at_once)}"


def _clusterers(arguments: argparse.Namespace) -> list[TrendClusterer]:
    """Return one clusterer per analysis; raise a UsageError for invalid options."""
    lineages = arguments.lineages or [None]
    if len(set(lineages)) < len(lineages):
        raise options.UsageError(
            f"--lineage {next(name for name in lineages if lineages.count(name) > 1)} is given twice."
        )
    alike = [name for name in lineages if [str(one).casefold() for one in lineages].count(str(name).casefold()) > 1]
    if alike and not arguments.joint:
        raise options.UsageError(
            f"--lineage {alike[0]} and {alike[1]} differ in case only, and so would their files, which some systems do not "
            "distinguish. Analyse each with its own --out."
        )
    if arguments.n_jobs == 0:
        raise options.UsageError("--n-jobs must be a positive number, or -1 for one per core; got 0.")
    if arguments.n_jobs != 1 and (arguments.backed or arguments.memory_budget is not None):
        raise options.UsageError(
            "--n-jobs reads one file from several processes, which --backed cannot do. Leave one of them out."
        )
    if arguments.joint and len(lineages) < 2:
        raise options.UsageError("--joint needs several lineages. Name each with its own --lineage.")
    clusterer = TrendClusterer(genes=options.read_genes(arguments.genes), random_state=arguments.seed)
    names = clusterer.get_params().keys() - {"genes", "random_state"}
    clusterer.set_params(**{name: value for name, value in vars(arguments).items() if name in names})
    if arguments.time_draws:
        if arguments.time_key is not None:
            raise options.UsageError("--time-key and --time-draws both name pseudotime. Leave one of them out.")
        clusterer.set_params(time_key=arguments.time_draws)
    options.check_settings(clusterer)
    each = [list(lineages)] if arguments.joint else lineages
    return [clone(clusterer).set_params(lineage=lineage) for lineage in each]
