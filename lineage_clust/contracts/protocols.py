"""The protocols; :mod:`lineage_clust.contracts` says what is common to all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from ..utils.types import Matrix, Predicted

__all__ = [
    "Clusterer",
    "DesignModel",
    "DrawnClusterer",
    "ExpressionMatrix",
    "Model",
    "PenalisedSmoother",
    "PosteriorModel",
    "SelectiveModel",
    "Smoother",
]


@runtime_checkable
class Smoother(Protocol):
    """A transformer of pseudotime to the columns of which a model combines curves; any transformer of scikit-learn is one.

    Optional:

    - an attribute `penalty_`, see :class:`PenalisedSmoother`;
    - a parameter `domain`: where it is `None`, :class:`~lineage_clust.TrendClusterer` sets it, on its own copy, to
      `(start, end)` of the lineage, in units of pseudotime;
    - an attribute `penalty_order`: at least `penalty_order + 1` different pseudotimes are asked for; 1 if it is absent.

    Examples
    --------
    >>> from sklearn.preprocessing import SplineTransformer
    >>> isinstance(SplineTransformer(), Smoother)
    True
    """

    def fit(self, X: ArrayLike, y: Any = None) -> Any:
        """Learn the columns from pseudotime `X` of shape `(n_cells, 1)`; `y` is not given."""

    def transform(self, X: ArrayLike) -> Matrix:
        """Return `(n_times, n_splines)`, an array or a sparse matrix, for pseudotime `X` of shape `(n_times, 1)`.

        It is asked for times that were not among those of `fit`: the grid. The constant need not be among the curves
        that the columns combine to: :class:`~lineage_clust.GAM` adds an intercept then.
        """


@runtime_checkable
class PenalisedSmoother(Smoother, Protocol):
    """A smoother that says which of its curves are rough. Without a penalty, all are free, and the basis has to be small.

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

    Without further declarations it is fitted once to all genes if its tag `target_tags.multi_output` says that it takes
    several targets, and else as one copy a gene, in parallel. A :class:`DesignModel` fits all genes itself.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> isinstance(Ridge(), Model)
    True
    """

    def fit(self, X: Matrix, y: ArrayLike) -> Any:
        """Fit expression `y` of shape `(n_cells, n_genes)` or `(n_cells,)` on the smoother's columns `X` of the cells.

        With `smoother="passthrough"`, `X` is pseudotime itself, `(n_cells, 1)`. If `fit` has the argument
        `sample_weight`, it gets the cells' weights in the lineage, `(n_cells,)`; without it, all cells count alike, and a
        warning says so.
        """

    def predict(self, X: Matrix) -> Predicted:
        """Return the trends `(n_rows, n_genes)` or `(n_rows,)`, in units of expression."""


@runtime_checkable
class DesignModel(Protocol):
    """A model that fits all genes itself, as it declares by `reads`.

    Arguments of `fit` that it may have, by name: `sample_weight` `(n_cells,)`; `penalty`, the smoother's `penalty_` or
    `None`, for the leading columns of `X`, of which further ones are covariates; `offset` `(n_cells,)`, on the scale of
    the linear predictor (without it, users who ask for an offset are refused); and `smoother`, an unfitted copy, if it
    reads pseudotime.

    Optional declarations on the class:

    - `takes_sparse_y = True`: `y` may be a CSR or CSC matrix. Without it, `y` is an array.
    - `reads_blocks = True`: `y` may also be an :class:`ExpressionMatrix`.
    - scikit-learn's tag `input_tags.sparse`: `X` may be a sparse matrix. Without it, `X` is an array.
    - `needs_smoother = "BSplineSmoother"`: other smoothers are refused.

    Optional attributes after `fit`:

    - `failed_`, a dictionary from the position of a gene to the reason why it has no trend. Genes whose prediction is
      not finite have none in any case.
    - `edf_`, `pvalue_`, `deviance_explained_`, `lambda_`, `converged_` and `note_`, `(n_genes,)`, are columns of
      `gene_table_`. Without `pvalue_`, all genes are clustered, except those whose `converged_` is false or whose
      `deviance_explained_` is negative (unless the class says `minimises_deviance = False`).
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
        """Fit `y`, one column a gene, `(n_cells, n_genes)`."""

    def predict(self, X: Matrix) -> Predicted:
        """Return the trends `(n_rows, n_genes)`, NaN for genes that failed."""


