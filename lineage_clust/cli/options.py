"""Options common to several subcommands, their validation, and reading of the named file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from ..clusterer import TrendClusterer
from ..expression.storage.blocks import parse_budget
from ..io.cells import read_cells
from ..utils.constraints import check_constraints
from .messages import say

if TYPE_CHECKING:
    from anndata import AnnData

_LIST_SUFFIXES = (".csv", ".list", ".tsv", ".txt")


class UsageError(ValueError):
    """An option has a value that is invalid for any data."""


def common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all subcommands have."""
    out = "folder for the results, made if missing"
    parser.add_argument("--out", metavar="DIR", type=_folder, required=True, help=out)
    said = parser.add_argument_group("messages on stderr")
    verbose = "report progress even if stderr is a file (as in batch jobs)"
    said.add_argument("-v", "--verbose", action="store_true", help=verbose)
    said.add_argument("-q", "--quiet", action="store_true", help="say nothing but warnings and errors")
    said.add_argument("--debug", action="store_true", help="after an error, also show Python's traceback")


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("must be the name of a folder, not empty; '.' is the current one")
    return Path(text)


def add_lineage_reading(group) -> None:
    """Add the options for reading lineages."""
    group.add_argument("--time-key", metavar="KEY", help="pseudotime in obs (the usual names)")
    group.add_argument("--lineage-key", metavar="KEY", help="weights in obsm or obs (the usual names)")
    group.add_argument("--backward", action="store_true", help="look for CellRank's backward lineages")
    group.add_argument(
        "--time-range", metavar=("START", "END"), nargs=2, type=number_or("auto", None),
        help="part of pseudotime; 'auto' for a bound that is found from the cells",
    )  # fmt: skip


def add_expression_reading(group) -> None:
    """Add the options for genes, donors and expression values."""
    group.add_argument("--genes", metavar="LIST", help="names separated by commas, or a file of names (all)")
    group.add_argument(
        "--symbols", "--gene-symbols", metavar="COLUMN", dest="gene_symbols",
        help="column of var with the names of genes in all results (var_names)",
    )  # fmt: skip
    group.add_argument(
        "--sample", "--sample-key", metavar="COLUMN", dest="sample_key",
        help="column of obs with the donor of each cell, at least four: donors are then the replicates (cells)",
    )  # fmt: skip
    group.add_argument("--layer", metavar="KEY", help="layer with the expression (X)")
    group.add_argument("--use-raw", action="store_true", help="read the expression from raw")
    group.add_argument(
        "--backed", action="store_true", help="leave the expression (X or raw) in the file and read it in blocks"
    )
    group.add_argument(
        "--memory-budget",
        metavar="SIZE",
        help="largest part of it in memory at once, such as 500MB or 2GB; implies --backed (256MB)",
    )


@contextmanager
def opened_cells(arguments: argparse.Namespace) -> Iterator[AnnData]:
    """Read the file named by the options, and close it afterwards if its expression was left in it."""
    backed = arguments.backed or arguments.memory_budget is not None
    say(f"Reading {arguments.file}.")
    adata = read_cells(arguments.file, backed)
    try:
        say(f"{arguments.file}: {adata.n_obs:,} cells, {adata.n_vars:,} genes.")
        yield adata
    finally:
        if backed:
            adata.file.close()


def check_settings(clusterer: TrendClusterer) -> None:
    """Raise a UsageError for an invalid parameter, before any data are read."""
    try:
        for one in (clusterer, clusterer.clusterer):
            if one is not None:
                check_constraints(one)
        if clusterer.smoother is not None:  # whose parameters depend on each other, and are validated when it is fitted
            clone(clusterer.smoother).fit(np.linspace(0.0, 1.0, 100)[:, None])
        parse_budget(clusterer.memory_budget)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def check_folder(folder: Path) -> None:
    """Raise an OSError if files cannot be written to a folder, before the analysis instead of after it."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise NotADirectoryError(20, "It is a file. Name a folder with --out", str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(13, "You may not write there. Name another folder with --out", str(there))


def read_genes(text: str | None) -> list[str] | None:
    """Return the genes of an argument: names separated by commas, or a file with one or several per line.

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


def number_or(word: str, value: object) -> Callable[[str], object]:
    """Return an argparse type: a number, or one word that represents a value."""

    def parse(text: str) -> object:
        if text.lower() == word:
            return value
        try:
            return float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a number or {word!r}; got {text!r}") from None

    return parse
