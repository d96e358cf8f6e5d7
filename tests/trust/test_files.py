"""Files that cannot be read or written: a sentence, nothing half written, what was there before still there."""

import errno
import os
import stat

import anndata as ad
import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust import GeneTrend


def listing(folder) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("failing", ["write", "fsync", "replace", "open"])
def test_a_full_disk_leaves_what_was_there(failing, existing, fitted, tmp_path, monkeypatch):
    path = tmp_path / "fit"
    if existing:
        path.write_bytes(b"what was there")
    before = listing(tmp_path)

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if failing in ("write", "open"):
        whole = open

        class Full:
            def __init__(self, file):
                self.file = file

            def __enter__(self):
                return self

            def __exit__(self, *_error):
                self.file.close()

            def write(self, data):
                self.file.write(data[:100])
                full()

        def opened(path, mode="r", *rest, **more):
            if "r" in mode or failing == "open":
                return whole(path, mode, *rest, **more) if "r" in mode else full()
            return Full(whole(path, mode, *rest, **more))

        monkeypatch.setattr("builtins.open", opened)
    else:
        monkeypatch.setattr(os, failing, full)
    with pytest.raises(OSError, match="No space left"):
        fitted.save(path)
    monkeypatch.undo()
    assert listing(tmp_path) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit])
def test_an_interrupted_save_leaves_what_was_there(error, fitted, tmp_path, monkeypatch):
    path = tmp_path / "fit"
    fitted.save(path)
    before = listing(tmp_path)

    def interrupted(*_args):
        raise error

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(error):
        fitted.save(path)
    monkeypatch.undo()
    assert listing(tmp_path) == before


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
    ids=str,
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
    with pytest.raises(ValueError, match=r"file' (is not a file of GeneTrend.write|holds a list, not a trend)"):
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
