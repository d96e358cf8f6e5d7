"""One gene along one lineage: its cells, its model, its trend."""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..lineage.lineage import Lineage
from ..lineage.time.time_range import find_time_range
from ..lineage.weights.source import check_members, clip_weights
from ..utils.atomic import write_whole
from ..utils.checking import as_path, as_vector, check_number, check_share
from ..utils.memory import check_points
from ..utils.types import TimeRange, WeightThreshold
from .group_fit import GroupFit, fit_group, slope_with_interval
from .pairing import predict_model, resolve_pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class GeneTrend:
    """The trend of one gene along one lineage, stored as arrays without AnnData.

    Parameters
    ----------
    gene, lineage : str
        Names of the gene and the lineage.
    x_all, y_all, w_all : array-like of shape (n_cells,), optional
        Pseudotime, expression and lineage weight of all cells; weights default to 1.
    smoother, model : estimators, optional
        Components, which `fit` clones; `None` = `BSplineSmoother()` and `GAM()`.

    Attributes
    ----------
    gene, lineage : str
        Names of the gene and the lineage.
    x_all, y_all, w_all : ndarray of shape (n_cells,) or None
        Pseudotime, expression and lineage weight of all cells.
    x, y, w : ndarray of shape (n_used,) or None
        Pseudotime, expression and weights of the fitted cells.
    cells : ndarray of int, shape (n_used,) or None
        Their positions among all cells.
    x_test : ndarray of shape (n_points,)
        Grid of pseudotime.
    y_test : ndarray of shape (n_points,)
        Trend on the grid, once fitted.
    conf_int : ndarray of shape (n_points, 2) or None
        Pointwise 95 % confidence interval of the trend; `None` if the model provides none.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust import GeneTrend
    >>> t = np.linspace(0, 1, 60)
    >>> trend = GeneTrend("a", "Ery", t, np.sin(3 * t)).prepare(time_range=0.9).fit()
    >>> trend.predict(np.array([0.5])).round(2).tolist()
    [1.0]
    """

    _terms: tuple[str, ...] = ()  # what the fit used besides the cells, also for trends in files of earlier versions

    def __init__(
        self,
        gene: str,
        lineage: str | None,
        x_all: ArrayLike | None = None,
        y_all: ArrayLike | None = None,
        w_all: ArrayLike | None = None,
        *,
        smoother: Any = None,
        model: Any = None,
    ):
        self.gene, self.lineage = gene, lineage
        self.x_all = None if x_all is None else as_vector("x_all", x_all)
        self.y_all = None if y_all is None else as_vector("y_all", y_all)
        self.w_all = None if w_all is None else as_vector("w_all", w_all)
        if self.x_all is not None and w_all is None:
            self.w_all = np.ones(len(self.x_all))
        sizes = [None if values is None else len(values) for values in (self.x_all, self.y_all, self.w_all)]
        if len(set(sizes)) > 1:
            raise ValueError(f"x_all, y_all and w_all must have one value per cell; their lengths are {sizes}.")
        absent: np.ndarray | None = None
        self.x = self.y = self.w = self.cells = self.x_test = self.y_test = self.conf_int = absent
        self._asked = (smoother, model)
        self._group: GroupFit | None = None  # the fit, in which it is the only gene, and its column in the model
        self._column = 0

    def prepare(
        self,
        time_range: TimeRange = None,
        *,
        endpoint: str = "plateau",
        endpoint_threshold: float | None = None,
        weight_threshold: WeightThreshold = (0.01, 0.0),
        filter_cells: float | None = None,
        n_points: int = 200,
        **ignored: Any,
    ) -> Self:
        """Select the cells to fit and the grid.

        Parameters
        ----------
        time_range, endpoint, endpoint_threshold, weight_threshold, n_points
            As in :class:`lineage_clust.TrendClusterer`.
        filter_cells : float, default=None
            Cells with expression of at most this value are excluded.
        **ignored
            Further keywords that callbacks receive (gene, lineage, keys); not used.

        Returns
        -------
        GeneTrend
            The trend.

        Raises
        ------
        ValueError
            If no cell remains.
        """
        if self.x_all is None or self.y_all is None or self.w_all is None:
            raise ValueError(
                f"The trend of {self.gene!r} has no cells and cannot be prepared. Get it from TrendClusterer.gene_trends("
                "adata), which includes the cells, or create one: GeneTrend(gene, lineage, x_all, y_all, w_all)."
            )
        check_number("filter_cells", filter_cells, or_none=True)
        check_points(n_points)
        finite = np.isfinite(self.x_all) & np.isfinite(self.w_all)
        x, w = self.x_all[finite], clip_weights(self.w_all[finite], weight_threshold)
        if len(x) == 0:
            raise ValueError("No cell has a finite pseudotime and weight.")
        check_members(self.w_all[finite], weight_threshold, self.lineage)
        start, end = find_time_range(
            x, w, time_range=time_range, endpoint=endpoint, threshold=endpoint_threshold, n_points=n_points,
            lineage=str(self.lineage),
        )  # fmt: skip
        used = (x >= start) & (x <= end) & (w > 0)
        y = self.y_all[finite]
        if filter_cells is not None:
            used &= y > filter_cells
        if not used.any():
            raise ValueError(f"No cell remains in [{start:g}, {end:g}] with filter_cells={filter_cells!r}.")
        self.x, self.y, self.w = x[used], y[used], w[used]
        self.cells = np.flatnonzero(finite)[used]
        self.x_test = np.linspace(start, end, n_points)
        self.y_test = self.conf_int = self._group = None
        return self

    @property
    def is_prepared(self) -> bool:
        """Whether the cells to fit and the grid are selected."""
        return self._chosen() is not None

    def _chosen(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
        """Return pseudotime, expression and weights of the cells to fit, and the grid; None before `prepare`."""
        if self.x is None or self.y is None or self.w is None or self.x_test is None:
            return None
        return self.x, self.y, self.w, self.x_test

    def fit(self) -> Self:
        """Fit the model to the prepared cells, and predict on the grid.

        Returns
        -------
        GeneTrend
            The trend.

        Raises
        ------
        ValueError
            If the trend is not prepared, or was fitted with covariates, an offset, donors or draws of pseudotime.
        """
        if self._terms:
            raise ValueError(
                f"The trend of {self.gene!r} was fitted with {' and '.join(self._terms)}, which a single trend does not "
                f"contain. To fit it again, use TrendClusterer(..., genes=[{self.gene!r}])."
            )
        chosen = self._chosen()
        if chosen is None:
            raise ValueError(f"Call prepare() on the trend of {self.gene!r} before fit().")
        x, y, w, grid = chosen
        smoother, model = resolve_pair(*self._asked)
        ends = float(grid[0]), float(grid[-1])
        lineage = Lineage(self.lineage, x, w, y[:, None], [self.gene], *ends, np.arange(len(x)))
        group = fit_group(lineage, grid, smoother, model)
        if group.failed:
            raise ValueError(f"{self.gene!r} cannot be fitted: {group.failed[0]}")
        self._adopt(group, 0)
        return self

    def predict(self, x_test: ArrayLike | None = None) -> np.ndarray:
        """Return the trend `(n_points,)` at new pseudotimes, or on the grid."""
        group = self._fitted()
        if x_test is None:
            return np.asarray(self.y_test)
        return predict_model(group.model, group.design(as_vector("x_test", x_test)), None)[0][:, self._column]

    def confidence_interval(self, x_test: ArrayLike | None = None, level: float = 0.95) -> np.ndarray | None:
        """Return the pointwise confidence interval `(n_points, 2)`; None if the model provides none."""
        group = self._fitted()
        check_share("level", level)
        ends = group.interval(group.grid if x_test is None else as_vector("x_test", x_test), level)
        return None if ends is None else np.column_stack([end[:, self._column] for end in ends])

    def derivative(self, x_test: ArrayLike | None = None, level: float = 0.95) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the slope of the trend, in units of expression per unit of pseudotime, and its pointwise interval.

        Parameters
        ----------
        x_test : array-like of shape (n_points,), default=None
            Pseudotimes; `None` = the grid.
        level : float, default=0.95
            Coverage of the interval.

        Returns
        -------
        slope : ndarray of shape (n_points,)
        interval : ndarray of shape (n_points, 2) or None
            `None` if the model has no posterior. The trend rises or falls where the interval does not contain 0.

        Notes
        -----
        Central differences of the trend. The interval of a Gaussian GAM is computed from the same differences of basis
        rows and the covariance of the coefficients, without simulation (Wood 2017, Generalized Additive Models, section
        7.2.4); that of other models from 400 posterior samples.

        Examples
        --------
        >>> import numpy as np
        >>> from lineage_clust import GeneTrend
        >>> t = np.linspace(0, 1, 60)
        >>> slope, interval = GeneTrend("a", "Ery", t, 3 * t).prepare().fit().derivative()
        >>> bool(np.allclose(slope, 3)), interval.shape
        (True, (200, 2))
        """
        group = self._fitted()
        check_share("level", level)
        times = group.grid if x_test is None else as_vector("x_test", x_test)
        return slope_with_interval(group, self._column, times, level)

    def to_frame(self) -> pd.DataFrame:
        """Return the trend as a table: gene, lineage, pseudotime, trend, lower, upper."""
        group = self._fitted()
        bounds = np.full((len(group.grid), 2), np.nan) if self.conf_int is None else self.conf_int
        names = {"gene": self.gene, "lineage": self.lineage}
        ends = {"lower": bounds[:, 0], "upper": bounds[:, 1]}
        return pd.DataFrame(names | {"pseudotime": group.grid, "trend": group.values[0]} | ends)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot cells (if available), trend and interval; return the Axes."""
        self._fitted()
        # loaded when needed: figures are made of trends, and trends do not depend on them
        return import_module("lineage_clust.plotting").plot_gene_trend(self, ax)

    def write(self: object, path: str | Path) -> None:
        """Write the trend to a file (a pickle: read only files you trust)."""
        content = pickle.dumps(self)
        write_whole(path, lambda draft: draft.write_bytes(content))

    @staticmethod
    def read(path: str | Path) -> GeneTrend | FailedTrend:
        """Read a trend written by :meth:`write` (a pickle: read only files you trust)."""
        data = as_path(path).read_bytes()
        try:
            trend = pickle.loads(data)
        except Exception as error:  # a damaged pickle can raise any exception
            raise ValueError(f"{str(path)!r} is not a file of GeneTrend.write, or it is damaged ({error}).") from error
        if not isinstance(trend, (GeneTrend, FailedTrend)):
            raise ValueError(f"{str(path)!r} contains a {type(trend).__name__}, not a trend.")
        if isinstance(trend, GeneTrend) and "_group" not in vars(trend):
            raise ValueError(
                f"{str(path)!r} was written by an earlier version. Fit the trend again, or open it with that version."
            )
        return trend

    def _adopt(self, group: GroupFit, column: int) -> None:
        self._group, self._column = group.of_gene(column)
        self._asked, self.x_test, self.y_test = group.asked, group.grid, self._group.values[0]
        self.conf_int = self.confidence_interval()

    def _fitted(self) -> GroupFit:
        """Return the fit, or raise an error if there is none."""
        if self._group is None:
            raise ValueError(f"The trend of {self.gene!r} is not fitted. Call prepare() and fit() first.")
        return self._group

    def __repr__(self) -> str:
        state = "fitted" if self._group is not None else "prepared" if self.is_prepared else "empty"
        return f"GeneTrend[gene={self.gene!r}, lineage={self.lineage!r}, {state}]"


class FailedTrend:
    """Placeholder for a gene that could not be fitted: falsy, and raises the cause when used.

    Attributes
    ----------
    gene, lineage : str
        What failed.
    stage : str
        Step that failed: "prepare", "fit" or "predict".
    reason : str
        Cause of the failure.

    Examples
    --------
    >>> bool(FailedTrend("a", "Ery", "fit", "no expression in any cell"))
    False
    """

    def __init__(self, gene: str, lineage: str | None, stage: str, reason: str):
        self.gene, self.lineage, self.stage, self.reason = gene, lineage, stage, reason

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        self.reraise()

    def reraise(self) -> None:
        """Raise a ValueError with the cause."""
        raise ValueError(f"{self.gene!r} has no trend along {self.lineage!r}: it failed in {self.stage}: {self.reason}")

    write = GeneTrend.write

    def __repr__(self) -> str:
        known = f"gene={self.gene!r}, lineage={self.lineage!r}"
        return f"FailedTrend[{known}, stage={self.stage!r}, reason={self.reason!r}]"
