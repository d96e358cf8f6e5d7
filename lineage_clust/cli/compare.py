"""`lineage-clust compare`: comparison of conditions in a file, with tables and figures."""

from __future__ import annotations

import argparse
from functools import partial
from inspect import signature
from pathlib import Path

from ..conditions import ConditionComparison, compare_conditions
from ..expression.storage.blocks import parse_budget
from ..io.keys import default_key, distinct_key
from ..io.spreadsheets import write_csv
from ..lineage.time.time_range import parse_time_range
from ..models import GAM
from ..models.families import FAMILIES
from ..utils.atomic import Writer
from ..utils.checking import check_seed, check_share
from . import options
from .analysing import write_all, write_png

_EXAMPLES = """\
examples:
  lineage-clust compare cells.h5ad --condition drug --sample donor --lineage Ery --out results
  lineage-clust compare cells.h5ad --condition drug --sample donor --conditions none low high --out results
"""


def add_to(commands) -> None:
    """Add the parser of the subcommand."""
    parser = commands.add_parser(
        "compare",
        help="compare conditions in an h5ad file",
        description="Compare the trends of genes between conditions along a lineage, with donors as replicates.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=compare)
    parser.add_argument("file", metavar="FILE.h5ad", type=Path, help="AnnData of cells x genes")
    parser.add_argument("--condition", metavar="COLUMN", required=True, help="column of obs that names the conditions")
    parser.add_argument("--conditions", metavar="NAME", nargs="+", help="those to compare, the reference first (all)")
    parser.add_argument("--covariates", metavar="COLUMN", nargs="+", help="columns of obs, of donors or of cells")
    reading = parser.add_argument_group("what is read (defaults in brackets)")
    reading.add_argument("--lineage", metavar="NAME", help="the lineage; may be omitted if there is only one")
    options.add_lineage_reading(reading)
    options.add_expression_reading(reading)
    method = parser.add_argument_group("how it is done (defaults in brackets)")
    method.add_argument(
        "--alpha", metavar="Q", type=float, default=0.05,
        help="cluster the differences with a q-value below this (%(default)s)",
    )  # fmt: skip
    method.add_argument(
        "--family", metavar="NAME", default="gaussian", choices=sorted(FAMILIES),
        help="family of the model, such as negative_binomial for counts in a --layer (%(default)s)",
    )  # fmt: skip
    method.add_argument("--seed", metavar="N", type=int, default=0, help="seed of samples and clusters (%(default)s)")
    parser.add_argument("--report", action="store_true", help="also write an HTML page with figures and tables")
    parser.add_argument("--save", action="store_true", help="write a file for ConditionComparison.load as well")
    options.common_options(parser)


def compare(arguments: argparse.Namespace) -> str:
    """Compare the conditions of a file, and return the summary."""
    known = signature(compare_conditions).parameters
    given = {name: value for name, value in vars(arguments).items() if name in known}
    try:
        check_share("alpha", arguments.alpha)
        parse_budget(arguments.memory_budget)
        parse_time_range(given["time_range"])
        check_seed("random_state", arguments.seed)
    except (TypeError, ValueError) as error:
        raise options.UsageError(str(error)) from error
    given["genes"] = options.read_genes(arguments.genes)
    options.check_folder(arguments.out)
    with options.opened_cells(arguments) as adata:
        found = compare_conditions(
            adata, arguments.condition, random_state=arguments.seed, model=GAM(arguments.family), **given
        )
        files = comparison_files(found, arguments.out, arguments.report, arguments.save)
        written = write_all(files, arguments.out)
    return f"{found}\n  files in {arguments.out}: {', '.join(path.name for path in written)}"


def comparison_files(
    found: ConditionComparison, folder: Path, report: bool = False, save: bool = False
) -> dict[Path, Writer | None]:
    """Return the writer of each file by path, or `None` for files that this comparison does not have."""
    key = default_key(found.lineage, "conditions", distinct_key)
    files: dict[Path, Writer | None] = {
        folder / f"{key}.csv": found.write_csv,
        folder / f"{key}_samples.csv": lambda path: write_csv(found.samples, path),
        folder / f"{key}_genes.png": partial(write_png, found.plot_genes),
        folder / f"{key}.html": found.report if report else None,
        folder / f"{key}.lclust": found.save if save else None,
    }
    for condition in found.conditions[1:]:
        suffix = "" if len(found.conditions) == 2 else f"_{distinct_key(condition)}"
        files[folder / f"{key}_volcano{suffix}.png"] = partial(write_png, partial(found.plot_volcano, condition))
        heatmap = partial(write_png, partial(found.plot_heatmap, condition))
        files[folder / f"{key}_heatmap{suffix}.png"] = heatmap if found.n_clusters else None
    return files
