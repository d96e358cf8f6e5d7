"""Decoding of fitted estimators from JSON and arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from .stored_classes import CLASSES, SPARSE
from .upgrades import RESULT_OF_FORMAT_2, result_of_format_2
from .validating import check_edges, check_sparse, validate


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
