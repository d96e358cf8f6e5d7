"""Thinning of the counts of an AnnData into two independent ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from ..errors import UnknownNameError, did_you_mean
from ..expression.storage.sources import in_dask, is_stored
from ..io.cells import make_anndata, read_cells, written_in_blocks
from ..lineage.columns import by_name
from ..lineage.genes.expression import stored_matrix, with_annotations
from ..lineage.lineage import check_anndata
from ..trends.trends import seed_of
from ..utils.atomic import beside, naming, removed_on_failure, replace_all, target_of
from ..utils.checking import as_path, as_vector, check_seed, check_share, shortened
from ..utils.constraints import is_real
from ..utils.types import Seed
from .splitting import Splitter, canonical, check_counts, estimate_dispersion

if TYPE_CHECKING:
    from anndata import AnnData

ESTIMATE = "estimate"
_MOST_CELLS = 5000  # number of cells from which dispersions are estimated


def thin_counts(
    adata: AnnData,
    layer: str | None = None,
    fraction: float = 0.5,
    dispersion: Any = ESTIMATE,
    *,
    random_state: Seed = None,
    paths: Sequence[str | Path] | None = None,
) -> tuple[AnnData, AnnData]:
    """Split the counts of every cell into two AnnData that are independent given the true expression of the cell.

    Compute pseudotime from the first and test trends in the second: the order of the cells is then independent of the
    noise in the tested counts, so that p-values are valid. They are not if the same counts are used for both.

    Parameters
    ----------
    adata : AnnData of shape (n_cells, n_genes)
        Cells x genes, with counts. It is not modified.
    layer : str, default=None
        Layer with the counts; `None` = `X`.
    fraction : float, default=0.5
        Expected fraction of the counts in the first part, between 0 and 1.
    dispersion : "estimate", float, str, Series or array-like of shape (n_genes,), default="estimate"
        Dispersion of the negative binomial of each gene around its mean in a cell, variance = mean + dispersion * mean ** 2:
        estimated (from at most 5,000 cells), a number, a column of `var`, or one number per gene (a Series by name).
        0 = Poisson: if counts are overdispersed, the parts are then positively correlated, and tests remain invalid.
    random_state : int, RandomState or None, default=None
        Seed. The same integer gives the same split, whether counts are dense, sparse, in a file or in dask. If a part
        (marked by `uns["thin_counts"]`) is split again, other random numbers are used, because its parts would
        otherwise be correlated with the rest.
    paths : pair of str or path, default=None
        Two h5ad files to which the parts are written in blocks of cells, so that neither part is in memory. The parts
        are the same as without `paths`. Existing files are replaced once both parts are complete.

    Returns
    -------
    first, second : AnnData of shape (n_cells, n_genes)
        Their counts, in `X` and in `layer`, sum to those of `adata`; sparse counts remain sparse (CSR). `obs` and `var`
        are copied, and `var["dispersion"]` contains the dispersion of the counts before thinning. Everything that may
        have been computed from all counts (other layers, obsm, varm, obsp, varp, uns, raw) is left out. Columns of obs,
        such as an old pseudotime, are kept: do not use them. With `paths`, the parts are opened from these files with
        ``backed="r"``, and counts are in `X` only, because anndata would load a layer.

    Raises
    ------
    TypeError
        If `adata` is not an AnnData, or a parameter has a wrong type.
    UnknownNameError
        If the layer, or the column of dispersions, is missing.
    ValueError
        If values are not counts, a parameter is out of range, or `paths` are not two files other than that of `adata`.

    See Also
    --------
    lineage_clust.dipping_check : P-values without any change of expression.

    Notes
    -----
    For the split see :class:`lineage_clust.thinning.splitting.Splitter`, for the estimate of the dispersion see
    :func:`lineage_clust.thinning.splitting.estimate_dispersion`. The parts still share the depth of each cell. If counts
    are low, logs of normalised counts depend on depth, and so does their first principal component. Therefore test counts
    with ``GAM("negative_binomial")`` and size factors, or use the log of the total as a covariate. The page "The same
    genes twice" of the documentation has measurements.

    Dask arrays remain lazy: parts are computed when needed. A file is read in blocks of cells, and the parts are in
    memory, unless `paths` are given. Counts stored by genes (CSC), and a view of a file, are loaded first in
    both cases.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.simulate_lineage(300, 50, random_state=0)
    >>> first, second = lc.thin_counts(adata, layer="counts", random_state=0)
    >>> int(abs(first.X + second.X - adata.layers["counts"]).sum())
    0
    """
    check_anndata(adata)
    check_share("fraction", fraction)
    check_seed("random_state", random_state)
    adata = with_annotations(adata)
    matrix: Any = stored_matrix(adata, layer, False)
    files = None if paths is None else _check_paths(paths, adata, matrix)
    generator = check_random_state(random_state)
    seed = int(generator.randint(2**31 - 1))
    values = _dispersion(adata, matrix, dispersion, generator)
    path = _path(adata)
    if path:
        seed = seed_of(seed, path)
    splitter = Splitter(float(fraction), values, seed)
    matrix = _by_cells(matrix)
    if files is not None:
        return _in_files(files, [_half(adata, None, {}, values, splitter, part) for part in (0, 1)], splitter, matrix)
    if in_dask(matrix):
        parts = [matrix.map_blocks(_part_of_block, splitter=splitter, part=part, dtype=matrix.dtype, meta=matrix._meta)
                 for part in (0, 1)]  # fmt: skip
    else:
        parts = list(splitter.parts(matrix))
    # X is often normalised in place, and the layer must not change
    layers = [{} if layer in (None, "X") else {layer: part.copy()} for part in parts]
    first, second = (_half(adata, parts[part], layers[part], values, splitter, part) for part in (0, 1))
    return first, second


def _check_paths(paths: Any, adata: AnnData, matrix: Any) -> list[Path]:
    """Return the paths of two files; raise an error if they are not, or are the file of the AnnData or of its counts."""
    if isinstance(paths, (str, bytes, PathLike)) or np.ndim(paths) != 1 or len(paths) != 2:
        raise ValueError(f"paths must be two names of files, of the first and the second part; got {shortened(paths)}.")
    files = [as_path(path) for path in paths]
    targets = [target_of(path) for path in files]
    if targets[0] == targets[1]:
        raise ValueError(f"paths must be two files; {str(files[0])!r} and {str(files[1])!r} are the same.")
    of_matrix = getattr(getattr(matrix, "group", matrix), "file", None)
    for own in (adata.filename, getattr(of_matrix, "filename", None)):
        if own is not None and target_of(as_path(own)) in targets:
            raise ValueError(f"paths contain {str(own)!r}, the file of adata. Choose other names.")
    return files


def _in_files(
    files: Sequence[Path], tables: Sequence[AnnData], splitter: Splitter, matrix: Any
) -> tuple[AnnData, AnnData]:
    """Write both parts to files in one pass over the counts, and return them, opened."""
    drafts = [beside(target_of(file)) for file in files]
    with removed_on_failure(*drafts):
        with ExitStack() as open_files:
            appending = []
            for file, draft, own in zip(files, drafts, tables, strict=True):
                with naming(file):
                    appending.append(open_files.enter_context(written_in_blocks(draft, own)))
            for parts in splitter.blocks(matrix):
                for file, append, part in zip(files, appending, parts, strict=True):
                    with naming(file):
                        append(part)
        replace_all({file: partial(os.replace, draft) for file, draft in zip(files, drafts, strict=True)})
    first, second = (read_cells(file, backed=True) for file in files)
    return first, second


def _path(adata: AnnData) -> str:
    """Return an identifier of repeated thinning, such as "01", or "" for original counts."""
    notes = adata.uns.get("thin_counts")
    return str(notes.get("part", "")) if isinstance(notes, Mapping) else ""


def _dispersion(adata: AnnData, matrix: Any, dispersion: Any, generator: np.random.RandomState) -> np.ndarray:
    if isinstance(dispersion, str) and dispersion == ESTIMATE:
        return estimate_dispersion(some_rows(matrix, generator), generator)
    if isinstance(dispersion, str):
        if dispersion not in adata.var:
            raise UnknownNameError(
                f"dispersion {dispersion!r} is not in adata.var.{did_you_mean(dispersion, adata.var.columns)} Pass "
                "'estimate', a number, a column of var, or one number per gene."
            )
        values = as_vector(f"adata.var[{dispersion!r}]", adata.var[dispersion])
    elif is_real(dispersion):
        values = np.full(adata.n_vars, float(dispersion))
    elif np.ndim(dispersion) != 1:
        raise ValueError(
            f"dispersion must be 'estimate', a number, a column of var, or one number per gene; got {shortened(dispersion)}."
        )
    else:
        values = as_vector("dispersion", by_name("dispersion", dispersion, adata.var_names, "genes"))
    if len(values) != adata.n_vars:
        raise ValueError(f"dispersion must have one value per gene, {adata.n_vars}; it has {len(values)}.")
    if not np.all((values >= 0) & (values < np.inf)):
        wrong = values[~((values >= 0) & (values < np.inf))][0]
        raise ValueError(f"dispersion must be finite and not negative; got {wrong:g}. Use 0 for Poisson counts.")
    return values


def some_rows(matrix: Any, generator: np.random.RandomState, most: int = _MOST_CELLS) -> sparse.csr_matrix:
    """Return the counts of a random sample of cells as CSR; raise a ValueError if a value is not a count."""
    n_cells = matrix.shape[0]
    rows = np.sort(generator.choice(n_cells, most, replace=False)) if n_cells > most else slice(None)
    block = matrix[rows]
    block = block.compute() if in_dask(block) else block
    found = canonical(block)
    check_counts(found.data)
    return found


def _by_cells(matrix: Any) -> Any:
    """Return counts of which all genes of some cells can be taken: an array, CSR, stored by cells, or dask."""
    if in_dask(matrix):
        return matrix.rechunk({1: -1})  # random numbers are generated per cell
    if sparse.issparse(matrix):
        return matrix.tocsr()
    if is_stored(matrix):
        return matrix.to_memory().tocsr() if getattr(matrix, "format", None) == "csc" else matrix
    return np.asarray(matrix)


def _half(
    adata: AnnData, counts: Any, layers: dict[str, Any], dispersion: np.ndarray, splitter: Splitter, part: int
) -> AnnData:
    """Return an AnnData with the counts of a part, 0 or 1."""
    share = splitter.fraction if part == 0 else 1 - splitter.fraction
    notes = {"fraction": share, "part": f"{_path(adata)}{part}"}
    half = make_anndata(counts, adata.obs, adata.var, layers, {"thin_counts": notes})
    half.var["dispersion"] = dispersion
    return half


def _part_of_block(block: Any, splitter: Splitter, part: int, block_info: Any = None) -> Any:
    first_row = 0 if not block_info else block_info[0]["array-location"][0][0]
    return splitter.of_block(block, first_row)[part]
