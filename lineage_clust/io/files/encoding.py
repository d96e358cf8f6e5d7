"""Encoding of fitted estimators as JSON and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator

from ...contracts.capabilities import fitted_value
from ...models.regressor import RegressorModel
from ...trends.lineage_fit import GeneTrends
from .stored_classes import CLASSES, SPARSE, digest_of

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
        f"save writes arrays and JSON, which hold GAM, GraphClusterer and the smoothers of lineage_clust; {where} is {what}. "
        "Use joblib.dump(clusterer, path) and joblib.load(path), or pickle, instead (and load only files you trust)."
    )
