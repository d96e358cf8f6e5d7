"""Files with a valid checksum that no fit would write are rejected without a crash or excessive memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.io.files import persistence
from lineage_clust.io.files.encoding import digest_of
from lineage_clust.io.files.limits import largest_content

from .hostile import array_of, hostile, npy, opened, places, sealed

N_FILES = int(os.environ.get("LINEAGE_CLUST_HOSTILE_FILES", 120))  # 500 for the figures of the documentation
SLACK = 8 * 2**20  # of Python's own: modules, caches


@pytest.fixture(scope="module")
def saved():
    adata = lc.datasets.simulate_lineage(120, 12, 3, n_lineages=1, random_state=8)
    clusterer = lc.GraphClusterer(4)
    tc = lc.TrendClusterer(clusterer=clusterer, n_points=30, alpha=None, random_state=0).fit(adata, lineage="lineage_1")
    return persistence.to_bytes(tc)


def load(data, **parameters):
    return persistence.from_bytes(data, lc.TrendClusterer, **parameters)


def refused(data, match, **parameters) -> int:
    """Check that a file is refused, and return the most memory that it took."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match) as caught:
            load(data, **parameters)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        assert "Traceback" not in str(caught.value)


def parts(manifest, **wanted):
    """Return the values of the manifest that have these entries."""
    found = places(
        manifest["estimator"],
        lambda value: isinstance(value, dict) and all(value.get(key) == entry for key, entry in wanted.items()),
    )
    return [container[key] for container, key in found]


def changed(saved, place, change):
    """Return the file with the array that a node of the manifest refers to changed."""
    manifest, members = opened(saved)
    node = place(manifest)
    name = f"arrays/{len(members)}.npy"
    members[name] = npy(change(array_of(members[node["member"]]).copy()))
    node["member"] = name
    return sealed(manifest, members)


def filled(value, *at):
    def change(values):
        values[at] = value
        return values

    return change


SPARSE = {"kind": "sparse"}
TREE = {"class": "ClusterTree"}
CASES = {
    "sparse index": (lambda m: parts(m, **SPARSE)[0]["indices"], filled(2_000_000_000, -1), "column index|indices"),
    "negative index": (lambda m: parts(m, **SPARSE)[0]["indices"], filled(-7, 0), "column index|indices"),
    "order of indices": (lambda m: parts(m, **SPARSE)[0]["indices"], lambda v: v[::-1].copy(), "not in order"),
    "index pointer": (lambda m: parts(m, **SPARSE)[0]["indptr"], filled(10**9, -1), "index pointer|exceed"),
    "NaN edge weight": (lambda m: parts(m, kind="graph")[0]["weights"], filled(np.nan, 0), "not finite"),
    "edge": (lambda m: parts(m, kind="graph")[0]["edges"], filled(10**9, 0, 0), "out of range"),
    "a node not there": (lambda m: parts(m, **TREE)[0]["parameters"]["linkage"], filled(10**9, 0, 0), "not there"),
    "a node of itself": (lambda m: parts(m, **TREE)[0]["parameters"]["linkage"], filled(12, 0, 1), "not there"),
    "leaf": (lambda m: parts(m, **TREE)[0]["parameters"]["leaves"], filled(999, 0), "leaves that are not there"),
    "label": (lambda m: parts(m, **{"class": "FitResult"})[0]["parameters"]["labels"], filled(40, 0), "labels and"),
    "grouped": (lambda m: parts(m, **{"class": "FitResult"})[0]["parameters"]["grouped"], filled(99, -1), "not there"),
    "NaN trend": (lambda m: parts(m, **{"class": "Trends"})[0]["parameters"]["values"], filled(np.nan, 0), "finite"),
    "short grid": (lambda m: parts(m, **{"class": "Trends"})[0]["parameters"]["grid"], lambda v: v[:-1], "one row per gene"),
    "knots": (
        lambda m: next(p for p in parts(m, **{"class": "BSplineSmoother"}) if p["state"])["state"]["bases_"][0],
        lambda v: v[::-1].copy(), "knots are not in order",
    ),
    "neighbour": (lambda m: parts(m, **{"class": "Neighbors"})[0]["parameters"]["indices"], filled(50, 0), "not there"),
    "complex": (lambda m: parts(m, kind="sparse")[0]["data"], lambda v: v.astype(complex), "lists of numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_no_fit_makes_is_refused(case, saved):
    place, change, match = CASES[case]
    with pytest.raises(ValueError, match=match) as caught:
        load(changed(saved, place, change))
    assert "A file of TrendClusterer.save is a zip of arrays" in str(caught.value)


def test_sealing_again_changes_nothing(saved):
    assert persistence.to_bytes(load(sealed(*opened(saved)))) == saved


def test_an_array_that_is_referred_to_a_thousand_times_is_counted_as_often(saved):
    manifest, members = opened(saved)
    members["arrays/large.npy"] = npy(np.zeros(2_000_000))
    manifest["estimator"]["parameters"]["genes"] = [{"kind": "array", "member": "arrays/large.npy"}] * 1000
    data = sealed(manifest, members)
    assert len(data) < 200_000
    assert refused(data, "16 GB of memory, more than 268 MB; if you trust it, pass max_bytes") < 2 * 16e6 + SLACK


def test_zipped_zeros_are_refused_before_they_are_unpacked(saved):
    manifest, members = opened(saved)
    members["arrays/zeros.npy"] = b"\0" * 2**25
    data = sealed(manifest, members)
    assert len(data) < 200_000
    assert refused(data, "more than 30 MB", max_bytes="30MB") < SLACK
    assert load(data).genes_ == load(saved).genes_
    assert largest_content(None, len(data)) == 2**28


def test_max_bytes_holds_for_honest_files_too(saved, tmp_path):
    (tmp_path / "file").write_bytes(saved)
    with pytest.raises(ValueError, match="more than 10 kB"):
        lc.TrendClusterer.load(tmp_path / "file", max_bytes="10 kB")
    with pytest.raises(ValueError, match="max_bytes must be bytes"):
        lc.TrendClusterer.load(tmp_path / "file", max_bytes="many")
    assert lc.TrendClusterer.load(tmp_path / "file", max_bytes=10**7).n_clusters_


@pytest.mark.parametrize("depth", [150, 900, 100_000])
def test_nested_lists_are_refused(depth, saved):
    assert refused(with_text(saved, "[" * depth + "]" * depth), "nested|recursion") < SLACK


def test_a_manifest_of_millions_of_lists_is_refused_before_it_is_parsed(saved):
    text = "[" + "[]," * 3_000_000 + "[]]"
    assert refused(with_text(saved, text), "of memory, more than 268 MB") < SLACK + 3 * len(text)


def with_text(saved, text: str) -> bytes:
    """Return a file with a text in place of the genes."""
    manifest, members = opened(saved)
    manifest["estimator"]["parameters"]["genes"] = "HERE"
    manifest["members"] = {name: digest_of(content) for name, content in members.items()}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest).replace('"HERE"', text))
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = b"x" * persistence._SEAL_LENGTH
    body = buffer.getvalue()[: -persistence._SEAL_LENGTH]
    return body + persistence._SEAL.format(persistence.FORMAT_VERSION, digest_of(body)).encode()


