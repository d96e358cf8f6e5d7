"""The protocols; see :mod:`lineage_clust.contracts` for the common conventions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from ..utils.types import Matrix, Predicted


@runtime_checkable
class Smoother(Protocol):
    """A transformer from pseudotime to basis functions, such as any transformer of scikit-learn.

    Optional:

    - an attribute `penalty_`, see :class:`PenalisedSmoother`;
    - a parameter `domain`: where it is `None`, :class:`~lineage_clust.TrendClusterer` sets it, on its own copy, to
      `(start, end)` of the lineage, in units of pseudotime;
    - an attribute `penalty_order`: at least `penalty_order + 1` distinct pseudotimes are required; 1 if it is absent.

    Examples
    --------
    >>> from sklearn.preprocessing import SplineTransformer
    >>> isinstance(SplineTransformer(), Smoother)
    True
    """

    def fit(self, X: ArrayLike, y: Any = None) -> Any:
        """Fit the basis to pseudotime `X` of shape `(n_cells, 1)`; `y` is not passed."""

    def transform(self, X: ArrayLike) -> Matrix:
        """Return `(n_times, n_splines)`, an array or a sparse matrix, for pseudotime `X` of shape `(n_times, 1)`.

        It is also called with times that are not in the data of `fit` (the grid). The basis need not contain the
        constant, because :class:`~lineage_clust.GAM` then adds an intercept.
        """


@runtime_checkable
class PenalisedSmoother(Smoother, Protocol):
    """A smoother with a roughness penalty. Without a penalty, the basis has to be small.

    Examples
    --------
    >>> from lineage_clust import BSplineSmoother
    >>> isinstance(BSplineSmoother().fit([[0.0], [1.0]]), PenalisedSmoother)
    True
    """

    penalty_: np.ndarray
    """Symmetric, positive semi-definite, `(n_splines, n_splines)`: with coefficients `b`, a curve's roughness is `b' S b`."""


@runtime_checkable
class Model(Protocol):
    """A regressor; any regressor of scikit-learn is one.

    Without further declarations it is fitted once to all genes if its tag `target_tags.multi_output` is set, and
    otherwise as one copy per gene, in parallel. A :class:`DesignModel` fits all genes itself.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> isinstance(Ridge(), Model)
    True
    """

    def fit(self, X: Matrix, y: ArrayLike) -> Any:
        """Fit expression `y` of shape `(n_cells, n_genes)` or `(n_cells,)` on the smoother's columns `X` of the cells.

        With `smoother="passthrough"`, `X` is pseudotime itself, `(n_cells, 1)`. If `fit` has the argument
        `sample_weight`, it receives the lineage weights of the cells, `(n_cells,)`; without it, all cells have equal
        weight, and a warning is raised.
        """

    def predict(self, X: Matrix) -> Predicted:
        """Return the trends `(n_rows, n_genes)` or `(n_rows,)`, in units of expression."""


@runtime_checkable
class DesignModel(Protocol):
    """A model that fits all genes at once, declared by the attribute `reads`.

    Arguments of `fit` that it may have, by name: `sample_weight` `(n_cells,)`; `penalty`, the smoother's `penalty_` or
    `None`, for the leading columns of `X`, of which further ones are covariates; `offset` `(n_cells,)`, on the scale of
    the linear predictor (without this argument, offsets raise an error); `groups` `(n_cells,)`, the donors that are
    replicates (without it, `sample_key` raises an error); and `smoother`, an unfitted copy, if it reads pseudotime.

    Optional declarations on the class:

    - `takes_sparse_y = True`: `y` may be a CSR or CSC matrix. Without it, `y` is an array.
    - `reads_blocks = True`: `y` may also be an :class:`ExpressionMatrix`.
    - scikit-learn's tag `input_tags.sparse`: `X` may be a sparse matrix. Without it, `X` is an array.
    - `needs_smoother = "BSplineSmoother"`: other smoothers raise an error.

    Optional attributes after `fit`:

    - `failed_`, a dictionary from the position of a gene to the reason for its failure. Genes with predictions that are
      not finite always fail.
    - `edf_`, `pvalue_`, `deviance_explained_`, `lambda_`, `converged_` and `note_`, `(n_genes,)`, are columns of
      `gene_table_`. Without `pvalue_`, or if the class says `has_test = False`, all genes are clustered, except those whose
      `converged_` is false or whose `deviance_explained_` is negative (unless the class says `minimises_deviance = False`).
    - `spread_`, `(n_genes,)`, the standard deviation of expression as fitted: a trend that varies by less than a millionth
      of it is constant.

    Optional methods: `predict(X, return_std=True)`, which returns means and standard errors (`None` if there are none);
    `confidence_interval(X, level)`, which returns lower and upper ends; and those of :class:`PosteriorModel`.

    Examples
    --------
    >>> from lineage_clust import PyGAM
    >>> isinstance(PyGAM(), DesignModel), PyGAM.reads
    (True, 'pseudotime')
    """

    reads: ClassVar[str]
    """"design": `X` is the smoother's columns, and covariates. "pseudotime": `X` is pseudotime, `(n_cells, 1)`."""

    def fit(self, X: Matrix, y: Any) -> Any:
        """Fit `y` of shape `(n_cells, n_genes)`, one column per gene."""

    def predict(self, X: Matrix) -> Predicted:
        """Return the trends `(n_rows, n_genes)`, NaN for genes that failed."""


@runtime_checkable
class PosteriorModel(DesignModel, Protocol):
    """A model that provides posterior samples of its trends.

    The samples determine `confidence` and the number of clusters. Without them, the model is fitted to three pairs of
    halves of the cells, if the clusterer needs draws.

    Examples
    --------
    >>> from lineage_clust import GAM, PyGAM
    >>> isinstance(GAM(), PosteriorModel), isinstance(PyGAM(), PosteriorModel)
    (True, False)
    """

    def sample(self, X: Matrix, n_draws: int, random_state: int) -> Iterable[np.ndarray]:
        """Yield `n_draws` samples of the trends `(n_rows, n_genes)` from their joint posterior over the rows.

        The samples of a gene must not depend on the other genes, because subsets are requested. A method with an
        argument `unconditional` is called with `unconditional=True`: samples should then include the uncertainty of the
        smoothing parameters.
        """


@runtime_checkable
class SelectiveModel(PosteriorModel, Protocol):
    """A model that can be restricted to some genes, so that only these are sampled.

    Examples
    --------
    >>> from lineage_clust import GAM
    >>> isinstance(GAM(), SelectiveModel)
    True
    """

    def take_genes(self, genes: Any) -> Any:
        """Return a fitted model of the genes at the given positions, in this order."""


@runtime_checkable
class ExpressionMatrix(Protocol):
    """Expression `(n_cells, n_genes)` that is read in blocks from where it is stored.

    Models that declare `reads_blocks = True` receive it as `y` if the expression is in a file larger than the memory
    budget, in dask, or in a large sparse matrix. Other models receive an array, a CSR or a CSC matrix.

    Examples
    --------
    >>> from scipy import sparse
    >>> from lineage_clust.expression.storage.blocks import BlockedExpression
    >>> Y = BlockedExpression(sparse.csr_array([[0.0, 1.0], [2.0, 0.0]]))
    >>> isinstance(Y, ExpressionMatrix)
    True
    >>> [block.sum() for cells, genes, block in Y.blocks()]
    [np.float64(3.0)]
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells and genes."""

    def __getitem__(self, key: Any) -> Any:
        """Return some cells, or `[cells, genes]`, as an expression matrix; nothing is read."""

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        """Return the product `(n_cells, k)` with an array `(n_genes, k)`, in one pass."""

    def blocks(self) -> Iterator[tuple[Any, Any, Any]]:
        """Yield `(cells, genes, block)` of all values, in one pass: positions, and an array or sparse matrix of float64."""

    def to_memory(self) -> Any:
        """Return all values as an array or a sparse matrix."""


@runtime_checkable
class Clusterer(Protocol):
    """A clusterer of rows; any clusterer of scikit-learn is one, and mixture models are.

    After `fit`, `labels_` `(n_rows,)` contains numbers or strings; negative numbers, NaN and `None` mark genes without a
    cluster. If a class has no `labels_`, `predict` is called instead.

    Optional:

    - `predict(X)`: the labels of new rows. Without it, new genes get the cluster of the nearest fitted trend.
    - a parameter `random_state`: if it is `None`, it is set, on a copy, to that of TrendClusterer.
    - the attributes of a :class:`DrawnClusterer`.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> isinstance(KMeans(), Clusterer)
    True
    """

    def fit(self, X: ArrayLike) -> Any:
        """Cluster the scaled trends `X` `(n_genes, n_points)`, one gene per row."""


@runtime_checkable
class DrawnClusterer(Clusterer, Protocol):
    """A clusterer that uses posterior samples of the trends. `confidence_` `(n_rows,)`, from 0 to 1, is in `gene_table_`.

    Optional:

    - a property `needs_draws`: whether `labels_` depend on them. If it is true, draws are made, at some cost, even for
      models without a posterior.
    - if it is false, a method `confidence(draws)` that returns `(n_rows,)`: it is called when the table is first
      accessed.

    Examples
    --------
    >>> from lineage_clust import GraphClusterer
    >>> isinstance(GraphClusterer(), DrawnClusterer)
    True
    """

    uses_draws: ClassVar[bool]
    """`True`."""

    def fit(self, X: ArrayLike, y: Any = None, draws: Iterable[np.ndarray] | None = None) -> Any:
        """Cluster the rows; each of the `draws` has the shape of `X`. There may be no draws."""
