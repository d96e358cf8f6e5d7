"""Interface to R's mgcv through rpy2: imported on first use, one call at a time, without printed output."""

from __future__ import annotations

import contextlib
import io
import os
from types import SimpleNamespace

import numpy as np

from ...utils.forking import ProcessLock
from ..notes import spread_of
from ..per_gene import UnfitGeneError

_ADVICE = (
    "MgcvGAM needs R, its package mgcv and the Python package rpy2. Debian or Ubuntu: apt-get install r-base-dev "
    "r-cran-mgcv, then pip install 'lineage_clust[mgcv]'. conda: conda install r-mgcv rpy2. "
    "GAM(...) needs none of them."
)
_OLD_R = " (Newer rpy2 needs R 4.5: with an older R, pip install 'rpy2<3.6.7' 'rpy2-rinterface<3.6.6'.)"

# The functions use the namespace of mgcv without attaching it, and return warnings and errors as values.
_FUNCTIONS = """
function() {
  if (!requireNamespace("mgcv", quietly = TRUE)) return(NULL)

  caught <- function(expression) {
    remarks <- character()
    tryCatch(
      withCallingHandlers(
        c(expression, list(remarks = remarks)),
        warning = function(w) { remarks <<- c(remarks, conditionMessage(w)); invokeRestart("muffleWarning") },
        message = function(m) invokeRestart("muffleMessage")
      ),
      error = function(e) list(error = conditionMessage(e))
    )
  }

  fit <- function(y, t, w, off, bs, k, m, sp, knots, family, link, method, gamma, select, control, with_smooth) caught({
    if (is.null(m)) m <- NA
    cells <- data.frame(y = y, t = t, w = w)
    formula <- y ~ s(t, bs = bs, k = k, m = m)
    if (!is.null(off)) {
      cells$off <- off
      formula <- y ~ s(t, bs = bs, k = k, m = m) + offset(off)
    }
    if (!is.null(knots)) knots <- list(t = knots)
    fitted <- mgcv::gam(
      formula, family = do.call(family, list(link = link)), data = cells, weights = w, knots = knots, sp = sp,
      method = method, gamma = gamma, select = select, control = do.call(mgcv::gam.control, control)
    )
    table <- mgcv::summary.gam(fitted)
    ended <- fitted$outer.info$conv
    values <- list(
      coefficients = as.numeric(fitted$coefficients), covariance = as.numeric(fitted$Vp), edf = sum(fitted$edf),
      scale = fitted$sig2, sp = c(as.numeric(fitted$sp), as.numeric(sp))[1], theta = family_theta(fitted),
      explained = table$dev.expl, null_deviance = fitted$null.deviance,
      statistic = table$s.table[1, 3], pvalue = table$s.table[1, 4],
      converged = !identical(fitted$converged, FALSE) && (is.null(ended) || identical(ended, "full convergence")) &&
        !identical(fitted$mgcv.conv$fully.converged, FALSE)
    )
    if (with_smooth) values$smooth <- serialize(fitted$smooth[[1]], NULL)
    values
  })

  family_theta <- function(fitted) if (is.null(fitted$family$getTheta)) NA_real_ else fitted$family$getTheta(TRUE)

  rows <- function(smooth, t) caught({
    matrix <- cbind(1, mgcv::PredictMat(unserialize(smooth), data.frame(t = t)))
    list(rows = as.numeric(matrix))
  })

  here <- new.env(parent = asNamespace("mgcv"))
  for (name in c("caught", "family_theta", "fit", "rows")) {
    f <- get(name)
    environment(f) <- here
    assign(name, f, envir = here)
  }
  list(fit = here$fit, rows = here$rows, version = format(utils::packageVersion("mgcv")))
}
"""
_start = ProcessLock()
_sessions: list = []


@contextlib.contextmanager
def _same_library_path():
    """Restore the library path, which R changes when it starts and which processes started later would inherit."""
    name = "LD_LIBRARY_PATH"
    before = os.environ.get(name)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