@pytest.mark.parametrize(("n", "match"), [(10**9, "more than"), (-3, "vertices"), (2.5, "vertices|member")])
def test_a_graph_of_a_billion_vertices_is_refused(n, match, saved):
    manifest, members = opened(saved)
    parts(manifest, kind="graph")[0]["n"] = n
    refused(sealed(manifest, members), match)


@pytest.mark.parametrize("name", ["__class__", "predict", "fit"])
@pytest.mark.first(1)
def test_a_file_cannot_put_something_in_place_of_a_method(name, saved):
    manifest, members = opened(saved)
    manifest["estimator"]["state"][name] = "x"
    refused(sealed(manifest, members), "is not an attribute of a fitted TrendClusterer")


def test_a_pipe_or_device_is_not_read(tmp_path):
    with pytest.raises(ValueError, match="is not a file"):
        lc.TrendClusterer.load("/dev/zero")


def opened_in_a_process(saved, folder, first, last):
    """Open hostile files in another process, with bounded memory, and check each."""
    (folder / "file").write_bytes(saved)
    command = [sys.executable, str(Path(__file__).with_name("hostile.py")), str(folder / "file"), str(first), str(last)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert found.returncode == 0, (lines[-1], found.stderr[-2000:])
    results = [line for line in lines if "came" in line]
    assert len(results) == last - first
    for one in results:
        assert not one["came"].startswith("BAD"), one
        assert one["peak"] < 2 * one["declared"] + SLACK, one
    return results


def test_random_hostile_files_are_loaded_or_refused_with_a_sentence(saved):
    refusals = []
    for seed in range(20):
        try:
            assert load(hostile(saved, seed)[1]).genes_ is not None
        except ValueError as error:
            refusals.append(str(error))
    assert len(refusals) > 10
    assert all("A file of TrendClusterer.save is" in text for text in refusals)


@pytest.mark.slow
def test_many_random_hostile_files_are_refused_or_harmless(saved, tmp_path):
    opened_in_a_process(saved, tmp_path, 1000, 1000 + N_FILES)
