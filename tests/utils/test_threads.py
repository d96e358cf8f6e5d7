"""Small computations use one thread, and thread pools are restored afterwards."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from lineage_clust.utils import threads
from lineage_clust.utils.threads import few_threads, in_threads, thread_pool


def numbers():
    return [pool["num_threads"] for pool in threadpool_info()]


def test_small_work_gets_one_thread_and_large_work_what_there_is():
    np.ones((2, 2)) @ np.ones((2, 2))
    before = numbers()
    with few_threads(10):
        assert max(numbers()) == 1
        with few_threads(np.inf):
            assert max(numbers()) == 1
    assert numbers() == before
    with few_threads(1e12):
        assert numbers() == before


@pytest.mark.parametrize("n_threads", [1, 2])
def test_tasks_come_back_in_their_order(n_threads, monkeypatch):
    monkeypatch.setattr(threads, "available_threads", lambda: n_threads)
    assert list(in_threads(lambda number: number**2, iter(range(20)))) == [number**2 for number in range(20)]


def test_threads_within_threads_take_turns(monkeypatch):
    monkeypatch.setattr(threads, "available_threads", lambda: 2)

    def inner(_):
        own = threading.get_ident()
        return set(in_threads(lambda _: threading.get_ident(), range(5))) == {own}

    with thread_pool(2) as pool:
        assert all(pool.map(inner, range(4)))
    assert not inner(None)  # out here there are several
