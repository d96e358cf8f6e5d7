"""Cross-validation splits of cells along pseudotime."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from .lineage.lineage import check_anndata
from .lineage.time.pseudotime import read_times
from .lineage.weights.keys import check_one_lineage
from .utils.checking import check_seed
from .utils.constraints import integer
from .utils.types import Seed


class PseudotimeKFold:
    """K-fold splits of cells in which every fold covers the whole range of pseudotime.

    Cells are sorted by pseudotime, and each run of `n_splits` consecutive cells is distributed over the folds in random
    order. With contiguous folds of sorted cells, models would have to extrapolate.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds.
    time_key : str, default=None
        Key of pseudotime; `None` = the keys of common tools.
    lineage : str, default=None
        Required if pseudotime is a matrix with one column per lineage.
    random_state : int, RandomState or None, default=0
        Seed of the random assignment.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> train, test = next(PseudotimeKFold(5).split(adata))
    >>> len(test) * 5 == adata.n_obs
    True
    """

    def __init__(
        self, n_splits: int = 5, *, time_key: str | None = None, lineage: str | None = None, random_state: Seed = 0
    ):
        self.n_splits = n_splits
        self.time_key = time_key
        self.lineage = lineage
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the positions of training and test cells.

        Parameters
        ----------
        X : AnnData
            Cells.
        y, groups : None
            Ignored.

        Raises
        ------
        ValueError
            If there are fewer cells than folds.
        """
        check_anndata(X)
        integer(2).check("n_splits", self.n_splits)
        check_seed("random_state", self.random_state)
        check_one_lineage(self.lineage)
        if X.n_obs < self.n_splits:
            raise ValueError(f"{X.n_obs} cells cannot be split into {self.n_splits} folds. Lower n_splits.")
        pseudotime = read_times(X, self.time_key, self.lineage, np.ones(X.n_obs)).mean
        if not np.isfinite(pseudotime).any():
            raise ValueError("No cell has a finite pseudotime, so no fold can be fitted. Check time_key.")
        order = np.argsort(pseudotime, kind="stable")  # NaN last; the fit excludes these cells
        generator = check_random_state(self.random_state)
        n_rounds = -(-len(order) // self.n_splits)
        dealt = np.concatenate([generator.permutation(self.n_splits) for _ in range(n_rounds)])[: len(order)]
        fold_of = np.empty(len(order), dtype=int)
        fold_of[order] = dealt
        for fold in range(self.n_splits):
            yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)

    def __repr__(self) -> str:
        return (
            f"PseudotimeKFold(n_splits={self.n_splits}, time_key={self.time_key!r}, lineage={self.lineage!r}, "
            f"random_state={self.random_state!r})"
        )
