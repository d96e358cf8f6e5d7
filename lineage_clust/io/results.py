"""Writing results to a new AnnData, or to the one they were computed from, of which genes and entries are checked."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from .._version import __version__
from ..errors import quoted, warn
from ..lineage.lineage import check_anndata
from ..plotting.parts.colors import UNASSIGNED_COLOR, cluster_colors
from ..results.cells import module_scores
from ..results.result import FitResult, Fitted, result_of
from ..results.tabulating import UNASSIGNED, names_of_genes
from ..utils.checking import check_flag, check_key
from ..utils.plain_text import plain_text, text_categories, text_index
from .keys import column_keys, default_key, distinct_key, safe_key, with_digits

_log = logging.getLogger(__name__)


def _free_key(adata: AnnData, found: FitResult) -> str:
    """Return the default key, with digits appended if results of another lineage have the same key ("a/b" and "a_b")."""
    key = default_key(found.lineage)
    stored = adata.uns.get(key)
    other = isinstance(stored, Mapping) and "lineage" in stored and _listed(stored["lineage"]) != _lineages(found)
    return default_key(found.lineage, key=with_digits) if other else key


def _lineages(found: FitResult) -> list[str]:
    return ["" if name is None else str(name) for name in found.names]


def to_anndata(fitted: Fitted) -> AnnData:
    """Return an AnnData `(n_genes, n_points)`: scaled trends in `X`, trends and errors in layers, tables in obs.

    `obs` has the columns of `gene_table_`, with `cluster` as integers and `cluster_name` as categories; `obs["clusters"]`
    has the numbers as strings, as in CellRank and scanpy. `uns["clusters_colors"]` and `uns["cluster_name_colors"]`
    contain the colours of our figures, as expected by scanpy's plots. `var` has pseudotime (`x_test`) and lineage of
    each grid point, `uns` the provenance.
    """
    found = result_of(fitted)
    _check_names(found)
    obs = _writable(found.gene_table)
    obs.index = pd.Index(found.genes)
    (numbers, colors), (names, colors_by_name) = _categories(found).values()
    obs.insert(0, "clusters", numbers.rename_categories(str))
    obs["cluster_name"] = names
    var = pd.DataFrame(
        {"x_test": found.pseudotime, "lineage": found.grid_lineage.astype(str)},
        index=[str(point) for point in range(len(found.pseudotime))],
    )
    result = AnnData(found.scaled.copy(), obs=plain_text(obs), var=plain_text(var))
    result.layers["trends"] = found.values.copy()
    if found.se is not None:
        result.layers["se"] = found.se.copy()
    result.uns["lineage_clust"] = origin(fitted)
    result.uns["clusters_colors"], result.uns["cluster_name_colors"] = colors, colors_by_name
    return result


def h5ad_bytes(adata: AnnData) -> bytes:
    """Return the content of the h5ad file of an AnnData.

    The file is created in memory, because HDF5 prints errors on a full disk and may terminate the process later.
    """
    import h5py
    from anndata.io import write_elem

    adata.strings_to_categoricals()
    with h5py.File("results.h5ad", "w", driver="core", backing_store=False) as file:
        write_elem(file, "/", adata)
        if adata.raw is None:
            file.pop("raw", None)
        file.flush()
        return file.id.get_file_image()


def write_to(fitted: Fitted, adata: AnnData, key: str | None = None, *, scores: bool | None = None) -> str:
    """Write the results to an AnnData, under keys that name the lineage; those of an earlier call are replaced.

    Parameters
    ----------
    adata : AnnData
        AnnData to write to; genes without a trend get NaN.
    key : str, default=None
        Prefix of the keys; `None` = `"trends_"` plus the name of the lineage.
    scores : bool, default=None
        Whether to write the module scores of the cells (see `transform`); `None` = if `adata` has all clustered genes
        and the fitted layer. This takes a pass over the expression, in blocks if it is in a file.

    Returns
    -------
    str
        The key.

    Raises
    ------
    ValueError
        If a name contains NUL, which files do not support, `scores=True` and they cannot be computed, or `adata` has
        none of the genes or a gene twice.

    Warns
    -----
    LineageClustWarning
        If obsm contains an object that `adata.write_h5ad` does not support, such as a live Lineage of CellRank, or if
        entries of the same names that were not written by an earlier call are replaced.

    Notes
    -----
    With the key "trends_Ery", the results are

    - `var["trends_Ery_qvalue"]` and the other columns of `gene_table_`, of the same kind as there:
      `var["trends_Ery_cluster"]` has integers (as categories, -1 = not assigned), like `labels_` and the keys of
      `genes_by_cluster()`, and `adata[:, adata.var["trends_Ery_cluster"] == 0]` selects genes;
      `var["trends_Ery_cluster_name"]` has the names of `cluster_names_` and of `genes_by_cluster(names=True)`,
      or "unassigned";
    - `obs["trends_Ery_score_0"]` and so on: module scores of the cells, by the names of the clusters;
    - `varm["trends_Ery"]`, `varm["trends_Ery_se"]`: trends and their standard errors;
    - `uns["trends_Ery_cluster_colors"]`, `uns["trends_Ery_cluster_name_colors"]`: colours, as expected by scanpy.
      Colours set by the user are kept by later calls if the number of clusters does not change.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> tc = lc.TrendClusterer(random_state=0).fit(adata, lineage="Ery")
    >>> key = tc.write_to(adata)
    >>> adata[:, adata.var[f"{key}_cluster"] == 0].n_vars == len(tc.genes_by_cluster()[0])
    True
    >>> bool((adata.obs[f"{key}_score_0"] == tc.transform(adata)[:, 0]).all())
    True
    """
    found = result_of(fitted)
    check_anndata(adata)
    check_key("key", key)
    if scores is not None:
        check_flag("scores", scores)
    _check_names(found)
    key = _free_key(adata, found) if key is None else safe_key(key)
    rows = _rows_of(adata, found.gene_ids)
    table = found.gene_table.drop(columns=["cluster", "gene_ids"], errors="ignore").rename(columns=distinct_key)
    categories = _categories(found)
    table.insert(0, "cluster", categories["cluster"][0])
    table["cluster_name"] = categories["cluster_name"][0]
    table.index = pd.Index(found.gene_ids)
    whole = table.reindex(adata.var_names)
    columns = {f"{key}_{column}": _with_gaps(table[column], whole[column]) for column in whole}
    colors = {
        f"{key}_{column}_colors": _colors(adata, f"{key}_{column}", table[column], ours)
        for column, (_, ours) in categories.items()
    }
    arrays = {}
    for name, values in (("", found.values), ("_se", found.se)):
        if values is not None:
            arrays[f"{key}{name}"] = filled = np.full((adata.n_vars, len(found.pseudotime)), np.nan)
            filled[rows[rows >= 0]] = values[rows >= 0]
    of_cells = _scores_of(found, adata, key, scores)
    notes = {
        "pseudotime": found.pseudotime.copy(),
        "grid_lineage": found.grid_lineage.astype(str),
        "columns": np.array(list(columns), dtype=str),
        "scores": np.array(list(of_cells), dtype=str),
        **origin(fitted),
    }
    _warn_of_unwritable(adata)
    written = {"var": columns, "obs": of_cells, "varm": arrays}
    _warn_of_replaced(adata, key, written)
    _remove(adata, key)  # after everything that may fail
    for place, entries in written.items():
        for name, values in entries.items():
            getattr(adata, place)[name] = values
    adata.uns.update(colors)
    adata.uns[key] = notes
    return key


def origin(fitted: Fitted) -> dict:
    """Return where the results come from, in types supported by h5ad and zarr files."""
    found = result_of(fitted)
    parameters = {name: value for name, value in fitted.get_params().items() if name != "genes"}
    return {
        "version": __version__,
        "lineage": _lineages(found),
        "parameters": json.dumps(parameters, default=repr, sort_keys=True),
        "failed_genes": np.array(list(found.failed), dtype=str),
        "failed_reasons": np.array(list(found.failed.values()), dtype=str),
    }


def _colors(adata: AnnData, column: str, clusters: pd.Series, ours: np.ndarray) -> np.ndarray:
    """Return the stored colours of a column with the same categories, which the user may have set, or the default ones."""
    kept = adata.uns.get(f"{column}_colors")
    if kept is not None and np.shape(kept) == ours.shape and column in adata.var:
        stored = pd.Categorical(adata.var[column])
        if list(stored.categories) == list(clusters.cat.categories):
            return np.array(kept, dtype=str)
    return ours


def _remove(adata: AnnData, key: str) -> None:
    """Remove everything that an earlier call wrote under a key."""
    for place, names in (_written_before(adata, key) or {}).items():
        table = getattr(adata, place)
        if place != "varm" and names.intersection(table):
            setattr(adata, place, table[[name for name in table if name not in names]])
    for name in (key, f"{key}_se"):
        adata.varm.pop(name, None)


def _with_gaps(values: pd.Series, whole: pd.Series):
    """Return a column for all genes, in a type that files support if some genes have no value."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return whole.array
    if pd.api.types.is_bool_dtype(values):
        return whole.astype("boolean").array
    if pd.api.types.is_numeric_dtype(values):
        return whole.to_numpy(dtype=float)
    return text_categories(whole.where(whole.isna(), whole.astype(str)))


