"""The command-line program `lineage-clust`: from a file to figures and tables."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from . import datasets
from ._version import __version__
from .clusterer import TrendClusterer
from .errors import LineageClustWarning
from .io.cells import read_cells
from .result_files import result_files
from .results.gating import Gate
from .utils.progress import progress_bars
from .utils.together import folder_for, write_together

_LIST_SUFFIXES = (".csv", ".list", ".tsv", ".txt")
_N_FAILED_SHOWN = 5
_NAMED = re.compile(
    r"\b(pass )?(alpha|backward|genes|gene_symbols|layer|lineage|lineage_key|memory_budget|min_deviance_explained|min_range"
    r"|time_key|time_range|use_raw)=([^\s,;]*[^\s,;.]|\.\.\.)"
)
_MAY_BE_NONE = ("alpha", "min_deviance_explained", "min_range")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program.

    Parameters
    ----------
    argv
        Arguments; `None` = those of the process.

    Returns
    -------
    int
        Exit code: 0; 2 after an error, which is one sentence on stderr; 130 after an interruption. Unless it is 0, no
        file was written or changed.
    """
    arguments = make_parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("always", LineageClustWarning)
        warnings.showwarning = _show_warning(warnings.showwarning)
        try:
            report = arguments.command(arguments)
        except KeyboardInterrupt:
            return _fail(arguments, "interrupted; no file was written.", 130)
        except Exception as error:  # users of the program should not see tracebacks
            return _fail(arguments, f"error: {_sentence(error)}")
        try:
            print(report)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has closed the pipe, as `| head` does; the files are complete
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _fail(arguments: argparse.Namespace, sentence: str, code: int = 2) -> int:
    if arguments.debug:
        traceback.print_exc()
    print(f"lineage-clust: {sentence}", file=sys.stderr)
    return code


def _sentence(error: Exception) -> str:
    """Return what an error says, and of a kind that our own code does not raise, what to do."""
    said = _one_line(error)
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({said or 'Python says no more'}). Name fewer genes with --genes."
    if isinstance(error, (OSError, TypeError, ValueError)) and said:
        return said
    what = f"{type(error).__name__}: {said}".rstrip(": ")
    return f"{what}{'' if what.endswith('.') else '.'} Add --debug to see where it happened."


