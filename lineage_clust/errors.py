"""Errors and warnings of lineage_clust: messages state what was wrong, what was found and what to do."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_PACKAGE = str(Path(__file__).parent)


class UnknownNameError(KeyError, ValueError):
    """A gene, key or lineage that is not in the data.

    It is a `KeyError` (as CellRank and pandas raise) and a `ValueError` (as scikit-learn raises).
    """

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0]) if self.args else ""


class LineageClustWarning(UserWarning):
    """A problem in the data was handled; the result is valid, and the message explains how it was obtained."""


def warn(message: str) -> None:
    """Issue a `LineageClustWarning` at the line outside this package from which it was called."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, LineageClustWarning, stacklevel=level)


class NoTrendError(ValueError):
    """No gene could be fitted.

    Attributes
    ----------
    reasons : dict of int to str
        Reason by position of the gene, if known.
    """

    def __init__(self, message: str, reasons: dict[int, str] | None = None):
        super().__init__(message)
        self.reasons = dict(reasons or {})


def check_any_fitted(failed: dict[int, str], n_genes: int) -> None:
    """Raise a NoTrendError with the most frequent reason if all genes failed; `failed` has the reasons by position."""
    if len(failed) == n_genes:
        reason, count = Counter(failed.values()).most_common(1)[0]
        none = f"None of the {n_genes} genes could be fitted; {count} of them because"
        raise NoTrendError(f"{none if n_genes > 1 else 'The gene could not be fitted'}: {reason}", failed)


def quoted(names: Iterable, limit: int = 10) -> str:
    """Return the first `limit` names, quoted and joined, and how many more there are.

    >>> quoted(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    names = [str(name) for name in names]
    shown = ", ".join(repr(name) for name in names[:limit])
    more = len(names) - limit
    return f"{shown} and {more} more" if more > 0 else shown


def counted(number: int, noun: str, one: str = "", many: str = "", of: int | None = None) -> str:
    """Return a number with its noun, and optionally with the form of a verb that goes with it.

    of : Total of which the number is a part.

    >>> counted(1, "gene"), counted(1200, "gene"), counted(1, "gene", "is", "are"), counted(1, "gene", "is", "are", of=3)
    ('1 gene', '1,200 genes', '1 gene is', '1 of 3 genes is')
    """
    verb = one if number == 1 else many
    whole = number if of is None else of
    text = f"{number:,}{'' if of is None else f' of {of:,}'} {noun}{'s' if whole != 1 else ''}"
    return f"{text} {verb}" if verb else text


def did_you_mean(name: object, known: Iterable) -> str:
    """Return a sentence that offers the known names closest to `name`, or an empty string.

    >>> did_you_mean("Klf2", ["Klf1", "Gata1"])
    " Did you mean 'Klf1'?"
    >>> did_you_mean(3, ["3", "4"])
    " Names are strings: write '3', not 3."
    """
    known = list(known)
    if not isinstance(name, str) and str(name) in known:
        return f" Names are strings: write {str(name)!r}, not {name}."
    by_lower = {str(candidate).lower(): str(candidate) for candidate in known}
    close = get_close_matches(str(name).lower(), list(by_lower), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(by_lower[match]) for match in close)}?" if close else ""
