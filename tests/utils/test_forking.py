"""A process forked while a thread fits does not wait for that thread."""

import os
import subprocess
import sys
import threading

import pytest

from lineage_clust.utils.forking import ProcessLock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

# The parent fits in threads without end; each child fits once and must end by itself. SIGALRM ends one that hangs.
CODE = """
import os, signal, sys, threading, warnings
warnings.simplefilter("ignore")
import lineage_clust as lc

adata = lc.datasets.simulate_lineage(120, 16, 2, n_lineages=1, random_state=0)

def fit():
    fitted = lc.TrendClusterer(random_state=0, n_points=20, alpha=None).fit(adata)
    return fitted.model_.pvalue_, fitted.gene_table_

def fit_on():
    while True:
        fit()

fit()
for _ in range(2):
    threading.Thread(target=fit_on, daemon=True).start()
for attempt in range({n_forks}):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        fit()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status != 0:
        print("child", attempt, "ended with", status)
        os._exit(1)
os._exit(0)
"""


def child_of(function) -> int:
    """Return the exit status of a forked process that runs a function."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if function() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_lock_that_a_thread_holds_is_free_in_a_forked_process():
    tidied = []
    lock, held, done = ProcessLock(lambda: tidied.append(1)), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()

    def is_free_and_tidy():
        with lock:
            return tidied == [1]

    assert child_of(is_free_and_tidy) == 0
    assert not tidied  # here the thread still holds it
    done.set()
    holder.join()
    with lock:
        pass


def test_forking_while_the_lock_is_held_here():
    lock = ProcessLock()

    def leave():
        lock.__exit__(None, None, None)
        with lock:
            return True

    with lock:
        assert child_of(leave) == 0


@pytest.mark.slow
@pytest.mark.parametrize("n_forks", [10])
def test_children_that_are_forked_during_fits_fit_too(n_forks):
    code = CODE.replace("{n_forks}", str(n_forks))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=570)
    assert done.returncode == 0, done.stdout + done.stderr
