"""Corrupted files: loaders raise a ValueError or return a fit, in bounded time and memory."""

from __future__ import annotations

import json
import time
import tracemalloc
import zipfile
from io import BytesIO

import h5py
import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.io.cells import read_cells
from lineage_clust.io.files import persistence
from lineage_clust.io.files.persistence import from_bytes, to_bytes

pytestmark = pytest.mark.slow
N_BYTES, N_TREES, N_CUTS = 400, 200, 25
SECONDS, MEGABYTES = 5.0, 64  # that one file may cost


@pytest.fixture(scope="module")
def saved(make_adata) -> bytes:
    tc = lc.TrendClusterer(
        lineage="A", n_points=8, alpha=None, random_state=0, clusterer=lc.GraphClusterer(4, resolution=1.0)
    )
    return to_bytes(tc.fit(make_adata(n_cells=60, n_genes=6)))


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes with one mistake: flipped, cut, lost, doubled, zeroed, moved or foreign ones."""
    changed = bytearray(data)
    first, last = sorted(int(place) for place in rng.integers(0, len(data), 2))
    last = min(last, first + int(rng.integers(1, 400)))
    kind = rng.integers(7)
    if kind == 0:
        for place in rng.integers(0, len(data), int(rng.integers(1, 5))):
            changed[place] ^= int(rng.integers(1, 256))
    elif kind == 1:
        del changed[first:]
    elif kind == 2:
        del changed[first:last]
    elif kind == 3:
        changed[first:first] = data[first:last]
    elif kind == 4:
        changed[first:last] = bytes(last - first)
    elif kind == 5:
        changed[first:last] = rng.bytes(last - first)
    else:
        changed = changed[last:] + changed[:last]
    return bytes(changed)


def opened(data: bytes) -> object:
    """Return what loading gives, after checking what it took; a ValueError is what else it may give."""
    start = time.perf_counter()
    try:
        return from_bytes(data, lc.TrendClusterer, "'fit'")
    except ValueError as error:
        if not str(error).startswith("'fit' "):
            raise AssertionError("the message does not name the file") from error
        return None
    finally:
        assert time.perf_counter() - start < SECONDS


def test_bytes_that_were_changed_are_never_taken_for_a_fit(saved):
    rng = np.random.default_rng(0)
    n_tried = 0
    tracemalloc.start()
    try:
        while n_tried < N_BYTES:
            changed = mutated(saved, rng)
            if changed != saved:
                n_tried += 1
                assert opened(changed) is None
        assert tracemalloc.get_traced_memory()[1] < MEGABYTES * 2**20
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------------------ files with right checksums, wrong content


def contents(data: bytes) -> tuple[dict, dict[str, bytes]]:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        return manifest, {name: archive.read(name) for name in manifest["members"]}


def sealed(manifest: object, members: dict[str, bytes], text: str | None = None) -> bytes:
    """Return a file of any content, with right digests and a right seal: what only malice would write."""
    if isinstance(manifest, dict) and "members" in manifest:
        manifest = {**manifest, "members": {name: persistence.digest_of(content) for name, content in members.items()}}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest) if text is None else text)
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = b"x" * persistence._SEAL_LENGTH
    body = buffer.getvalue()[: -persistence._SEAL_LENGTH]
    return body + persistence._SEAL.format(1, persistence.digest_of(body)).encode()


def places(tree: object, path: tuple = ()) -> list[tuple]:
    """Return the paths to everything within a tree of JSON."""
    found = [path]
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, entry in entries:
        found += places(entry, (*path, key))
    return found


STRANGE = (
    None, True, -1, 0, 1e300, 10**18, "", "nope", "__class__", [], {}, [[]], {"kind": "object"}, {"kind": "array"},
    {"kind": "dict", "items": [[[], 1]]}, {"kind": "float", "value": "x"}, {"kind": "same", "number": 0},
    {"kind": "range", "name": None, "bounds": [0, 10**15, 1]},
    {"kind": "object", "class": "Trends", "number": 99, "parameters": {}, "state": {}},
    {"kind": "object", "class": "os.system", "number": 99, "parameters": {"command": "true"}, "state": {}},
)  # fmt: skip


def test_trees_of_any_shape_give_a_sentence_or_a_fit(saved):
    rng = np.random.default_rng(1)
    manifest, members = contents(saved)
    paths = [path for path in places(manifest["estimator"]) if path]
    n_fits = 0
    for _ in range(N_TREES):
        tree = json.loads(json.dumps(manifest["estimator"]))
        path = paths[rng.integers(len(paths))]
        owner = tree
        for key in path[:-1]:
            owner = owner[key]
        kind = rng.integers(4)
        if kind == 0 and isinstance(owner, dict):
            del owner[path[-1]]
        elif kind == 1 and isinstance(owner, list):
            owner.append(owner[path[-1]])
        else:
            owner[path[-1]] = STRANGE[rng.integers(len(STRANGE))]
        found = opened(sealed({**manifest, "estimator": tree}, members))
        n_fits += found is not None
        assert found is None or isinstance(found, lc.TrendClusterer)
    assert n_fits < N_TREES  # most of them are not whole


def an_array(header: str, n_bytes: int = 8) -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(n_bytes)


@pytest.mark.parametrize(
    "content",
    [
        an_array("{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }"),
        an_array("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
        an_array("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"),
        an_array("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }"),
        an_array("__import__('os').system('true')"),
        b"\x93NUMPY\x09\x09" + bytes(100),
        b"",
        bytes(1000),
    ],
)
def test_arrays_that_are_not_what_they_say(content, saved):
    manifest, members = contents(saved)
    tracemalloc.start()
    try:
        assert opened(sealed(manifest, {**members, "arrays/0.npy": content})) is None
        assert tracemalloc.get_traced_memory()[1] < MEGABYTES * 2**20
    finally:
        tracemalloc.stop()


def test_manifests_that_are_none(saved):
    manifest, members = contents(saved)
    deep = '{"members": {}, "format_version": 1, "estimator": ' + "[" * 100_000 + "]" * 100_000 + "}"
    for text in ("", "{", "null", "[]", "1" * 100_000, deep, json.dumps({**manifest, "format_version": "x"})):
        assert opened(sealed(manifest, members, text)) is None
    for name in manifest:
        assert (
            name in ("format", "versions")
            or opened(sealed({k: manifest[k] for k in manifest if k != name}, members)) is None
        )


def test_a_graph_of_more_vertices_than_there_are_bytes(saved):
    manifest, members = contents(saved)
    text = json.dumps(manifest)
    assert '"kind": "graph", "n": 6' in text
    huge = json.loads(text.replace('"kind": "graph", "n": 6', '"kind": "graph", "n": 1000000000'))
    assert opened(sealed(huge, members)) is None


def test_a_table_that_would_fill_the_memory(saved):
    manifest, members = contents(saved)
    index = {"kind": "range", "name": None, "bounds": [0, 10**12, 1]}
    table = {"kind": "series", "name": None, "index": index, "values": {"dtype": None, "values": 1.0}}
    assert opened(sealed({**manifest, "estimator": table}, members)) is None


def test_a_bomb_is_not_unpacked(saved):
    """Members that share the same bytes of the file can unpack to any size."""
    manifest, members = contents(saved)
    data = bytearray(sealed(manifest, {**members, "bomb": bytes(2**20)}))
    with zipfile.ZipFile(BytesIO(bytes(data))) as archive:
        entry = archive.getinfo("bomb")
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"bomb"))
    data[at + 24 : at + 28] = (2**31 - 1).to_bytes(4, "little")  # the size that the directory announces
    body = bytes(data[: -persistence._SEAL_LENGTH])
    assert entry.file_size == 2**20
    with pytest.raises(ValueError, match="its content would take"):
        from_bytes(body + persistence._SEAL.format(1, persistence.digest_of(body)).encode(), lc.TrendClusterer)


# ------------------------------------------------------------------------------------------------------ h5ad

# Bytes within an HDF5 file are not changed here: HDF5 itself can then read in circles for ever.


@pytest.fixture(scope="module")
def clustered(make_adata):
    """Cells with a stored result of `cluster_lineage`."""
    adata = make_adata(n_cells=40, n_genes=6)
    cluster(adata)
    return adata


def cluster(adata):
    lc.cluster_lineage(
        adata, lc.GAM(), ["rise0", "fall0", "peak0", "fall1"], "A", time_key="palantir_pseudotime", n_points=8,
        random_state=0, show_progress_bar=False, neighbors_kwargs={"n_neighbors": 3},
    )  # fmt: skip


def test_h5ad_files_that_are_cut_off_are_refused(clustered, tmp_path):
    path = tmp_path / "cells.h5ad"
    clustered.write_h5ad(path)
    data = path.read_bytes()
    for share in np.linspace(0, 0.999, N_CUTS):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ValueError, match=r"cells.h5ad' cannot be read as h5ad"):
            read_cells(path)


@pytest.mark.filterwarnings("ignore")
def test_results_of_which_a_part_is_lost_are_made_anew(clustered, tmp_path):
    """Whatever is missing of a stored result: the answer is a whole one, or there is a sentence."""
    whole, path = tmp_path / "whole.h5ad", tmp_path / "cells.h5ad"
    clustered.write_h5ad(whole)
    names: list[str] = []
    with h5py.File(whole) as file:
        file["uns/lineage_A_trend"].visit(names.append)
    n_read = 0
    for name in names[::2]:
        path.write_bytes(whole.read_bytes())
        with h5py.File(path, "r+") as file:
            del file[f"uns/lineage_A_trend/{name}"]
        try:
            adata = read_cells(path)
        except ValueError:  # anndata needs the part
            continue
        n_read += 1
        cluster(adata)
        found, expected = adata.uns["lineage_A_trend"], clustered.uns["lineage_A_trend"]
        np.testing.assert_allclose(found.X, expected.X, atol=1e-12)
        assert found.obs["clusters"].tolist() == expected.obs["clusters"].tolist()
        np.testing.assert_allclose(found.var["x_test"], expected.var["x_test"])
    assert n_read > 5
