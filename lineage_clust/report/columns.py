"""What the columns of the tables hold, and which are shown at first."""

from __future__ import annotations

_DETAILS = ("pvalue", "converged", "lambda", "gene_ids", "half_max_flank", "half_back")

# What a reader of the table, who may not know the library, wants to know of a column.
MEANINGS = {
    "gene": "Name of the gene.",
    "gene_ids": "Identifier of the gene in the data (var_names).",
    "trend": "Its trend over pseudotime, stretched to the full height.",
    "cluster": "Cluster of the gene, 0 = earliest peak; none = not assigned.",
    "confidence": "How often the gene stays with its cluster when the trends are drawn anew, from 0 to 1: how well its "
    "place is reproduced, not the probability that it is right.",
    "edf": "Effective degrees of freedom of the trend: 2 is a straight line, more is wigglier.",
    "deviance_explained": "Share of the variation between cells that the trend explains.",
    "pvalue": "Of the test that expression is constant along the lineage; cells, not donors, are the replicates.",
    "qvalue": "P-value adjusted for the number of genes (Benjamini-Hochberg).",
    "peak": "Pseudotime at which the trend is highest.",
    "onset": "Pseudotime at which the trend has first moved by 10 % of its range.",
    "converged": "Whether the search for the smoothness of the trend converged.",
    "lambda": "Smoothing parameter: the greater, the smoother.",
    "note": "Remarks on the fit.",
    "half_max": "Pseudotime at which the trend has first moved by half of its range.",
    "half_max_flank": "Whether the trend is rising or falling from its start by then.",
    "half_back": "Pseudotime at which a transient trend has gone half of its range back.",
    "direction": "Whether the trend rises, falls, or does both; mixed if less than two thirds of a cluster do so.",
    "direction_confidence": "How often draws of the trend have the same direction, from 0 to 1.",
    "amplitude": "Difference between the highest and the lowest point of the trend, in units of expression.",
    "direction_share": "Share of the genes that have the cluster's direction.",
    "size": "Number of genes.",
    "top_genes": "The genes that the mean trend of the cluster explains best.",
    "agreement": "Correlation of the gene's trend with the mean trend of its cluster.",
    "moves_most_in": "The lineage in which the trend has its largest range; columns without a lineage's name are of it.",
    "changes_in": "The lineages in which the trend moves at least a third as far, beyond doubt.",
    "specificity": "The same in words.",
    "relative_amplitude": "How far the mean trend moves, as a share of the lineage in which it moves most.",
}


def meaning(column: str, lineages: list[str]) -> str:
    """Return what a column of a table holds, or nothing if that is not known.

    Columns of one of several lineages end in its name, bounds of what is uncertain in lower and upper.
    """
    if column in MEANINGS:
        return MEANINGS[column]
    for lineage in lineages:
        if column.endswith(f"_{lineage}"):
            known = meaning(column[: -len(lineage) - 1], [])
            return f"{lineage}: {known}" if known else ""
    for end in ("lower", "upper"):
        plain = column.removesuffix(f"_{end}")
        if plain != column and plain in MEANINGS:
            return f"{end.capitalize()} bound: {MEANINGS[plain]}"
    return ""


def is_detail(column: str, lineages: list[str]) -> bool:
    """Return whether a column is shown only when all columns are asked for.

    Examples
    --------
    >>> is_detail("peak", []), is_detail("peak_lower", []), is_detail("peak_Ery", ["Ery", "Mono"])
    (False, True, True)
    """
    of_one = len(lineages) > 1 and column.endswith(tuple(f"_{lineage}" for lineage in lineages))
    return of_one or column in _DETAILS or column.endswith(("_lower", "_upper", "_confidence"))
