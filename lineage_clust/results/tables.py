"""The tables of genes and clusters, the rank of genes in them, and the means and the order of clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..trends.shapes import peak_time, shapes
from ..trends.trends import Trends, adjust, arranged_by_name, columns_of_each, names_along

TIMES = ("peak", "onset", "half_max", "half_max_flank", "half_back")
_LEADING = [
    "edf", "deviance_explained", "pvalue", "qvalue", *TIMES, "direction", "amplitude", "moves_most_in", "changes_in",
    "converged", "lambda", "note",
]  # fmt: skip
_LEVEL = 1 / 3  # relative to the largest range over lineages; smaller changes are ignored
_ALPHA = 0.05
_MAJORITY = 0.5
MIXED = "mixed"  # direction of a cluster whose genes share none
MOST = 2 / 3  # proportion of genes that must share the direction of their cluster
_N_TOP = 5


def gene_table(trends: Trends, uncertain: Sequence[pd.DataFrame] | None = None) -> pd.DataFrame:
    """Return the gene table, see :class:`lineage_clust.TrendClusterer`, without clusters.

    With several lineages, `changes_in` names those in which the range is at least a third of the largest and the p-value,
    if known, is below 0.05; the direction without suffix is the common direction in these, or "differs". `uncertain` has
    intervals of the shapes for each lineage, see :func:`lineage_clust.trends.shapes.uncertainty`.
    """
    models = _of_models(trends)
    table = pd.concat([models, _shapes(trends, uncertain, models)], axis=1)
    leading = [name for name in _LEADING if name in table]
    return table[leading + [name for name in table if name not in leading]]


def deciding_table(trends: Trends) -> pd.DataFrame:
    """Return the results of the models and the columns that determine which genes are clustered."""
    parts = [np.ptp(trends.values[:, columns], axis=1) for columns in columns_of_each(trends.grid_lineage).values()]
    return _of_models(trends).assign(amplitude=np.max(parts, axis=0))


def _of_models(trends: Trends) -> pd.DataFrame:
    """Return the results of the models with the q-value."""
    table = pd.DataFrame(index=pd.Index(trends.genes, name="gene")) if trends.table is None else trends.table.copy()
    if "pvalue" not in table:
        table["pvalue"] = np.nan
    for column in ("edf", "deviance_explained"):
        if column not in table:  # several lineages: total edf, largest deviance explained
            parts = table[sorted(name for name in table if name.startswith(f"{column}_"))]
            table[column] = parts.sum(axis=1) if column == "edf" else parts.max(axis=1)
    table["qvalue"] = adjust(table["pvalue"].to_numpy(dtype=float))
    return table


def _shapes(trends: Trends, uncertain: Sequence[pd.DataFrame] | None, models: pd.DataFrame) -> pd.DataFrame:
    every, parts = columns_of_each(trends.grid_lineage), {}
    for number, name in enumerate(names_along(trends.grid_lineage)):
        part = shapes(trends.values[:, every[name]], trends.grid[every[name]])
        if uncertain is not None:
            part = pd.concat([part, uncertain[number]], axis=1)
        parts[name] = part.set_axis(models.index, axis=0)
    if len(parts) == 1:
        return next(iter(parts.values()))
    return pd.concat(
        [_together(parts, list(every), models), *(part.add_suffix(f"_{name}") for name, part in parts.items())], axis=1
    )


def _together(parts: dict, names: list, models: pd.DataFrame) -> pd.DataFrame:
    """Return the remarks on a gene in all lineages, in the order of the lineages."""
    ranges = np.array([parts[name]["amplitude"] for name in names])
    most, genes = ranges.argmax(axis=0), np.arange(len(models))
    whole = pd.DataFrame(index=models.index)
    for column in (*TIMES, "direction", "amplitude"):
        whole[column] = np.array([parts[name][column].to_numpy() for name in names])[most, genes]
    moves = moving_in(ranges) & [~(_pvalues(models, name) >= _ALPHA) for name in names]
    ways = np.array([parts[name]["direction"].to_numpy() for name in names])
    differs = (moves & (ways != whole["direction"].to_numpy())).any(axis=0)
    whole["direction"] = np.where(differs, "differs", whole["direction"].to_numpy())
    whole["moves_most_in"] = np.array(list(map(str, names)), dtype=object)[most]
    whole["changes_in"] = changes_in(names, moves)
    return whole


def cluster_means(scaled: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean scaled trend of each cluster, `(n_clusters, n_points)`."""
    n_clusters = int(labels.max(initial=-1)) + 1
    means = [scaled[labels == cluster].mean(axis=0) for cluster in range(n_clusters)]
    return np.array(means).reshape(n_clusters, scaled.shape[1])