class Session:
    """The embedded R session, one per process."""

    def __init__(self):
        try:
            # messages of rpy2 and R at their start, for instance about the build of rpy2, are not useful to users
            with (
                contextlib.redirect_stderr(io.StringIO()),
                contextlib.redirect_stdout(io.StringIO()),
                _same_library_path(),
            ):
                import rpy2.rinterface as rinterface
                from rpy2.rinterface_lib import openrlib

                rinterface.initr()
        except Exception as error:  # rpy2 raises various errors without R or with an incompatible version
            cause = f"{type(error).__name__}: {error}".strip()
            hint = _OLD_R if "symbol" in cause else ""
            raise ImportError(f"{_ADVICE} Here rpy2 does not start: {cause}{hint}") from error
        self._r, self._lock = rinterface, openrlib.rlock
        with self._lock:
            functions = self._r.evalr(_FUNCTIONS)()
            if functions is self._r.NULL:
                raise ImportError(f"{_ADVICE} R starts here, but its package mgcv is missing.")
            self._functions = dict(zip(functions.names, functions, strict=True))
            self.mgcv_version = self._functions["version"][0]

    def call(self, name: str, **arguments) -> dict:
        """Return the result of a function, a list, as a dictionary; errors of R are raised as UnfitGeneError."""
        with self._lock:
            result = self._functions[name](**{key: self._to_r(value) for key, value in arguments.items()})
            values = {key: self._from_r(value) for key, value in zip(result.names, result, strict=True)}
        if "error" in values:
            raise UnfitGeneError(f"mgcv: {' '.join(values['error'][0].split())}")
        return values

    def _to_r(self, value):
        r = self._r
        if value is None:
            return r.NULL
        if isinstance(value, dict):
            return r.baseenv["list"](**{key: self._to_r(entry) for key, entry in value.items()})
        if isinstance(value, bytes):
            return r.ByteSexpVector(value)
        if isinstance(value, str):
            return r.StrSexpVector([value])
        if isinstance(value, (bool, np.bool_)):
            return r.BoolSexpVector([bool(value)])
        array = np.atleast_1d(np.ascontiguousarray(value, dtype=np.float64))
        return r.FloatSexpVector.from_memoryview(memoryview(array))

    def _from_r(self, value):
        r = self._r
        if isinstance(value, r.ByteSexpVector):
            return bytes(value)
        if isinstance(value, r.StrSexpVector):
            return [str(entry) for entry in value]
        return np.array(value, dtype=np.float64)


def session() -> Session:
    """Return the session, started on first use; an ImportError says how to install rpy2, R or mgcv if one is missing."""
    with _start:
        if not _sessions:
            _sessions.append(Session())
        return _sessions[0]


class GeneFitter:
    """Fits of genes by mgcv; the basis of the first gene is stored, serialised by R, because all genes share it.

    `arguments` are those of the R function `fit` other than `y`.
    """

    def __init__(self, r: Session, family, link, arguments: dict):
        self.r = r
        self.family = family
        self.link = link
        self.arguments = arguments
        self.smooth = None

    def __call__(self, y: np.ndarray) -> SimpleNamespace:
        """Return the fit of one gene."""
        reason = self.family.refuse(y.min(), y.max(), self.link.name)
        if reason is None and y.min() <= 0 and self.family.name in ("gamma", "inverse_gaussian"):
            reason = (
                f"mgcv's {self.family.name} family needs positive expression; found {y.min():g}. Use 'negative_binomial' "
                "for counts, or 'gaussian' for log-normalised expression"
            )
        if reason is not None:
            raise UnfitGeneError(reason)
        constant = np.ptp(y) == 0  # the smoothing parameter is not identifiable, as every value gives a perfect fit
        fixed = {"sp": 1e10, "method": "GCV.Cp"} if constant else {}
        values = self.r.call("fit", y=y, with_smooth=self.smooth is None, **{**self.arguments, **fixed})
        remarks = [remark for remark in values.pop("remarks") if "non-integer" not in remark]
        smooth = values.pop("smooth", None)
        gene = {name: float(value[0]) if len(value) == 1 else value for name, value in values.items()}
        if not np.all(np.isfinite(gene["coefficients"])):
            raise UnfitGeneError("mgcv: the coefficients are not finite")
        self.smooth = self.smooth or smooth
        if constant:
            gene.update(null_deviance=0.0, explained=0.0, statistic=0.0, pvalue=1.0)
        note = " ".join("; ".join(dict.fromkeys(remarks)).split())
        if not note and not gene["converged"]:
            note = "no full convergence"
        return SimpleNamespace(note=note, spread=self._spread(y), **gene)

    def _spread(self, y: np.ndarray) -> float:
        offset = self.arguments["off"]
        if offset is not None:
            y = y / np.exp(offset) if self.link.name == "log" else y - offset
        return float(spread_of(y[:, None], self.arguments["w"])[0])