def _check_names(found: FitResult) -> None:
    """Raise a ValueError if a name contains NUL, which HDF5 files do not support."""
    for kind, names in (("Gene", found.genes), ("Gene", found.failed), ("Lineage", found.names)):
        for name in names:
            if name is not None and "\0" in str(name):
                raise ValueError(
                    f"{kind} {str(name)!r} contains the character NUL, which files do not support. Rename it and fit again."
                )


def _writable(table: pd.DataFrame) -> pd.DataFrame:
    table = table.rename(columns=column_keys(table.columns))  # with several lineages, columns contain their names
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]) and not isinstance(table[name].dtype, pd.CategoricalDtype):
            table[name] = table[name].astype(object).where(table[name].notna(), "").astype(str)
    table.index.name = None
    return table


def _categories(result: FitResult) -> dict[str, tuple[pd.Categorical, np.ndarray]]:
    """Return the numbers and the names of the genes' clusters as categories, with the colours that scanpy's plots expect.

    Numbers are integers, which can be compared with `== 0` and may have missing values. -1 is the first, "unassigned" the
    last category.
    """
    numbers, names = np.unique(result.labels).astype(int), result.cluster_names
    colors = np.array([*cluster_colors(result.n_clusters), UNASSIGNED_COLOR])
    by_name = numbers
    if -1 in numbers:
        names, by_name = [*names, UNASSIGNED], np.roll(numbers, -1)
    named = pd.Categorical(names_of_genes(result.labels, result.cluster_names), categories=text_index(names))
    return {
        "cluster": (pd.Categorical(result.labels, categories=numbers), colors[numbers]),
        "cluster_name": (named, colors[by_name]),
    }


