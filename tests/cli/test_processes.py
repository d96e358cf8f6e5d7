"""Analyses in several processes."""

import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from lineage_clust.cli.processes import CAN_FORK, _end_with, each

from .files import FILES, MONO_MAC

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="the system has no safe fork")


def is_running(number):
    """Return whether a process exists and has not ended; nobody may wait for an orphan that has."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_results_are_in_order_and_not_more_run_at_once_than_asked_for(tmp_path):
    running, started = tmp_path / "running", tmp_path / "started"
    running.mkdir()
    started.mkdir()

    def task(number):
        def run():
            (running / f"{number}").touch()
            (started / f"{number}").touch()
            end = time.monotonic() + 30
            while len(list(started.iterdir())) < 2 and time.monotonic() < end:
                time.sleep(0.01)
            n_running = len(list(running.iterdir()))
            time.sleep(0.05 * (3 - number))
            (running / f"{number}").unlink()
            return number, n_running

        return run

    found = each([task(number) for number in range(4)], 2)
    assert [number for number, _ in found] == [0, 1, 2, 3]
    assert max(n_running for _, n_running in found) == 2


def test_an_error_has_its_traceback_and_stops_the_others(tmp_path):
    class Odd(Exception):
        def __init__(self, one, other):
            super().__init__(f"{one} and {other}")

    def late():
        time.sleep(60)

    def fail(error):
        def run():
            raise error

        return run

    start = time.monotonic()
    with pytest.raises(KeyError, match="gene") as caught:
        each([late, fail(KeyError("gene"))], 2)
    assert "in run" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match="Odd: one and other"):  # it cannot be sent
        each([late, fail(Odd("one", "other"))], 2)
    assert time.monotonic() - start < 30


def test_a_process_that_the_system_ended_is_reported():
    with pytest.raises(MemoryError, match="ended by the system"):
        each([lambda: __import__("os")._exit(9), lambda: 1], 2)


def started(file, folder, first=""):
    """Return a program that has started two processes, and their numbers."""
    late = "from lineage_clust.cli import analysing; import time; analysing._analyse_one = lambda *a: time.sleep(120);"
    program = f"{first}{late} from lineage_clust.cli.program import main; main()"
    lineages = ["--lineage", "B", "--lineage", "Mono/Mac", "--n-jobs", "2"]
    command = [sys.executable, "-c", program, "run", str(file), *lineages, "--out", str(folder)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    while len(numbers := children.read_text().split()) < 2:
        time.sleep(0.05)
    return running, numbers


@pytest.mark.slow
def test_a_terminated_program_ends_its_processes_and_leaves_no_file(file, tmp_path):
    running, numbers = started(file, tmp_path / "out")
    running.terminate()
    assert "interrupted; no file was written" in running.communicate(timeout=30)[1]
    assert not any(is_running(number) for number in numbers)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_program_that_is_terminated_while_it_starts_processes_ends_them(file, tmp_path):
    slow = "import os, time; os.register_at_fork(after_in_child=lambda: time.sleep(2)); "
    running, numbers = started(file, tmp_path / "out", slow)
    running.terminate()
    assert "interrupted; no file was written" in running.communicate(timeout=30)[1]
    assert not any(is_running(number) for number in numbers)


@pytest.mark.slow
def test_the_processes_of_a_killed_program_end_too(file, tmp_path):
    running, numbers = started(file, tmp_path / "out")
    running.kill()
    running.communicate(timeout=30)
    end = time.monotonic() + 30
    while any(is_running(number) for number in numbers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(is_running(number) for number in numbers)


def test_a_process_whose_parent_has_ended_does_not_begin():
    child = get_context("fork").Process(target=_end_with, args=(1,))
    child.start()
    child.join(30)
    assert child.exitcode == 1


@pytest.mark.slow
def test_the_files_are_those_of_one_process(file, tmp_path):
    command = [sys.executable, "-m", "lineage_clust", "run", str(file), "--lineage", "B", "--lineage", "Mono/Mac"]
    said = []
    for n_jobs in ("1", "2"):
        options = ["--n-neighbors", "4", "--n-jobs", n_jobs, "--out", str(tmp_path / n_jobs)]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
        said.append(done.stdout.replace(str(tmp_path / n_jobs), "OUT"))
    assert said[0] == said[1]
    expected = sorted(name.format(lineage) for name in FILES for lineage in ("B", MONO_MAC))
    assert sorted(path.name for path in (tmp_path / "2").iterdir()) == expected
    for name in expected:
        if not name.endswith(".h5ad"):
            assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_process_that_cannot_start_leaves_no_signal_blocked(monkeypatch):
    """Ctrl-C was ignored afterwards."""

    def refuse(self):
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.context.ForkProcess.start", refuse)
    with pytest.raises(BlockingIOError):
        each([int, int], 2)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
