"""Files that cannot be read or written: a clear error, nothing incomplete, existing files unchanged."""

import contextlib
import errno
import functools
import operator
import os
import re
import stat
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust import GeneTrend
from lineage_clust.cli.analysing import result_files, write_all
from lineage_clust.report.page import render

pytestmark = pytest.mark.slow


def listing(folder) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


WRITERS = {
    "save": lambda tc, path: tc.save(path),
    "write of a trend": lambda tc, path: tc.models_["rise0"]["A"].write(path),
    "gene lists": lambda tc, path: tc.write_gene_lists(path.with_suffix(".gmt")),
    "report": lambda tc, path: tc.report(path),
    "files of the program": lambda tc, path: write_all(result_files(tc, path.parent), path.parent),
}


@pytest.fixture(scope="module")
def many(make_adata, fit):
    """A fit whose files are larger than most of the disks of these tests; its report is drawn once, and written often."""
    made = fit(make_adata(n_cells=60, n_genes=40), n_points=30)
    page = render(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lineage_clust.report.page.render", lambda *_: page)
        yield made


@pytest.fixture(scope="module")
def names(many, tmp_path_factory):
    """The names of the files that each writer writes."""
    found = {}
    for name, writer in WRITERS.items():
        folder = tmp_path_factory.mktemp("written")
        writer(many, folder / "fit")
        found[name] = list(listing(folder))
    return found


@pytest.fixture
def folder(tmp_path, names):
    """Return a folder in which every writer has files to replace."""
    for name in functools.reduce(operator.iadd, names.values(), []):
        (tmp_path / name).write_bytes(b"what was there")
    return tmp_path


@contextlib.contextmanager
def largest_file(n_bytes):
    """Let the system refuse to make files larger than this, as it does when a disk is full."""
    resource = pytest.importorskip("resource", reason="sizes of files can be limited on POSIX systems only")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("room", [0, 300, 3000, 9000])
@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_gets_full_leaves_what_was_there(name, room, many, folder):
    before = listing(folder)
    with largest_file(room):
        try:
            WRITERS[name](many, folder / "fit")
        except OSError as caught:
            found = caught
        else:
            found = None
    if found is not None:
        assert found.errno == errno.EFBIG
        assert Path(found.filename).parent == folder
        assert not Path(found.filename).name.endswith(".part")
    else:
        assert name == "write of a trend" or (room >= 300 and name == "gene lists")
    after = listing(folder)
    assert after.keys() == before.keys()
    assert all(content == before[file] or len(content) > 100 for file, content in after.items())


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_at_the_last_step_leaves_what_was_there(name, failing, existing, many, folder, monkeypatch):
    if not existing:
        for path in folder.iterdir():
            path.unlink()
    before = listing(folder)

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(OSError, match=f"No space left on device: '{re.escape(str(folder))}"):
        WRITERS[name](many, folder / "fit")
    monkeypatch.undo()
    assert listing(folder) == before


def interrupted(call, error, at):
    """Raise an error when a call has made so many calls of Python functions; return how many it made."""
    made = 0

    def count(_frame, event, _argument):
        nonlocal made
        made += event == "call"
        if event == "call" and made == at:
            sys.setprofile(None)
            raise error

    sys.setprofile(count)
    try:
        call()
    except error:
        pass
    finally:
        sys.setprofile(None)
    return made


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("name", [name for name in WRITERS if name != "files of the program"])
def test_an_interruption_anywhere_leaves_the_old_file_or_the_new_one(name, error, many, folder, monkeypatch):
    monkeypatch.setattr("lineage_clust.report.page.render", lambda *_: "<!doctype html>" + 10_000 * " ")  # slow
    before = listing(folder)
    all_calls = interrupted(lambda: WRITERS[name](many, folder / "fit"), error, at=-1)
    written = {file: content for file, content in listing(folder).items() if content != before[file]}
    assert len(written) == 1
    for at in np.unique(np.geomspace(1, all_calls, 12).astype(int)):
        for file in written:
            (folder / file).write_bytes(before[file])
        interrupted(lambda: WRITERS[name](many, folder / "fit"), error, all_calls - at + 1)
        after = listing(folder)
        assert after.keys() == before.keys()
        for file in written:
            assert after[file] == before[file] or len(after[file]) == len(written[file])


def test_names_as_long_as_the_system_takes_them(fitted, tmp_path):
    path = tmp_path / ("a" * (os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else 200))
    fitted.save(path)
    assert lc.TrendClusterer.load(path).genes_ == fitted.genes_


def test_results_in_an_anndata_are_kept_when_new_ones_cannot_be_made(fitted, make_adata, contents, monkeypatch):
    adata = make_adata(n_cells=20, n_genes=8)
    key = fitted.write_to(adata)
    before = contents(adata)
    monkeypatch.setattr("lineage_clust.io.results.origin", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fitted.write_to(adata, key)
    assert contents(adata) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only folders")
def test_a_read_only_folder(fitted, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(PermissionError):
            fitted.save(tmp_path / "fit")
    finally:
        tmp_path.chmod(stat.S_IRWXU)
    assert listing(tmp_path) == {}


@pytest.mark.parametrize(
    ("path", "error"),
    [(None, TypeError), (3, TypeError), ([], TypeError), ("missing/fit", FileNotFoundError), ("a" * 300, OSError)],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("method", ["save", "load", "write", "read"])
def test_paths_that_are_none(method, path, error, fitted, tmp_path):
    path = tmp_path / path if isinstance(path, str) else path
    calls = {
        "save": fitted.save, "load": fitted.load, "write": fitted.models_["rise0"]["A"].write, "read": GeneTrend.read,
    }  # fmt: skip
    with pytest.raises(error):
        calls[method](path)
    assert listing(tmp_path) == {}


def test_folders_are_not_replaced(fitted, tmp_path):
    for path in (tmp_path, f"{tmp_path}/"):
        with pytest.raises(OSError, match="is a folder or a device, not a file. Pass the name of a file"):
            fitted.save(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name on this system")
def test_pipes_and_devices_are_not_replaced(fitted, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a folder or a device"):
        fitted.save(tmp_path / "pipe")
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)


def test_paths_may_be_bytes(fitted, tmp_path):
    fitted.save(os.fsencode(tmp_path / "fit"))
    assert lc.TrendClusterer.load(os.fsencode(tmp_path / "fit")).genes_ == fitted.genes_


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x05]\x94.", bytes(range(256))])
def test_files_that_hold_no_trend(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=r"file' (is not a file of GeneTrend.write|contains a list, not a trend)"):
        GeneTrend.read(tmp_path / "file")


def test_a_file_that_was_closed_is_opened_again_and_one_that_is_gone_is_missed(make_adata, tmp_path, fit):
    make_adata(n_cells=60, n_genes=8).write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    expected = fit(backed).trends_
    backed.file.close()
    np.testing.assert_allclose(fit(backed).trends_, expected, atol=1e-12)
    backed.file.close()
    (tmp_path / "cells.h5ad").unlink()
    with pytest.raises(FileNotFoundError, match=r"cells\.h5ad"):
        fit(backed)


def test_a_figure_that_cannot_be_saved_stores_no_result(make_adata, tmp_path):
    adata = make_adata(n_cells=60, n_genes=8)
    arguments = {"lineage": "A", "time_key": "palantir_pseudotime", "show_progress_bar": False, "n_points": 12}
    for save, error in ((tmp_path / "figure.nope", ValueError), (3, TypeError)):
        with pytest.raises(error):
            lc.cluster_lineage(adata, lc.GAM(), list(adata.var_names), save=save, random_state=0, **arguments)
    assert "lineage_A_trend" not in adata.uns
    assert listing(tmp_path) == {}
