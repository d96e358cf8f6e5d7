"""Headings and meanings of the columns of a comparison's table."""

from __future__ import annotations

WORDS = {
    "qvalue_level": "q (level)", "qvalue_shape": "q (shape)", "qvalue_both": "q (both)", "pvalue_level": "p (level)",
    "pvalue_shape": "p (shape)", "pvalue_both": "p (both)", "largest_difference": "largest difference",
    "largest_at": "largest at", "log_fold_change_end": "difference at the end", "half_max_shift": "half-way later by",
    "differs_most": "differs most",
}  # fmt: skip
MEANINGS = {
    "gene": "Name of the gene.",
    "trend": "Its difference from the reference over pseudotime; the thin line is no difference.",
    "cluster": "Cluster of the difference, 0 = the one that is largest earliest; none = not significant.",
    "pvalue_level": "Of the test that the difference has mean zero.",
    "qvalue_level": "P-value of the level, adjusted for the number of genes: is it higher or lower on average?",
    "pvalue_shape": "Of the test that the difference is constant.",
    "qvalue_shape": "P-value of the shape, adjusted for the number of genes: does it take another course?",
    "pvalue_both": "Of the test that there is no difference: level and shape combined.",
    "qvalue_both": "P-value of level and shape together, adjusted for the number of genes.",
    "direction": "Where the simultaneous band of the difference excludes zero; it is no test.",
    "level": "Mean difference.",
    "largest_difference": "The largest difference, with its sign.",
    "largest_at": "Pseudotime of the largest difference.",
    "log_fold_change_end": "Difference at the end of the common range.",
    "half_max_shift": "Time at which the trend has changed by half of its range, minus that in the reference.",
    "differs_most": "The condition with the largest difference.",
    "note": "Remarks on the fit.",
}