def order_clusters(
    labels: np.ndarray, scaled: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Renumber clusters by the time at which the mean of their scaled trends peaks, see :func:`time_order`.

    Return the new labels, `(n_genes,)`, 0 for the earliest, -1 = not assigned, and the old label of each new one.
    """
    old = np.unique(labels[labels >= 0])
    if len(old) == 0:
        return np.full(len(labels), -1), old
    means = np.array([scaled[labels == label].mean(axis=0) for label in old])
    order = old[time_order(means, grid, grid_lineage)]
    new = np.full(len(labels), -1)
    for number, label in enumerate(order):
        new[labels == label] = number
    return new, order


def time_order(means: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray | None = None) -> np.ndarray:
    """Return the order of mean trends by the time of their peak where their range is largest; ties by centre of mass."""
    parts = [(means[:, columns], grid[columns]) for columns in columns_of_each(grid_lineage).values()]
    spans, clusters = np.array([np.ptp(part, axis=1) for part, _ in parts]), np.arange(len(means))
    most = np.argmax(spans >= spans.max(axis=0) * (1 - 1e-6), axis=0)  # the first of those that rounding tells apart
    centre = np.array([_centre_of_mass(*part) for part in parts])[most, clusters]
    peak = np.array([peak_time(*part) for part in parts])[most, clusters]
    step = 1e-9 * (np.ptp(grid) or 1.0)
    return np.lexsort((np.round(centre / step), np.round(peak / step)))


def _centre_of_mass(means: np.ndarray, grid: np.ndarray) -> np.ndarray:
    raised = means - means.min(axis=1, keepdims=True)
    mass = raised.sum(axis=1)
    return np.where(mass > 0, raised @ grid / np.where(mass > 0, mass, 1), grid.mean())


def moving_in(ranges: np.ndarray) -> np.ndarray:
    """Return where ranges of trends `(n_lineages, n_rows)` are at least a third of the largest over the lineages."""
    return (ranges >= _LEVEL * ranges.max(axis=0)) & (ranges > 0)


def significant_in(rows: pd.DataFrame, name: object) -> bool:
    """Return whether most genes have a p-value below 0.05 in a lineage; `True` if there are no p-values."""
    pvalue = _pvalues(rows, name)
    known = np.isfinite(pvalue)
    return not known.any() or bool((pvalue[known] < _ALPHA).mean() > _MAJORITY)


def changes_in(names: Sequence, moves: np.ndarray) -> list[str]:
    """Return the names of the lineages in which each row changes, such as "Ery, Mono"; `moves` is `(n_lineages, n_rows)`."""
    return [", ".join(found) for found in _named(names, moves)]


def named_in(listed: str, names: Sequence) -> list:
    """Return those of the names that are listed as by :func:`changes_in`; a name may contain ", ".

    >>> named_in("Ery, Mono, Neu", ["Neu", "Baso", "Mono", "Ery, Mono"])
    ['Neu', 'Ery, Mono']
    """
    left, found = f", {listed}, ", set()
    for name in sorted(map(str, names), key=len, reverse=True):
        if f", {name}, " in left:
            left = left.replace(f", {name}, ", ", ")
            found.add(name)
    return [name for name in names if str(name) in found]


def specificity(names: Sequence, moves: np.ndarray) -> list[str]:
    """Describe the lineages in which each row changes.

    >>> moves = np.array([[True, True, True, False], [False, True, True, False], [False, False, True, False]])
    >>> specificity(["Ery", "Mono", "Neu"], moves)
    ['only Ery', 'Ery and Mono', 'all', 'none']
    """
    return [_word(found, len(names)) for found in _named(names, moves)]


def _word(found: list[str], n_lineages: int) -> str:
    if len(found) in (0, n_lineages):
        return "all" if found else "none"
    return f"only {found[0]}" if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


def _named(names: Sequence, moves: np.ndarray) -> list[list[str]]:
    return [[str(name) for name, yes in zip(names, row, strict=True) if yes] for row in moves.T]


def _pvalues(genes: pd.DataFrame, name: object) -> np.ndarray:
    column = f"pvalue_{name}"
    return genes[column].to_numpy(dtype=float) if column in genes else np.full(len(genes), np.nan)


def cluster_table(
    genes: pd.DataFrame, centers: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray | None = None
) -> pd.DataFrame:
    """Return the cluster table, see :class:`lineage_clust.TrendClusterer`, from a gene table with clusters.

    `centers` `(n_clusters, n_points)` are mean scaled trends. `direction` is that of the mean trend, or "mixed" if less than
    two thirds of the genes have it; `peak_lower` and `peak_upper` are quantiles of the peaks of the genes. With several
    lineages, `relative_amplitude` is the range of the mean trend divided by its largest range, in `moves_most_in`;
    `changes_in` names the lineages in which the range is at least a third of that, and most genes have p < 0.05, if known.
    """
    table = pd.DataFrame(index=pd.RangeIndex(len(centers), name="cluster"))
    members = [genes[genes["cluster"] == cluster] for cluster in table.index]
    names = names_along(grid_lineage)
    table["size"] = [len(rows) for rows in members]
    of_each = pd.DataFrame(index=table.index)
    if len(names) == 1:
        found = _of_lineage(members, centers, grid, "")
        peaks_of = [rows["peak"] for rows in members]
    else:
        found, of_each = _of_lineages(members, centers, grid, np.asarray(grid_lineage))
        peaks_of = [rows[f"peak_{name}"] for rows, name in zip(members, found["moves_most_in"], strict=True)]
    at = list(found).index("peak")
    table = table.join(found.iloc[:, : at + 1])
    for name, share in (("peak_lower", 0.1), ("peak_upper", 0.9)):
        table[name] = [float(np.quantile(peaks, share)) for peaks in peaks_of]
    table = table.join(found.iloc[:, at + 1 :])
    table["amplitude"] = [float(rows["amplitude"].median()) for rows in members]
    table["confidence"] = [float(rows["confidence"].mean()) if "confidence" in rows else np.nan for rows in members]
    table["deviance_explained"] = [rows["deviance_explained"].mean() for rows in members]
    table["top_genes"] = [", ".join(top_genes(rows)) for rows in members]
    return table.join(of_each)


def _of_lineage(members: list[pd.DataFrame], centers: np.ndarray, grid: np.ndarray, suffix: str) -> pd.DataFrame:
    """Return the shape of the mean trends in one lineage, with the proportion of genes of the same direction."""
    found = shapes(centers, grid) if len(centers) else shapes(np.zeros((1, len(grid))), grid).iloc[:0]
    shares = [
        float((rows[f"direction{suffix}"] == way).mean()) for rows, way in zip(members, found["direction"], strict=True)
    ]
    words = [way if share >= MOST else MIXED for way, share in zip(found["direction"], shares, strict=True)]
    found = found.drop(columns=["amplitude", "direction"])
    found.insert(0, "direction", pd.Series(words, index=found.index, dtype=object))
    found.insert(1, "direction_share", np.array(shares, dtype=float))
    return found


def _of_lineages(
    members: list[pd.DataFrame], centers: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the columns for all lineages together, and those of each lineage."""
    every, given = columns_of_each(grid_lineage), names_along(grid_lineage)
    names = list(every)
    parts = {name: _of_lineage(members, centers[:, every[name]], grid[every[name]], f"_{name}") for name in given}
    ranges = np.array([np.ptp(centers[:, every[name]], axis=1) for name in names])
    significant = np.array([[significant_in(rows, name) for rows in members] for name in names], dtype=bool)
    moves = moving_in(ranges) & significant.reshape(ranges.shape)
    most, clusters = ranges.argmax(axis=0), np.arange(len(centers))

    whole = pd.DataFrame({f"direction_{name}": parts[name]["direction"] for name in given})
    whole["changes_in"], whole["specificity"] = changes_in(names, moves), specificity(names, moves)
    whole["moves_most_in"] = np.array(list(map(str, names)), dtype=object)[most]
    for column in TIMES:
        whole[column] = np.array([parts[name][column].to_numpy() for name in names])[most, clusters]
    of_each = []
    for name in given:
        part = parts[name].drop(columns="direction")
        largest = ranges.max(axis=0)
        own = ranges[names.index(name)]
        part["relative_amplitude"] = np.divide(own, largest, out=np.zeros(len(own)), where=largest > 0)
        part["amplitude"] = np.array([rows[f"amplitude_{name}"].median() for rows in members], dtype=float)
        of_each.append(part.add_suffix(f"_{name}"))
    return whole, pd.concat(of_each, axis=1)


def agreement(
    scaled: np.ndarray, labels: np.ndarray, centers: np.ndarray, grid_lineage: np.ndarray | None = None
) -> np.ndarray:
    """Return the Pearson correlation of each trend with the mean trend of its cluster, `(n_genes,)`.

    It is NaN for genes without a cluster (negative label), and 0 if either trend is constant.
    """
    found, there = np.full(len(labels), np.nan), labels >= 0
    if not there.any():
        return found
    rows, means = (arranged_by_name(values, grid_lineage) for values in (scaled[there], centers[labels[there]]))
    rows, means = (values - values.mean(axis=1, keepdims=True) for values in (rows, means))
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(means, axis=1)
    products = np.einsum("ij,ij->i", rows, means)
    found[there] = np.divide(products, lengths, out=np.zeros(len(rows)), where=lengths > 0)
    return found


def top_order(genes: pd.DataFrame) -> np.ndarray:
    """Return distinct scores `(n_genes,)` by which the genes of a cluster are ranked; the largest is first.

    Genes with the direction of their cluster come first, if two thirds of its genes share one. Genes are then ranked by
    the proportion of their deviance that the mean trend of their cluster explains: the proportion explained by their
    own trend times the squared correlation of the two trends (`agreement`, if it is known). Ties are broken by name.
    """
    strength = genes["deviance_explained"].to_numpy(dtype=float)
    strength = np.nan_to_num(strength) if np.isfinite(strength).any() else np.ones(len(genes))
    if "agreement" in genes:
        fit = genes["agreement"].to_numpy(dtype=float)
        strength = strength * np.where(np.isnan(fit), 1.0, np.maximum(fit, 0.0) ** 2)
    first = np.lexsort((genes.index.astype(str).to_numpy(dtype=str), -strength.round(12), _astray(genes)))
    found = np.empty(len(genes))
    found[first] = np.arange(len(genes), 0, -1)
    return found


def _astray(genes: pd.DataFrame) -> np.ndarray:
    """Return which genes differ in direction from most of their cluster."""
    astray = np.zeros(len(genes), dtype=bool)
    if "cluster" not in genes or "direction" not in genes:
        return astray
    ways = genes["direction"].to_numpy(dtype=object)
    for rows in genes.groupby("cluster").indices.values():
        share = pd.Series(ways[rows]).value_counts(normalize=True)
        if share.iloc[0] >= MOST:
            astray[rows] = ways[rows] != share.index[0]
    return astray


def top_genes(rows: pd.DataFrame, n: int = _N_TOP) -> list[str]:
    """Return the first `n` genes of a cluster, see `top_order`."""
    return [str(gene) for gene in rows.index[np.argsort(-top_order(rows))][:n]]
