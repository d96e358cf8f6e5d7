"""Lists of the genes of each cluster, for enrichment tools and for plots that group genes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import pandas as pd

from ..results.result import FitResult, Fitted, result_of
from ..results.tables import top_order
from ..results.tabulating import UNASSIGNED, set_name
from ..utils.atomic import write_whole
from ..utils.checking import as_path, check_flag
from .spreadsheets import as_text


@overload
def genes_by_cluster(
    fitted: Fitted | FitResult, unassigned: bool = False, *, names: Literal[False] = False
) -> dict[int, list[str]]: ...
@overload
def genes_by_cluster(
    fitted: Fitted | FitResult, unassigned: bool = False, *, names: Literal[True]
) -> dict[str, list[str]]: ...
def genes_by_cluster(fitted: Fitted | FitResult, unassigned: bool = False, *, names: bool = False) -> Any:
    """Return the genes of each cluster, ordered by how well the mean trend of the cluster explains them.

    The lists can be passed to enrichment tools, with the fitted genes `genes_` as background, and, with names, to plots
    that group genes, such as `scanpy.pl.heatmap(adata, tc.genes_by_cluster(names=True), groupby=...)`.

    Parameters
    ----------
    unassigned : bool, default=False
        Whether to include the genes without a cluster, last, under -1 ("unassigned").
    names : bool, default=False
        Whether keys are the names of the clusters (`cluster_names_`) instead of their numbers (`labels_`).

    Returns
    -------
    dict of int (of str if `names`) to list of str

    Examples
    --------
    >>> import lineage_clust as lc
    >>> tc = lc.TrendClusterer(random_state=0).fit(lc.datasets.bone_marrow(), lineage="Ery")
    >>> lists = tc.genes_by_cluster()
    >>> list(lists) == list(range(tc.n_clusters_))
    True
    >>> list(tc.genes_by_cluster(names=True)) == tc.cluster_names_
    True
    """
    result = result_of(fitted)
    check_flag("unassigned", unassigned)
    check_flag("names", names)
    lists = lists_of(result.naming, unassigned)
    of_clusters = [*result.cluster_names, UNASSIGNED]
    return {of_clusters[cluster]: genes for cluster, genes in lists.items()} if names else lists


def write_gene_lists(fitted: Fitted | FitResult, path: str | Path, unassigned: bool = False) -> None:
    """Write the genes of each cluster to a file, as one gene set per cluster named by lineage and `cluster_names_`.

    Parameters
    ----------
    path : str or path
        Path of the file, whose suffix defines the format: ".gmt", as read by gseapy, GSEA and others, or ".csv".
    unassigned : bool, default=False
        Whether to include the genes without a cluster as the last set.

    Raises
    ------
    ValueError
        If the suffix is unknown, or a name contains a separator of the format.

    See Also
    --------
    genes_by_cluster : Returns a dictionary instead.
    """
    lists, result = genes_by_cluster(fitted, unassigned), result_of(fitted)
    prefix = "_".join(str(name) for name in result.names if name is not None)
    write_lists(lists, path, prefix, result.cluster_names)


def lists_of(table: pd.DataFrame, unassigned: bool = False) -> dict[int, list[str]]:
    """Return the genes of each cluster from a table with `cluster`, `deviance_explained` and, if known, `agreement`."""
    leading = np.argsort(-top_order(table))
    genes, labels = table.index.astype(str).to_numpy()[leading], table["cluster"].to_numpy()[leading]
    clusters = [int(label) for label in np.unique(labels) if label >= 0]
    if unassigned and np.any(labels < 0):
        clusters.append(-1)
    return {cluster: [str(gene) for gene in genes[labels == cluster]] for cluster in clusters}


def write_lists(
    lists: Mapping[int, list[str]], path: str | Path, prefix: str = "", names: Sequence[str] | None = None
) -> None:
    """Write lists of genes to a file of the format that its suffix names, as sets named by `prefix` and cluster."""
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
    rows = [(as_text(name_of(cluster)), cluster, as_text(gene)) for cluster, genes in lists.items() for gene in genes]
    return pd.DataFrame(rows, columns=["gene_set", "cluster", "gene"]).to_csv(index=False, lineterminator="\n")


_FORMATS: dict[str, Callable[[Mapping[int, list[str]], Callable[[int], str]], str]] = {".gmt": _gmt, ".csv": _csv}
