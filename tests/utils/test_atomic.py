"""Files are written whole or not at all."""

import os
import stat
import zipfile

import pytest

from lineage_clust.utils.atomic import write_whole


def test_a_file_is_there_once_it_is_complete(tmp_path):
    seen = []

    def writer(draft):
        draft.write_text("new")
        seen.append((draft.parent, (tmp_path / "a.txt").read_text()))

    (tmp_path / "a.txt").write_text("old")
    write_whole(tmp_path / "a.txt", writer)
    assert seen == [(tmp_path, "old")]
    assert (tmp_path / "a.txt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interrupted_one_leaves_the_old(tmp_path, error):
    def writer(draft):
        draft.write_text("half")
        raise error

    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(error):
        write_whole(str(tmp_path / "a.txt"), writer)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links need rights on Windows")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_whole(tmp_path / "link.txt", lambda draft: draft.write_text("new"))
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_others_may_read_what_the_mask_lets_them(tmp_path):
    mask = os.umask(0o022)
    try:
        write_whole(tmp_path / "a.txt", lambda draft: draft.write_text("x"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "a.txt", lambda draft: draft.write_text("x"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_is_not_hidden_by_what_it_leaves_half_done(tmp_path, error):
    def write(draft):
        with zipfile.ZipFile(draft, "w") as archive:
            member = archive.open("member", "w")
            member.write(b"half")
            raise error

    with pytest.raises(error):
        write_whole(tmp_path / "a.zip", write)
    assert list(tmp_path.iterdir()) == []
