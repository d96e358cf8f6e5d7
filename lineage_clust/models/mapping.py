"""Models, or callbacks, by gene and lineage, with "*" for all others."""

from __future__ import annotations

from collections.abc import Mapping

from ..contracts.capabilities import WILDCARD
from ..errors import UnknownNameError, counted, quoted


def by_gene(spec: object, genes: list[str], lineage: str | None, what: str = "model", complete: bool = True) -> list:
    """Return the entry of every gene for one lineage.

    spec : One entry for all, or `{gene: entry}`, `{gene: {lineage: entry}}` with "*" as wildcard at either level. It is
        not changed.
    what : Name of an entry in error messages.
    complete : Whether every gene and lineage needs an entry; otherwise `None` is returned for those without one.
    """
    if not isinstance(spec, Mapping):
        return [spec] * len(genes)
    if not spec:
        raise ValueError(
            f"The mapping of {what}s is empty. Give one {what}, or {{gene: {{lineage: {what}}}, '*': {what}}}."
        )
    if complete:
        check_entries(spec, genes, what)
    return [_of_lineage(spec.get(gene, spec.get(WILDCARD)), gene, lineage, what, complete) for gene in genes]


def check_entries(spec: object, genes: list[str], what: str = "model", enough: int | None = None) -> None:
    """Raise an UnknownNameError if a mapping has no "*", and entries for fewer than `enough` genes (`None` = all)."""
    if not isinstance(spec, Mapping) or WILDCARD in spec:
        return
    missing = [gene for gene in genes if gene not in spec]
    if len(genes) - len(missing) < (len(genes) if enough is None else enough):
        raise UnknownNameError(
            f"No {what} is given for {counted(len(missing), 'gene', of=len(genes))} ({quoted(missing, 5)}). Add them, "
            "or '*' for all others."
        )


def entries(spec: object) -> list:
    """Return all entries of a mapping, or the single entry."""
    if not isinstance(spec, Mapping):
        return [spec]
    return [entry for value in spec.values() for entry in entries(value)]


def _of_lineage(entry: object, gene: str, lineage: str | None, what: str, complete: bool):
    if not isinstance(entry, Mapping):
        return entry
    key = "" if lineage is None else lineage
    if key in entry:
        return entry[key]
    if WILDCARD in entry:
        return entry[WILDCARD]
    if not complete:
        return None
    raise UnknownNameError(
        f"No {what} is given for lineage {lineage!r} of gene {gene!r}, only for {quoted(entry) or 'none'}. Add it, or '*'."
    )