@runtime_checkable
class PosteriorModel(DesignModel, Protocol):
    """A model that knows how sure its trends are.

    Its draws decide on `confidence`, and on the resolution of the clusters. Without them, the model is fitted to three
    pairs of halves of the cells, if the clusterer needs draws.

    Examples
    --------
    >>> from lineage_clust import GAM, PyGAM
    >>> isinstance(GAM(), PosteriorModel), isinstance(PyGAM(), PosteriorModel)
    (True, False)
    """

    def sample(self, X: Matrix, n_draws: int, random_state: int) -> Iterable[np.ndarray]:
        """Yield `n_draws` trends `(n_rows, n_genes)` drawn from their joint posterior over the rows.

        The draws of a gene must not depend on the other genes: they are asked for subsets. A method with an argument
        `unconditional` is called with `unconditional=True`: draws should then vary the smoothing parameters too.
        """


@runtime_checkable
class SelectiveModel(PosteriorModel, Protocol):
    """A model of which some genes can be taken: draws of these cost no more than these.

    Examples
    --------
    >>> from lineage_clust import GAM
    >>> isinstance(GAM(), SelectiveModel)
    True
    """

    def take_genes(self, genes: Any) -> Any:
        """Return a fitted model of the genes at some positions only, in that order."""


@runtime_checkable
class ExpressionMatrix(Protocol):
    """Expression `(n_cells, n_genes)` that stays where it is stored, and is read in blocks.

    It is `y` for a model that declares `reads_blocks = True`, where the expression lies in a file that exceeds the memory
    budget, in dask, or in a large sparse matrix. Other models get an array, a CSR or a CSC matrix.

    Examples
    --------
    >>> from scipy import sparse
    >>> from lineage_clust.expression.blocks import BlockedExpression
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
        """Return all of it as an array or a sparse matrix."""


@runtime_checkable
class Clusterer(Protocol):
    """A clusterer of rows; any clusterer of scikit-learn is one, and mixture models are.

    After `fit`, `labels_` `(n_rows,)` holds numbers or texts; negative numbers, NaN and `None` are genes without a
    cluster. A class without `labels_` is asked by `predict` instead.

    Optional:

    - `predict(X)`: the labels of new rows. Without it, new genes get the cluster of the nearest fitted trend.
    - a parameter `random_state`: if it is `None`, it is set, on a copy, to that of TrendClusterer.
    - what a :class:`DrawnClusterer` has.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> isinstance(KMeans(), Clusterer)
    True
    """

    def fit(self, X: ArrayLike) -> Any:
        """Group the scaled trends `X`, one gene a row, `(n_genes, n_points)`."""


@runtime_checkable
class DrawnClusterer(Clusterer, Protocol):
    """A clusterer that uses trends drawn anew. `confidence_` `(n_rows,)`, from 0 to 1, goes into `gene_table_`.

    Optional:

    - a property `needs_draws`: whether `labels_` depend on them. If it is true, draws are made, at some cost, even for
      models without a posterior.
    - if it is false, a method `confidence(draws)` that returns `(n_rows,)`: it is called when the table is first looked at.

    Examples
    --------
    >>> from lineage_clust import GraphClusterer
    >>> isinstance(GraphClusterer(), DrawnClusterer)
    True
    """

    uses_draws: ClassVar[bool]
    """`True`."""

    def fit(self, X: ArrayLike, y: Any = None, draws: Iterable[np.ndarray] | None = None) -> Any:
        """Group the rows; each of the `draws` has the shape of `X`. There may be none."""