def make_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(
        prog="lineage-clust",
        description="Fit a smooth expression trend for every gene along a lineage, and group the genes whose trends go "
        "together.",
    )
    parser.add_argument("--version", action="version", version=f"lineage-clust {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="analyse the bundled mouse bone marrow data",
        description="Analyse the bundled cells of mouse bone marrow: the erythroid and the myeloid lineage.",
    )
    demo.set_defaults(command=_demo)
    _add_debug(demo)
    demo.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the results, made if missing")

    run = commands.add_parser(
        "run",
        help="analyse an h5ad file",
        description="Analyse one lineage of an h5ad file that holds expression, pseudotime and lineage weights.",
    )
    run.set_defaults(command=_run)
    _add_debug(run)
    run.add_argument("file", metavar="FILE.h5ad", type=Path, help="AnnData of cells x genes")
    run.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the results, made if missing")
    run.add_argument("--report", action="store_true", help="write an HTML page with pictures and tables as well")
    reading = run.add_argument_group("what is read")
    reading.add_argument("--lineage", metavar="NAME", help="the lineage (default: the only one there is)")
    reading.add_argument("--genes", metavar="LIST", help="names separated by commas, or a file of names (default: all)")
    reading.add_argument(
        "--gene-symbols", metavar="COLUMN", help="column of var by which genes go in all results (default: var_names)"
    )
    reading.add_argument("--time-key", metavar="KEY", help="pseudotime in obs (default: the usual names)")
    reading.add_argument("--lineage-key", metavar="KEY", help="weights in obsm or obs (default: the usual names)")
    reading.add_argument("--layer", metavar="KEY", help="layer with the expression (default: X)")
    reading.add_argument("--use-raw", action="store_true", help="read the expression from raw")
    reading.add_argument("--backward", action="store_true", help="look for CellRank's backward lineages")
    reading.add_argument(
        "--time-range",
        metavar=("START", "END"),
        nargs=2,
        type=_number_or("auto", None),
        help="part of pseudotime; 'auto' for a bound that is found from the cells",
    )
    reading.add_argument(
        "--backed", action="store_true", help="leave the expression (X or raw) in the file and read it in blocks"
    )
    reading.add_argument(
        "--memory-budget",
        metavar="SIZE",
        help="how much of it may be in memory at once, such as 500MB or 2GB; implies --backed (default: 256MB)",
    )
    method = run.add_argument_group("how it is done (defaults in brackets)")
    default = TrendClusterer().get_params()
    method.add_argument(
        "--alpha",
        metavar="Q",
        type=_number_or("none", None),
        default=default["alpha"],
        help="cluster the genes with a q-value below this; 'none' clusters all (%(default)s)",
    )
    for flag, metavar, parameter, text in (
        ("--min-range", "X", "min_range", "whose trend changes by at least this, in units of expression"),
        ("--min-deviance-explained", "SHARE", "min_deviance_explained", "whose trend explains at least this"),
    ):
        method.add_argument(
            flag,
            metavar=metavar,
            type=_number_or("none", None),
            dest=parameter,
            default=default[parameter],
            help=f"of these genes, cluster those {text} (none)",
        )
    for flag, metavar, kind, parameter, text in (
        ("--n-splines", "N", int, "smoother__n_splines", "number of basis functions"),
        ("--n-neighbors", "N", int, "clusterer__n_neighbors", "neighbours in the graph of genes"),
        ("--resolution", "R", _number_or("auto", "auto"), "clusterer__resolution", "the more, the more clusters"),
    ):
        method.add_argument(
            flag, metavar=metavar, type=kind, dest=parameter, default=default[parameter], help=f"{text} (%(default)s)"
        )
    method.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the clustering (%(default)s)")
    return parser


def _add_debug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="after an error, show Python's traceback as well")


def _demo(arguments: argparse.Namespace) -> str:
    adata = datasets.bone_marrow()
    head = f"Mouse bone marrow (Paul et al., 2015): {adata.n_obs:,} cells, {adata.n_vars:,} genes."
    clusterers = [TrendClusterer(lineage=lineage, random_state=0) for lineage in ("Ery", "Myeloid")]
    return f"{head}\n\n{_analyse(clusterers, adata, arguments.out, report=True)}"


def _run(arguments: argparse.Namespace) -> str:
    clusterer = TrendClusterer(genes=read_genes(arguments.genes), random_state=arguments.seed)
    names = clusterer.get_params().keys() - {"genes", "random_state"}
    clusterer.set_params(**{name: value for name, value in vars(arguments).items() if name in names})
    backed = arguments.backed or arguments.memory_budget is not None
    adata = read_cells(arguments.file, backed)
    try:
        head = f"{arguments.file}: {adata.n_obs:,} cells, {adata.n_vars:,} genes."
        return f"{head}\n\n{_analyse([clusterer], adata, arguments.out, arguments.report)}"
    finally:
        if backed:
            adata.file.close()


def _analyse(clusterers: Sequence[TrendClusterer], adata, folder: Path, report: bool) -> str:
    """Fit each lineage, write all files or none, and return the summaries."""
    with progress_bars(sys.stderr.isatty()):
        fits = [clusterer.fit(adata) for clusterer in clusterers]
        written = _write_all(fits, folder, adata if report else None)
    return "\n".join(
        f"{summary(fitted)}\n  files in {folder}: {', '.join(path.name for path in files)}\n"
        for fitted, files in zip(fits, written, strict=True)
    )


def write_files(fitted: TrendClusterer, folder: Path, cells=None) -> list[Path]:
    """Write picture, tables, results and report of a fitted TrendClusterer, and return their paths.

    Either all files are written or the folder is left as it was. Without a cluster there is no picture, and without
    `cells`, the AnnData, no report; one that an earlier run left is removed.
    """
    return _write_all([fitted], folder, cells)[0]


