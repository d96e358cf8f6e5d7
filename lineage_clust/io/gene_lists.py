"""Lists of the genes of each cluster, for enrichment tools and for plots that group genes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from ..results.leading import top_order
from ..results.naming import set_name
from ..utils.atomic import write_whole
from ..utils.checking import as_path
from .spreadsheets import as_text


def genes_by_cluster(table: pd.DataFrame, unassigned: bool = False) -> dict[int, list[str]]:
    """Return the genes of each cluster, ordered by how well the mean trend of the cluster explains them.

    Parameters
    ----------
    table
        One row per gene, with `cluster`, `deviance_explained` and, if known, `agreement`.
    unassigned
        Whether to include the genes without a cluster, last, under -1.

    Examples
    --------
    >>> table = pd.DataFrame({"cluster": [1, 0, 1], "deviance_explained": [0.1, 0.5, 0.9]}, index=["a", "b", "c"])
    >>> genes_by_cluster(table)
    {0: ['b'], 1: ['c', 'a']}
    """
    leading = np.argsort(-top_order(table))
    genes, labels = table.index.astype(str).to_numpy()[leading], table["cluster"].to_numpy()[leading]
    clusters = [int(label) for label in np.unique(labels) if label >= 0]
    if unassigned and np.any(labels < 0):
        clusters.append(-1)
    return {cluster: [str(gene) for gene in genes[labels == cluster]] for cluster in clusters}


def write_gene_lists(
    lists: Mapping[int, list[str]], path: str | Path, prefix: str = "", names: Sequence[str] | None = None
) -> None:
    """Write lists of genes to a file of the format that its suffix names.

    path : Path of the file: .gmt (one gene set per line: name, description, genes) or .csv (one gene per line, with its
        cluster).
    prefix : Prefix of the names of gene sets: the lineage.
    names : Names of the clusters, by number; `None` = their numbers.
    raises ValueError : If the suffix is unknown, or a name contains a separator of the format.
    """
    suffix = as_path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ValueError(
            f"Gene lists are written as {' or '.join(_FORMATS)}; the suffix of {str(path)!r} is {suffix!r}. Change it."
        )
    text = _FORMATS[suffix](lists, lambda cluster: set_name(cluster, prefix, names))
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8", newline=""))


def _gmt(lists: Mapping[int, list[str]], name_of: Callable[[int], str]) -> str:
    lines = []
    for cluster, genes in lists.items():
        # no spaces before the genes, because decoupler splits lines at any whitespace
        fields = [name_of(cluster).replace(" ", "_"), f"{len(genes)}_genes", *genes]
        broken = [field for field in fields if any(sign in field for sign in "\t\r\n")]
        if broken:
            raise ValueError(
                f"{broken[0]!r} contains a tab or a line break, which separate genes and gene sets in GMT files. Rename it, "
                "or write a .csv file."
            )
        lines.append("\t".join(fields) + "\n")
    return "".join(lines)


def _csv(lists: Mapping[int, list[str]], name_of: Callable[[int], str]) -> str:
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["gene_set", "cluster", "gene"])
    for cluster, genes in lists.items():
        writer.writerows([as_text(name_of(cluster)), cluster, as_text(gene)] for gene in genes)
    return buffer.getvalue()


_FORMATS: dict[str, Callable[[Mapping[int, list[str]], Callable[[int], str]], str]] = {".gmt": _gmt, ".csv": _csv}
