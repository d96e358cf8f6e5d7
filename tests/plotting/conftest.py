"""Fixtures shared by the tests of figures."""

from itertools import combinations

import pytest


@pytest.fixture
def overlaps():
    """Return a function that lists the pairs of texts whose boxes overlap, once the figure is drawn."""

    def _overlaps(figure, texts):
        figure.canvas.draw()
        shown = [(text.get_text(), _box(text)) for text in texts if text.get_text()]
        return [(a, b) for (a, one), (b, other) in combinations(shown, 2) if one.overlaps(other)]

    def _box(text):
        box = text.get_window_extent()
        return box.padded(-0.5) if box.height == round(box.height) else box  # matplotlib 3.8 rounds to whole pixels

    return _overlaps


@pytest.fixture
def left_out():
    """Return a function that lists the texts that stick out of the figure, once it is drawn."""

    def _left_out(figure, texts):
        figure.canvas.draw()
        whole = figure.bbox
        boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
        return [
            name for name, box in boxes
            if box.x0 < whole.x0 or box.y0 < whole.y0 or box.x1 > whole.x1 or box.y1 > whole.y1
        ]  # fmt: skip

    return _left_out
