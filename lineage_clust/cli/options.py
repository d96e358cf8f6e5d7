"""Options of the subcommands: what their values may be, and those that all have."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from ..expression.memory_budget import parse_budget
from ..utils.constraints import check_constraints

if TYPE_CHECKING:
    from ..clusterer import TrendClusterer

_LIST_SUFFIXES = (".csv", ".list", ".tsv", ".txt")


class UsageError(ValueError):
    """An option has a value that it cannot have, whatever the data."""


def common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all subcommands have."""
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="folder for the results, made if missing"
    )
    said = parser.add_argument_group("messages on stderr")
    said.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="say what is being done also if stderr is a file (as in batch jobs)",
    )
    said.add_argument("-q", "--quiet", action="store_true", help="say nothing but warnings and errors")
    said.add_argument("--debug", action="store_true", help="after an error, show Python's traceback as well")


def check_settings(clusterer: TrendClusterer) -> None:
    """Raise a UsageError for a parameter that no data would suit, before any are read."""
    try:
        for one in (clusterer, clusterer.clusterer):
            if one is not None:
                check_constraints(one)
        if clusterer.smoother is not None:  # whose parameters depend on each other, and are checked when it is fitted
            clone(clusterer.smoother).fit(np.linspace(0.0, 1.0, 100)[:, None])
        parse_budget(clusterer.memory_budget)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def check_folder(folder: Path) -> None:
    """Raise an OSError if files cannot be written to a folder, before the work and not after it."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise NotADirectoryError(20, "It is a file. Name a folder with --out", str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(13, "You may not write there. Name another folder with --out", str(there))


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


def number_or(word: str, value: object) -> Callable[[str], object]:
    """Return a type for argparse: a number, or one word that stands for a value."""

    def parse(text: str) -> object:
        if text.lower() == word:
            return value
        try:
            return float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a number or {word!r}; got {text!r}") from None

    return parse
