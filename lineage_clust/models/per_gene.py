"""Base class of models that are fitted separately per gene."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from scipy import sparse
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from ..errors import check_any_fitted
from ..utils.checking import JOBS, check_backend
from ..utils.matrices import column_of
from ..utils.progress import bar
from .gam.checks import check_offset, check_targets, check_weights, of_used
from .linked import LinkedModel
from .notes import found_in, joined, notes_on

_GENES_A_JOB = 16
_LONGEST_REASON = 240


class UnfitGeneError(ValueError):
    """A gene that cannot be fitted; the message is the reason shown to the user."""


def fit_each(fit_one: Callable, y, n_jobs: int | None = 1, backend: str = "loky") -> tuple[list, dict[int, str]]:
    """Call a picklable function on every column of `y`; a failure does not affect other columns.

    Only one column per job is dense at a time. Linear algebra uses one thread, so that results do not depend on the
    number of jobs. Returns the values for each column, `None` where it failed, and reasons by position.
    """
    y = y.tocsc() if sparse.issparse(y) else np.asarray(y)
    n_genes = y.shape[1]
    JOBS.check("n_jobs", n_jobs)
    check_backend(backend)
    n_workers = effective_n_jobs(n_jobs)
    step = min(_GENES_A_JOB, max(1, n_genes // (2 * n_workers)))
    starts = bar(range(0, n_genes, step), "models of genes", "batch")
    parts = (y[:, first : first + step] for first in starts)
    with threadpool_limits(1):
        if n_workers == 1 or n_genes == 1:
            outcomes = [_fit_some(fit_one, part) for part in parts]
        else:
            jobs = (delayed(_fit_in_worker)(fit_one, part, os.getpid()) for part in parts)
            # `None` is "loky", unless an active `joblib.parallel_config` says otherwise
            outcomes = Parallel(n_jobs=n_jobs, backend=None if backend == "loky" else backend)(jobs)
    pairs = [pair for part in outcomes for pair in part]
    failed = {gene: reason for gene, (_, reason) in enumerate(pairs) if reason is not None}
    return [result for result, _ in pairs], failed


def _fit_in_worker(fit_one: Callable, part, parent: int) -> list[tuple]:
    if os.getpid() == parent:  # a thread: limits of the process apply already
        return _fit_some(fit_one, part)
    with threadpool_limits(1):
        return _fit_some(fit_one, part)


def _fit_some(fit_one: Callable, part) -> list[tuple]:
    """Return `(result, None)` or `(None, reason)` for each column."""
    outcomes: list[tuple] = []
    for gene in range(part.shape[1]):
        try:
            outcomes.append((fit_one(column_of(part, gene).copy()), None))
        except MemoryError:
            raise
        except Exception as error:
            outcomes.append((None, reason_of(error)))
    return outcomes


def reason_of(error: Exception) -> str:
    r"""Format an exception as a single line."""
    text = " ".join(str(error).split())
    if not isinstance(error, UnfitGeneError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 3] + "..."


class PerGeneModel(LinkedModel):
    """Base class of models that read pseudotime and fit each gene separately.

    A subclass implements `fit`, which calls `_check_data` and then `_fit_genes`; `_results`, a mapping from fitted
    attributes with one number per gene to their names in the result of a gene (which also has `converged`,
    `null_deviance` and `note`); and `_at(times) -> eta, std`, arrays `(n_points, n_genes)` on the link scale.
    """

    reads = "pseudotime"
    takes_sparse_y = True
    _results: ClassVar[dict[str, str]] = {}

    def _predictor(self, X, return_std):
        return self._at(self._check_times(X, reset=False))

    def _check_times(self, X, reset: bool) -> np.ndarray:
        """Return pseudotime as `(n_cells,)`."""
        if not reset:
            check_is_fitted(self)
        if getattr(X, "ndim", None) == 1:
            X = np.asarray(X)[:, None]
        X = validate_data(self, X, dtype=np.float64, reset=reset, ensure_min_samples=2 if reset else 1)
        if X.shape[1] != 1:
            raise ValueError(
                f"{type(self).__name__} reads pseudotime: X must have one column; got {X.shape[1]}. Use GAM(...) for "
                "several columns, or for covariates."
            )
        return X[:, 0]

    def _check_data(self, X, y, sample_weight, offset):
        """Return pseudotime, expression, weights and offset of the cells with positive weight."""
        times = self._check_times(X, reset=True)
        y, self._single = check_targets(y, len(times))
        weights, offset = check_weights(sample_weight, times[:, None]), check_offset(offset, len(times))
        weights, times, y, offset = of_used(weights, times, y, offset)
        return times, y, weights, offset

    def _fit_genes(self, fit_one: Callable, y, weights, n_jobs: int | None = 1, backend: str = "loky") -> list:
        """Fit every gene by :func:`fit_each`, set the attributes common to all models, and return the results."""
        results, self.failed_ = fit_each(fit_one, y, n_jobs, backend)
        check_any_fitted(self.failed_, len(results))
        for attribute, name in self._results.items():
            setattr(self, attribute, collected(results, name))
        self.converged_ = collected(results, "converged", False).astype(bool)
        self.note_ = notes_on(collected(results, "null_deviance"), found_in(y, weights))
        for gene, result in enumerate(results):
            if result is not None and not (self.note_[gene] and result.converged):
                self.note_[gene] = joined(self.note_[gene], result.note)
        return results


def collected(results: list, name: str, fill=np.nan) -> np.ndarray:
    """Return one attribute of every result, `(n_genes,)`, with `fill` where a gene failed."""
    return np.array([fill if result is None else getattr(result, name) for result in results])
