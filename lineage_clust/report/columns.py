"""Headings and meanings of table columns, and which columns are shown by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_DETAILS = (
    "converged", "lambda", "gene_ids", "half_max_flank", "half_back", "edf", "agreement", "note", "cluster_name",
)  # fmt: skip
_ENDS = {"lower": "lower bound", "upper": "upper bound", "confidence": "confidence"}

# headings; other columns are headed by their names
WORDS = {
    "gene_ids": "identifier",
    "cluster_name": "name of cluster",
    "size": "genes",
    "top_genes": "leading genes",
    "deviance_explained": "explained",
    "pvalue": "p-value",
    "qvalue": "q-value",
    "peak": "highest at",
    "onset": "onset at",
    "half_max": "half-way at",
    "half_max_flank": "half-way while",
    "half_back": "half back at",
    "amplitude": "change",
    "relative_amplitude": "relative change",
    "edf": "wiggliness (edf)",
    "lambda": "smoothing (lambda)",
    "agreement": "fit to cluster",
    "direction_share": "share of direction",
    "words": "direction",
    "moves_most_in": "moves most in",
    "changes_in": "changes in",
}

# explanations for readers who do not know the library
MEANINGS = {
    "gene": "Name of the gene.",
    "gene_ids": "Identifier of the gene in the data (var_names).",
    "trend": "Its trend over pseudotime, stretched to the full height.",
    "cluster": "Cluster of the gene, 0 = earliest peak; none = not assigned.",
    "confidence": "How often the gene stays with its cluster in posterior samples of the trends, from 0 to 1: how "
    "reproducible its cluster is, not the probability that it is correct.",
    "edf": "Effective degrees of freedom of the trend: 2 is a straight line, more is a more complex curve.",
    "deviance_explained": "Share of the variation between cells (of the deviance) that the trend explains, from 0 to 1.",
    "pvalue": "Of the test that expression is constant along the lineage. The note under the summary names the replicates.",
    "qvalue": "P-value adjusted for the number of genes (Benjamini-Hochberg).",
    "peak": "Pseudotime at which the trend is highest.",
    "onset": "When the change begins: the pseudotime at which the trend has first moved by 10 % of its range, up or down.",
    "converged": "Whether the search for the smoothness of the trend converged.",
    "lambda": "Smoothing parameter: the greater, the smoother.",
    "note": "Remarks on the fit.",
    "half_max": "Pseudotime at which the trend has first moved by half of its range from its start. For a peak that begins "
    "above its half, see half back.",
    "half_max_flank": "Whether the trend is then above (rising) or below (falling) its start.",
    "half_back": "Pseudotime at which a peak (or dip) has returned by half of its range from its extreme.",
    "direction": "Whether the trend rises, falls, or does both.",
    "direction_confidence": "How often draws of the trend have the same direction, from 0 to 1.",
    "amplitude": "Difference between the highest and the lowest point of the trend, in units of expression.",
    "words": "What the mean trend does; below it, the share of the genes that do the same, if less than two thirds.",
    "direction_share": "Share of the genes that have the cluster's direction.",
    "cluster_name": "Name of the cluster in the tree: the parts of cluster 2 are 2.1 and 2.2.",
    "name": "Name of the cluster in the tree: the parts of cluster 2 are 2.1 and 2.2.",
    "size": "Number of genes.",
    "top_genes": "The genes that the mean trend of the cluster explains best.",
    "agreement": "Correlation of the gene's trend with the mean trend of its cluster.",
    "moves_most_in": "The lineage in which the trend has its largest range; columns without a lineage's name refer to it.",
    "changes_in": "The lineages in which the trend moves at least a third as far, with a p-value below 0.05 if tested.",
    "specificity": "The same in words.",
    "relative_amplitude": "Range of the mean trend, divided by its range in the lineage in which it is largest.",
}


class Vocabulary:
    """Headings and meanings of the columns of a table, and which of them are shown by default.

    names : Lineages or conditions; columns of one of them end in its name.
    bound : What columns that end in lower and upper are.

    >>> one, two = Vocabulary([]), Vocabulary(["Ery", "Mono"])
    >>> one.heading("peak"), one.heading("peak_lower"), two.heading("qvalue_Ery")
    ('highest at', 'highest at, lower bound', 'q-value (Ery)')
    >>> one.is_detail("peak"), one.is_detail("peak_lower"), two.is_detail("peak_Ery")
    (False, True, True)
    """

    def __init__(
        self, names: Sequence[str], words: Mapping[str, str] = WORDS, meanings: Mapping[str, str] = MEANINGS,
        bound: str = "bound",
    ):  # fmt: skip
        self.names, self._words, self._meanings, self._bound = names, words, meanings, bound

    def heading(self, column: str) -> str:
        """Return the heading of a column, by default its name."""
        plain, name = self._parted(column)
        base, _, end = plain.rpartition("_")
        said = self._words.get(plain, plain)
        if end in _ENDS and base in self._meanings:
            said = f"{self._words.get(base, base)}, {_ENDS[end]}"
        return f"{said} ({name})" if name else said

    def meaning(self, column: str) -> str:
        """Return the meaning of a column, or an empty string if unknown."""
        plain, name = self._parted(column)
        base, _, end = plain.rpartition("_")
        text = self._meanings.get(plain, "")
        if not text and end in ("lower", "upper") and base in self._meanings:
            text = f"{end.capitalize()} {self._bound}: {self._meanings[base]}"
        return f"{name}: {text}" if text and name else text

    def is_detail(self, column: str) -> bool:
        """Return whether a column is hidden unless all columns are shown."""
        ends = [*_ENDS, *(self.names if len(self.names) > 1 else ())]
        return column in _DETAILS or column.startswith("pvalue") or column.endswith(tuple(f"_{end}" for end in ends))

    def described(self, column: str) -> dict[str, str | bool]:
        """Return what the script of a page reads about a column."""
        return {"word": self.heading(column), "help": self.meaning(column), "detail": self.is_detail(column)}

    def _parted(self, column: str) -> tuple[str, str]:
        """Return a column without the name of its lineage or condition, and this name, or ""."""
        own = [name for name in self.names if column not in self._meanings and column.endswith(f"_{name}")]
        return (column.removesuffix(f"_{own[0]}"), own[0]) if own else (column, "")
