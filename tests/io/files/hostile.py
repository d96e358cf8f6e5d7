"""Hostile files: saved fits, changed in one or several places, with valid checksums.

`python hostile.py FILE FIRST LAST` loads such files in turn, in a separate process. It prints two lines of JSON per
file: before loading, the seed and the changes; afterwards, the outcome and the memory used.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
import tracemalloc
import warnings
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import igraph  # noqa: F401  loaded now, for the memory of the first file that needs it is measured
import matplotlib.pyplot  # noqa: F401
import numpy as np

import lineage_clust as lc
from lineage_clust.io.files import persistence
from lineage_clust.io.files.encoding import digest_of

_NUMBERS = (-1, 0, 1, 2**31 - 1, 2_000_000_000, 2**63 - 1, -(2**31), 10**30, 1e308, -1.5)
_OTHERS = (None, True, "", "x" * 1000, [], {}, "\0", [[]], {"kind": "nonsense"}, {"kind": "float", "value": "nan"})
_TYPES = ("float32", "int8", "uint64", "bool", "complex128", "<U3", "float16", "datetime64[s]")


def opened(data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return manifest and members of a file."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        return manifest, {name: archive.read(name) for name in manifest["members"]}


def sealed(manifest: dict[str, Any], members: dict[str, bytes], format_version: int | None = None) -> bytes:
    """Return a file with right digests and a right seal."""
    manifest["members"] = {name: digest_of(content) for name, content in members.items()}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = b"x" * persistence._SEAL_LENGTH
    body = buffer.getvalue()[: -persistence._SEAL_LENGTH]
    version = persistence.FORMAT_VERSION if format_version is None else format_version
    return body + persistence._SEAL.format(version, digest_of(body)).encode()


def hostile(data: bytes, seed: int) -> tuple[str, bytes]:
    """Return what was done, and the file."""
    rng = np.random.default_rng(seed)
    manifest, members = opened(data)
    done = []
    for _ in range(int(rng.integers(1, 4))):
        ways = (
            _change_values,
            _change_values,
            _change_shape,
            _change_type,
            _change_leaf,
            _change_leaf,
            _swap,
            _drop,
            _move,
        )
        way = ways[int(rng.integers(len(ways)))]
        done.append(way(rng, manifest, members))
    return "; ".join(done), sealed(manifest, members)


def places(tree: Any, wanted=lambda value: True) -> list[tuple[Any, Any]]:
    """Return container and key of every value in a tree that is wanted."""
    found, todo = [], [tree]
    while todo:
        container = todo.pop()
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in items:
            if wanted(value):
                found.append((container, key))
            if isinstance(value, (dict, list)):
                todo.append(value)
    return found


def array_of(content: bytes) -> np.ndarray:
    return np.load(BytesIO(content), allow_pickle=False)


def npy(values: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def _member(rng, members) -> str:
    return sorted(members)[int(rng.integers(len(members)))]


def _change_values(rng, _manifest, members) -> str:
    name = _member(rng, members)
    values = array_of(members[name]).copy()
    if values.size == 0:
        return "nothing"
    if values.dtype.kind == "f":
        chosen = (np.nan, np.inf, -1.0, 1e300, 0.5, 2e9)[int(rng.integers(6))]
    else:
        chosen = (-1, -5, 2_000_000_000, 10**6, 7, 0)[int(rng.integers(6))]
    at = rng.integers(0, values.size, int(rng.integers(1, 4)))
    with np.errstate(all="ignore"):
        values.reshape(-1, order="A").flat[at] = np.array(chosen).astype(values.dtype)
        if not values.flags.c_contiguous:
            values[np.unravel_index(at, values.shape)] = np.array(chosen).astype(values.dtype)
    members[name] = npy(values)
    return f"{chosen} into {name} {values.shape}"


def _change_shape(rng, _manifest, members) -> str:
    name = _member(rng, members)
    values = array_of(members[name])
    ways = (
        lambda a: a.ravel(), lambda a: a.T, lambda a: a[: len(a) // 2] if a.ndim else a, lambda a: a[None],
        lambda a: np.concatenate([a, a]) if a.ndim else a, lambda a: a[..., :0] if a.ndim else a,
        lambda a: np.repeat(a, 3, axis=-1) if a.ndim else a,
    )  # fmt: skip
    changed = ways[int(rng.integers(len(ways)))](values)
    members[name] = npy(changed)
    return f"{name} from {values.shape} to {changed.shape}"


def _change_type(rng, _manifest, members) -> str:
    name, dtype = _member(rng, members), _TYPES[int(rng.integers(len(_TYPES)))]
    with np.errstate(all="ignore"):
        try:
            members[name] = npy(array_of(members[name]).astype(dtype))
        except (TypeError, ValueError):
            return "nothing"
    return f"{name} as {dtype}"


def _change_leaf(rng, manifest, _members) -> str:
    found = places(manifest["estimator"], lambda value: not isinstance(value, (dict, list)))
    container, key = found[int(rng.integers(len(found)))]
    pool = _NUMBERS if type(container[key]) in (int, float) and rng.random() < 0.7 else (*_NUMBERS, *_OTHERS)
    old, container[key] = container[key], pool[int(rng.integers(len(pool)))]
    return f"{key}: {old!r} -> {container[key]!r}"


def _swap(rng, manifest, _members) -> str:
    found = places(manifest["estimator"], lambda value: isinstance(value, dict) and value.get("kind") == "array")
    (one, first), (other, second) = (found[int(rng.integers(len(found)))] for _ in range(2))
    one[first], other[second] = other[second], one[first]
    return f"{first} and {second} swapped"


def _drop(rng, manifest, _members) -> str:
    found = [place for place in places(manifest["estimator"]) if isinstance(place[0], dict)]
    container, key = found[int(rng.integers(len(found)))]
    del container[key]
    return f"{key} dropped"


def _move(rng, manifest, _members) -> str:
    """Put one part of the tree where another one was."""
    found = places(manifest["estimator"], lambda value: isinstance(value, dict) and "kind" in value)
    (one, first), (other, second) = (found[int(rng.integers(len(found)))] for _ in range(2))
    one[first] = json.loads(json.dumps(other[second]))
    return f"{second} put into {first}"


def declared(data: bytes) -> int:
    """Return the bytes of the arrays that a file declares: once as members, and once for each reference."""
    manifest, members = opened(data)
    referred = places(manifest["estimator"], lambda value: isinstance(value, dict) and value.get("kind") == "array")
    sizes = [len(members.get(str(container[key].get("member")), b"")) for container, key in referred]
    return sum(map(len, members.values())) + sum(sizes)


def use(tc, adata) -> None:
    """Do with a loaded clusterer what reaches into compiled code."""
    for step in (
        lambda: tc.predict(adata),
        lambda: tc.transform(adata),
        lambda: tc.score(adata),
        lambda: tc.clusterer_.graph_.connected_components(),
        lambda: tc.clusterer_.graph_.community_multilevel(weights="weight"),
        lambda: tc.clusterer_.connectivities_ @ tc.clusterer_.connectivities_,
        lambda: tc.clusterer_.predict(tc.scaled_trends_[:3]),
        lambda: tc.cut(n_clusters=2).predict(adata),
        lambda: tc.tree_table_,
        lambda: tc.trends_for(adata, tc.genes_[:2]),
        lambda: tc.models_[tc.genes_[0]]["lineage_1"].confidence_interval([0.1, 0.9]),
        lambda: tc.to_anndata(),
        lambda: persistence.to_bytes(tc),
    ):
        try:
            step()
        except Exception:  # a sentence or a TypeError: what must not happen is a crash
            pass


def main(path: str, first: int, last: int) -> None:
    faulthandler.enable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    data = Path(path).read_bytes()
    adata = lc.datasets.simulate_lineage(40, 12, 3, n_lineages=1, random_state=1)
    for seed in range(first, last):
        done, changed = hostile(data, seed)
        print(json.dumps({"seed": seed, "done": done}), flush=True)
        tracemalloc.start()
        try:
            tc = persistence.from_bytes(changed, lc.TrendClusterer)
            came = "loaded"
        except ValueError as error:
            came = str(error)
        except BaseException as error:
            came = f"BAD {type(error).__name__}: {error}"
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if came == "loaded":
            use(tc, adata)
        print(json.dumps({"seed": seed, "came": came, "peak": peak, "declared": declared(changed)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
