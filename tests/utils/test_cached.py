"""Properties computed once per object."""

import threading

from lineage_clust.utils.cached import cached_property


class Slow:
    def __init__(self, wait=None):
        self.times, self.wait = 0, wait or (lambda: None)

    @cached_property
    def value(self) -> int:
        """A value."""
        self.times += 1
        self.wait()
        return 7


def test_it_is_computed_once():
    slow = Slow()
    assert (slow.value, slow.value, slow.times) == (7, 7, 1)
    assert Slow.value.__doc__ == "A value."


def test_objects_of_a_class_do_not_wait_for_each_other():
    started, done = threading.Event(), threading.Event()

    def wait():
        started.set()
        assert done.wait(30)

    slow = Slow(wait)
    thread = threading.Thread(target=lambda: slow.value, daemon=True)
    thread.start()
    assert started.wait(30)
    read = threading.Thread(target=lambda: Slow().value, daemon=True)
    read.start()
    read.join(10)
    assert not read.is_alive()  # the first object still computes
    done.set()
    thread.join()
    assert slow.value == 7
