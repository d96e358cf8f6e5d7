"""Small work runs on one thread, and the pools are as before afterwards."""

import numpy as np
from threadpoolctl import threadpool_info

from lineage_clust.utils.threads import few_threads


def numbers():
    return [pool["num_threads"] for pool in threadpool_info()]


def test_small_work_gets_one_thread_and_large_work_what_there_is():
    np.ones((2, 2)) @ np.ones((2, 2))
    before = numbers()
    with few_threads(10):
        assert set(numbers()) <= {1}
        with few_threads(np.inf):
            assert set(numbers()) <= {1}
    assert numbers() == before
    with few_threads(1e12):
        assert numbers() == before
