"""Files are written whole or not at all, and several all or none, wherever an error occurs."""

import os
import stat
import sys
import zipfile

import pytest

from lineage_clust.utils.atomic import folder_for, replace_all, write_whole


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


def listing(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def writing(text):
    return lambda draft: draft.write_text(text)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "old").write_text("old")
    (tmp_path / "stale").write_text("stale")
    return tmp_path


def files(folder, last=None):
    return {
        folder / "new": writing("new"),
        folder / "old": writing("newer"),
        folder / "stale": None,
        folder / "none": None,
        folder / "last": last or writing("last"),
    }


def test_all_are_written_and_what_is_stale_is_removed(folder):
    replace_all(files(folder))
    assert listing(folder) == {"new": "new", "old": "newer", "last": "last"}


def test_a_writer_that_fails_last_leaves_everything_as_it_was(folder):
    before = listing(folder)

    def failing(draft):
        draft.write_text("half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        replace_all(files(folder, failing))
    assert listing(folder) == before


@pytest.mark.parametrize("n_done", range(3))
@pytest.mark.parametrize("links", [True, False])
def test_a_replacement_that_fails_undoes_those_before(folder, n_done, links, monkeypatch):
    before, replace, done = listing(folder), os.replace, []

    def failing(source, target):
        done.append(target)
        if len(done) == n_done + 1:
            raise PermissionError(13, "Permission denied", str(source))
        replace(source, target)

    def no_links(*_paths):
        raise OSError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(PermissionError) as caught:
        replace_all(files(folder))
    assert caught.value.filename in {str(path) for path in files(folder)}  # and not the draft
    assert listing(folder) == before


def test_a_folder_in_the_place_of_a_file_is_found_before_anything_is_written(folder):
    (folder / "last").mkdir()
    with pytest.raises(OSError, match="is a folder"):
        replace_all(files(folder, lambda draft: pytest.fail("it was called")))
    assert not (folder / "new").exists()


def test_an_interruption_anywhere_leaves_all_old_or_all_new(folder):
    """Interrupted at every call of a Python function of ours in turn, until it comes through."""
    before = listing(folder)
    after = {"new": "new", "old": "newer", "last": "last"}
    seen = []
    for at in range(1, 1000):
        for path in folder.iterdir():
            path.unlink()
        for name, text in before.items():
            (folder / name).write_text(text)
        calls = 0

        def count(frame, event, _argument, at=at):
            nonlocal calls
            calls += event == "call" and "lineage_clust" in frame.f_code.co_filename
            if event == "call" and calls == at and "lineage_clust" in frame.f_code.co_filename:
                sys.setprofile(None)
                raise KeyboardInterrupt

        sys.setprofile(count)
        try:
            replace_all(files(folder))
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        found = {name: text for name, text in listing(folder).items() if not name.endswith(".part")}
        assert found in (before, after)
        seen.append(found)
        if calls < at:
            break
    assert before in seen
    assert seen[-1] == after


def test_folders_that_were_made_are_removed_after_a_failure(tmp_path):
    with pytest.raises(ZeroDivisionError), folder_for(tmp_path / "a" / "b"):
        1 / (tmp_path / "a" / "b" / "c").exists()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine").write_text("mine")
    with pytest.raises(ZeroDivisionError), folder_for(tmp_path / "a" / "b" / "c"):
        1 / 0  # noqa: B018
    assert listing(tmp_path / "a") == {"mine": "mine"}
    with folder_for(tmp_path / "a" / "b"):
        pass
    assert (tmp_path / "a" / "b").is_dir()