def _write_all(fits: Sequence[TrendClusterer], folder: Path, cells) -> list[list[Path]]:
    files = [result_files(fitted, folder, cells) for fitted in fits]
    with folder_for(folder):
        write_together({path: writer for one in files for path, writer in one.items()})
    return [[path for path, writer in one.items() if writer is not None] for one in files]


def summary(fitted: TrendClusterer) -> str:
    """Summarise the results of a fitted TrendClusterer in a few lines, one per cluster."""
    n_clustered, time = int((fitted.labels_ >= 0).sum()), fitted.pseudotime_
    lines = [
        "All cells" if fitted.lineage_ is None else f"Lineage {fitted.lineage_}",
        f"  pseudotime {time[0]:.3g} to {time[-1]:.3g}",
        f"  genes: {len(fitted.genes_):,} fitted, {n_clustered:,} clustered, {len(fitted.failed_):,} failed",
    ]
    if fitted.alpha is not None:
        n_flat = int((~(fitted.gene_table_["qvalue"] < fitted.alpha)).sum())
        lines.append(f"  {n_flat:,} not clustered: q >= {fitted.alpha:g}, cells (not donors) being the replicates")
    bounds = {name: getattr(fitted, name) for name in ("min_deviance_explained", "min_range")}
    if asked := [f"{name.replace('_', ' ')} {value:g}" for name, value in bounds.items() if value is not None]:
        table = fitted.gene_table_
        n_small = int((Gate(fitted.alpha).calibrated(table).passes(table) & ~Gate(**bounds).large_enough(table)).sum())
        lines.append(f"  {n_small:,} more not clustered: below {' or '.join(asked)}")
    lines += [f"    {gene}: {reason}" for gene, reason in list(fitted.failed_.items())[:_N_FAILED_SHOWN]]
    if len(fitted.failed_) > _N_FAILED_SHOWN:
        lines.append(f"    and {len(fitted.failed_) - _N_FAILED_SHOWN:,} more")
    if fitted.n_clusters_:
        lines.append("  cluster  genes  peak  top genes")
        lines += [
            f"  {cluster:7d}  {row['size']:5d}  {row['peak']:4.2f}  {row['top_genes']}"
            for cluster, row in fitted.cluster_table_.iterrows()
        ]
    return "\n".join(lines)


def read_genes(text: str | None) -> list[str] | None:
    """Return the genes of an argument: names separated by commas, or a file with one or several a line.

    Examples
    --------
    >>> read_genes("Klf1, Mpo")
    ['Klf1', 'Mpo']
    """
    if text is None:
        return None
    path = Path(text)
    if path.is_file():
        text = path.read_text(encoding="utf-8-sig")
    elif path.suffix in _LIST_SUFFIXES:
        raise ValueError(f"There is no file {text!r} with the names of genes.")
    return [name.strip() for line in text.splitlines() for name in line.split(",") if name.strip()]


def _number_or(word: str, value: object) -> Callable[[str], object]:
    """Return a type for argparse: a number, or one word that stands for a value."""

    def parse(text: str) -> object:
        if text.lower() == word:
            return value
        try:
            return float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a number or {word!r}; got {text!r}") from None

    return parse


def _show_warning(show: Callable) -> Callable:
    """Return a function that shows our warnings as one sentence, and others as `show` does."""

    def shown(message, category, *place, **more) -> None:
        if issubclass(category, LineageClustWarning):
            print(f"lineage-clust: warning: {_one_line(message)}", file=sys.stderr)
        else:
            show(message, category, *place, **more)

    return shown


def _one_line(message: object) -> str:
    if isinstance(message, OSError) and message.strerror and message.filename:
        return f"{message.filename}: {message.strerror}."
    return _NAMED.sub(_flag, " ".join(str(message).split()))


def _flag(named: re.Match) -> str:
    """Return the flag for a parameter that a sentence of the library names, such as "time_key=..."."""
    lead, name, value = named[1] or "", named[2], named[3]
    flag = f"--{name.replace('_', '-')}"
    if value == "False" or (value == "None" and name not in _MAY_BE_NONE):
        return f"{'leave out' if lead else 'no'} {flag}"
    return lead + flag + {"True": "", "None": " none"}.get(value, f" {value}")