def _scores_of(result: FitResult, adata: AnnData, key: str, wanted: bool | None) -> dict[str, np.ndarray]:
    """Return the module scores of the cells by obs column; if `wanted` is `None`, where they can be computed."""
    if wanted is False:
        return {}
    try:
        scores = module_scores(result, adata)
    except ValueError as error:
        if wanted:
            raise
        _log.info("No module scores are written: %s", error)
        return {}
    return {f"{key}_score_{name}": column for name, column in zip(result.cluster_names, scores.T, strict=True)}


def _listed(value: object) -> list[str]:
    """Return one name or several as a list of strings."""
    return [str(one) for one in np.ravel(np.asarray(value, dtype=object))]


def _rows_of(adata: AnnData, genes: Sequence[str]) -> np.ndarray:
    """Return the position of each gene in an AnnData, -1 if missing."""
    if not adata.var_names.is_unique:
        twice = adata.var_names[adata.var_names.duplicated()].unique()
        raise ValueError(
            f"var_names contains {quoted(list(twice), 5)} more than once, so that results cannot be written by name. "
            "Make them unique: adata.var_names_make_unique()."
        )
    rows = adata.var_names.get_indexer(list(genes))
    if len(rows) and np.all(rows < 0):
        raise ValueError(
            f"adata has none of the {len(rows)} genes that were fitted ({quoted(list(genes), 3)}); its var_names are "
            f"{quoted(list(adata.var_names), 3)}. Pass an AnnData with the same names of genes."
        )
    return rows


def _written_before(adata: AnnData, key: str) -> dict[str, set[str]] | None:
    """Return the names of what an earlier `write_to` wrote, by place; `None` if `uns[key]` is not of it."""
    stored = adata.uns.get(key)
    if not isinstance(stored, Mapping) or "version" not in stored:
        return None
    columns, scores = (set(_listed(stored.get(name, ()))) for name in ("columns", "scores"))
    return {"var": columns, "obs": scores, "varm": {key, f"{key}_se"}}


def _warn_of_replaced(adata: AnnData, key: str, written: Mapping[str, Iterable[str]]) -> None:
    """Warn of replaced entries that were not written by `write_to`."""
    before = _written_before(adata, key)
    if before is not None and not before["var"]:  # by an early release, which did not record them
        return
    own = before or {}
    found = [
        f"{place}[{name!r}]"
        for place, names in written.items()
        for name in names
        if name in getattr(adata, place) and name not in own.get(place, ())
    ]
    if before is None and adata.uns.get(key) is not None:
        found.append(f"uns[{key!r}]")
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        warn(f"write_to replaces {', '.join(found[:3])}{more}, which it did not write. Pass key=... to keep them.")


def _warn_of_unwritable(adata: AnnData) -> None:
    """Warn of arrays in obsm that `write_h5ad` does not support: array subclasses, such as a Lineage object of CellRank."""
    for key, values in adata.obsm.items():
        if type(values) is not np.ndarray and isinstance(values, np.ndarray) and not _can_be_written(values):
            names = f", adata.obsm[{key!r}].names" if getattr(values, "names", None) is not None else ""
            warn(
                f"adata.obsm[{key!r}] is a live {type(values).__name__} object, which AnnData files do not support: "
                f"adata.write_h5ad will fail. Replace it before you write the file, for instance by adata.obsm[{key!r}] "
                f"= pd.DataFrame(np.asarray(adata.obsm[{key!r}]), adata.obs_names{names})."
            )


def _can_be_written(values: np.ndarray) -> bool:
    """Try to write one row of an array to a file in memory."""
    import h5py
    from anndata.io import write_elem

    with h5py.File("probe.h5", "w", driver="core", backing_store=False) as file:
        try:
            write_elem(file, "values", values[:1])
        except Exception:  # the error depends on the version of anndata
            return False
    return True
