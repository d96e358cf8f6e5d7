"""Encoding of fitted estimators as JSON and arrays, and decoding.

Classes are looked up by name in a list and never imported, so that a file cannot run code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA

from ...clusterers import GraphClusterer
from ...clusterers.distinctness import Bounds
from ...clusterers.neighbors import Neighbors
from ...clusterers.stability import StabilityCurve
from ...clusterers.tree import ClusterTree
from ...contracts.capabilities import fitted_value
from ...lineage.genes.expression import FittedSymbols
from ...lineage.lineage import Reader
from ...models import GAM
from ...models.gam.donors.posterior import DonorPosterior, PosteriorPart
from ...models.gam.inference.posterior import GenePosterior, SharedPosterior, WorkingModels
from ...models.gam.pooled import PooledPosterior
from ...models.gam.smoothing.posterior import SmoothingPosterior
from ...models.gam.smoothing.spectral import Spectrum
from ...models.links import Link
from ...models.regressor import RegressorModel
from ...results.gating import Gate
from ...results.result import FitResult
from ...smoothers import BSplineSmoother, CubicSplineSmoother, CyclicSplineSmoother, GaussianProcessSmoother
from ...smoothers.gaussian_process import _LandmarkBasis
from ...trends.group_fit import GroupFit
from ...trends.lineage_fit import FittedLineage, GeneTrends, TrendFitter
from ...trends.trends import Trends
from .upgrades import RESULT_OF_FORMAT_2, result_of_format_2
from .validating import check_edges, check_sparse, validate

CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        GAM, BSplineSmoother, CubicSplineSmoother, CyclicSplineSmoother, GaussianProcessSmoother,
        GraphClusterer, StabilityCurve, ClusterTree, Bounds, PCA, Neighbors, _LandmarkBasis, Link, SharedPosterior,
        GenePosterior, WorkingModels, SmoothingPosterior, Spectrum, DonorPosterior, PosteriorPart, PooledPosterior,
        Trends, GroupFit, FittedLineage, GeneTrends, FitResult, Reader, FittedSymbols, TrendFitter, Gate,
    )
}  # fmt: skip
SPARSE: dict[str, Any] = {
    cls.__name__: cls for cls in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array)
}
_NOT_STORED = ("_metadata_request",)


class Encoder:
    """Converts values to JSON, and arrays to members of a file, without duplicates."""

    def __init__(self, root: type):
        self._root = root
        self.members: dict[str, bytes] = {}
        self._member_of: dict[str, str] = {}
        self._numbers: dict[int, int] = {}
        self._kept: list = []  # an id is unique only during the lifetime of its object

    def encode(self, value: Any, where: str) -> object:
        """Return a value as JSON: unchanged if JSON has its type, else a dictionary with its `kind`.

        where : Location of the value, for error messages.
        """
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if np.isfinite(value) else {"kind": "float", "value": str(value)}
        if type(value) is list:
            return [self.encode(item, where) for item in value]
        if type(value) is tuple:
            return {"kind": "tuple", "items": [self.encode(item, where) for item in value]}
        if isinstance(value, np.generic):
            return {"kind": "scalar", "value": self._array(np.asarray(value), where)}
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        if type(value).__name__ in SPARSE and sparse.issparse(value):
            parts = {name: self._array(getattr(value, name), where) for name in ("data", "indices", "indptr")}
            return {"kind": "sparse", "class": type(value).__name__, "shape": list(value.shape), **parts}
        if isinstance(value, (pd.DataFrame, pd.Series, pd.Index)):
            return self._table(value, where)
        from igraph import Graph

        if isinstance(value, Graph):
            edges = np.array(value.get_edgelist(), dtype=np.int64).reshape(-1, 2)
            weights = np.array(value.es["weight"], dtype=float) if value.ecount() else np.zeros(0)
            return {
                "kind": "graph", "n": value.vcount(), "edges": self._array(edges, where),
                "weights": self._array(weights, where),
            }  # fmt: skip
        if isinstance(value, np.random.RandomState):
            return {"kind": "random state", "state": self.encode(value.get_state(legacy=False), where)}
        if isinstance(value, Mapping) and type(value) is not GeneTrends:
            pairs = [[self.encode(key, where), self.encode(entry, where)] for key, entry in value.items()]
            return {"kind": "dict", "items": pairs}
        if type(value) is self._root or CLASSES.get(type(value).__name__) is type(value):
            return self._object(value, where)
        raise TypeError(_refusal(value, where))

    def _object(self, value: object, where: str) -> dict:
        """Return an object of a known class; repeated objects are encoded as references."""
        if id(value) in self._numbers:
            return {"kind": "same", "number": self._numbers[id(value)]}
        number = self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)
        parameters, state = _state_of(value)
        encoded = {
            part: {name: self.encode(entry, self._place(value, name, where)) for name, entry in entries.items()}
            for part, entries in (("parameters", parameters), ("state", state))
        }
        return {"kind": "object", "class": type(value).__name__, "number": number, **encoded}

    def _place(self, value: object, name: str, where: str) -> str:
        """Return the name of an attribute for error messages; inner objects are named by their owner."""
        if type(value) is self._root:
            return name
        return f"{where}.{name}" if isinstance(value, BaseEstimator) else where

    def _table(self, value, where: str) -> dict:
        if isinstance(value, pd.DataFrame):
            columns = [self._column(value.iloc[:, place], where) for place in range(value.shape[1])]
            index, names = self._table(value.index, where), self._table(value.columns, where)
            return {"kind": "frame", "index": index, "names": names, "columns": columns}
        name = self.encode(value.name, where)
        if isinstance(value, pd.RangeIndex):
            return {"kind": "range", "name": name, "bounds": [value.start, value.stop, value.step]}
        column = self._column(value, where)
        if isinstance(value, pd.Series):
            return {"kind": "series", "name": name, "index": self._table(value.index, where), "values": column}
        return {"kind": "index", "name": name, "values": column}

    def _column(self, values, where: str) -> dict:
        if isinstance(values.dtype, np.dtype):
            return {"dtype": None, "values": self._array(values.to_numpy(), where)}
        if isinstance(values.dtype, pd.StringDtype):
            texts = [None if missing else text for text, missing in zip(values, values.isna(), strict=True)]
            return {"dtype": str(values.dtype), "values": texts}
        raise TypeError(f"save cannot write {where}: it has a column of dtype {values.dtype}.")

    def _array(self, values: np.ndarray, where: str) -> dict:
        if values.dtype == object:
            items = [self.encode(item, where) for item in values.ravel()]
            return {"kind": "objects", "shape": list(values.shape), "items": items}
        buffer = BytesIO()
        np.save(buffer, values, allow_pickle=False)
        content = buffer.getvalue()
        digest = digest_of(content)
        if digest not in self._member_of:
            self._member_of[digest] = name = f"arrays/{len(self.members)}.npy"
            self.members[name] = content
        return {"kind": "array", "member": self._member_of[digest]}


def _state_of(value: Any) -> tuple[dict, dict]:
    """Return constructor parameters and fitted state of an object of a known class."""
    if isinstance(value, GeneTrends):
        return {"fits": value.fits}, {}
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}, {}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict(), {}
    assert isinstance(value, BaseEstimator)
    parameters = value.get_params(deep=False)
    fitted_value(value, "pvalue_")  # computed on first access, and then stored
    return parameters, {k: v for k, v in vars(value).items() if k not in parameters and k not in _NOT_STORED}


def _refusal(value: object, where: str) -> str:
    value = value.estimator if isinstance(value, RegressorModel) else value
    what = f"the function {value.__name__!r}" if hasattr(value, "__name__") else f"a {type(value).__name__}"
    return (
        f"save supports only GAM, GraphClusterer and the smoothers of lineage_clust; {where} is {what}. Use "
        "joblib.dump(fitted, path) and joblib.load(path) instead, or pickle (and load only files you trust)."
    )


class Decoder:
    """Converts JSON and members of a file to values."""

    def __init__(self, members: Mapping[str, bytes], root: type):
        self._members = members
        self._classes: dict[str, Any] = {**CLASSES, root.__name__: root, RESULT_OF_FORMAT_2: result_of_format_2}
        self._objects: dict[int, object] = {}

    def decode(self, value: Any) -> Any:
        """Return the encoded value."""
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        match value["kind"]:
            case "float":
                return float(value["value"])
            case "tuple":
                return tuple(self.decode(value["items"]))
            case "dict":
                return {self.decode(key): self.decode(entry) for key, entry in value["items"]}
            case "scalar":
                return self.decode(value["value"])[()]
            case "array":
                content = self._members[value["member"]]
                _check_array(content)
                return np.load(BytesIO(content), allow_pickle=False)
            case "objects":
                values = np.empty(len(value["items"]), dtype=object)
                values[:] = self.decode(value["items"])
                return values.reshape(value["shape"])
            case "sparse":
                parts = tuple(self.decode(value[name]) for name in ("data", "indices", "indptr"))
                matrix = SPARSE[value["class"]](parts, shape=tuple(value["shape"]))
                check_sparse(matrix)
                return matrix
            case "graph":
                return self._graph(value)
            case "random state":
                generator = np.random.RandomState()
                generator.set_state(self.decode(value["state"]))
                return generator
            case "frame":
                return self._frame(value)
            case "series":
                name, index = self.decode(value["name"]), self.decode(value["index"])
                values = self._values(value["values"], index)
                return pd.Series(values, index=index, name=name, dtype=values.dtype)
            case "index":
                values = self._values(value["values"])  # with the dtype, because pandas 3 converts objects
                return pd.Index(values, name=self.decode(value["name"]), dtype=values.dtype)
            case "range":
                return pd.RangeIndex(*value["bounds"], name=self.decode(value["name"]))
            case "same":
                return self._objects[value["number"]]
            case "object":
                return self._object(value)
            case kind:
                raise ValueError(f"{kind!r} is no kind of value")

    def _graph(self, value: dict) -> Any:
        import igraph

        edges, weights = self.decode(value["edges"]), self.decode(value["weights"])
        check_edges(value["n"], edges, weights)
        return igraph.Graph(n=value["n"], edges=edges.tolist(), edge_attrs={"weight": weights.tolist()})

    def _frame(self, value: dict) -> pd.DataFrame:
        index = self.decode(value["index"])
        columns = [self._values(column, index) for column in value["columns"]]
        series = [pd.Series(values, index=index, dtype=values.dtype, copy=False) for values in columns]
        frame = pd.concat(series, axis=1) if series else pd.DataFrame(index=index)
        frame.columns = self.decode(value["names"])
        return frame

    def _values(self, column, index=None):
        dtype = column["dtype"]
        if dtype is not None and not str(dtype).startswith("str"):
            raise ValueError(f"a column of dtype {dtype!r} is not one of ours")
        values = self.decode(column["values"]) if dtype is None else pd.array(column["values"], dtype=dtype)
        if np.ndim(values) != 1 or (index is not None and len(values) != len(index)):
            raise ValueError("a column of a table does not fit its index")
        return values

    def _object(self, value: dict) -> object:
        cls = self._classes[value["class"]]
        parameters, state = (
            {name: self.decode(entry) for name, entry in value[part].items()} for part in ("parameters", "state")
        )
        built = cls(**parameters)  # attributes added since get their defaults
        if state:
            _check_state(built, state)
            vars(built).update(state)
        validate(built)
        self._objects[value["number"]] = built
        return built


def _check_state(built: object, state: Mapping[str, Any]) -> None:
    """Raise a ValueError if the state has attributes that the class does not have, or that are methods."""
    if not isinstance(built, BaseEstimator):
        raise ValueError(f"a {type(built).__name__} has no state")
    for name in state:
        if name.startswith("__") or callable(getattr(type(built), name, None)):
            raise ValueError(f"{name!r} is not an attribute of a fitted {type(built).__name__}")


def _check_array(content: bytes) -> None:
    """Raise a ValueError unless a `.npy` member has the size given in its header, which is allocated first."""
    stream = BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, _, dtype = read_header(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError("an array is not what its header says")


def digest_of(content: bytes) -> str:
    """Return the digest of a member of a file."""
    return blake2b(content, digest_size=32).hexdigest()
