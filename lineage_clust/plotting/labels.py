"""Text that does not overlap: how large it is, how it is cut, and where it goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def shortened(text: object, length: int = 24) -> str:
    """Return the text, cut to `length` characters.

    Examples
    --------
    >>> shortened("ENSMUSG00000020661", 12)
    'ENSMUSG0000…'
    """
    text = str(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def fit_text(text, width: float) -> None:
    """Cut a drawn text until it is at most `width` pixels wide."""
    whole, length = text.get_text(), len(text.get_text())
    while length > 2 and text.get_window_extent().width > width:
        length -= max(1, int(0.4 * length * (1 - width / text.get_window_extent().width)))
        text.set_text(shortened(whole, max(length, 2)))


def extents(ax, texts: Sequence[str], **style) -> np.ndarray:
    """Return width and height of texts in inches, `(n_texts, 2)`, as they would be drawn with this style."""
    drawn = ax.text(0, 0, "", **style)
    sizes = np.zeros((len(texts), 2))
    for number, text in enumerate(texts):
        drawn.set_text(text)
        box = drawn.get_window_extent()
        sizes[number] = box.width, box.height
    drawn.remove()
    return sizes / ax.figure.dpi


def spread(wanted: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Return the positions closest to the wanted ones that are at least `gap` apart.

    Parameters
    ----------
    wanted
        `(n_labels,)` in increasing order.
    gap
        Least distance of neighbours.
    low, high
        Between which all positions lie, if there is room for them.

    Notes
    -----
    Least squares under an order: with `i * gap` taken off, position i must not be below the one before it, which is
    isotonic regression.

    Examples
    --------
    >>> spread(np.array([1.0, 1.0, 5.0]), 1.0, 0.0, 9.0).tolist()
    [0.5, 1.5, 5.0]
    """
    from sklearn.isotonic import isotonic_regression

    if len(wanted) == 0:
        return np.zeros(0)
    steps = gap * np.arange(len(wanted))
    return steps + isotonic_regression(wanted - steps, y_min=low, y_max=max(low, high - steps[-1]))


def thinned(positions: np.ndarray, importance: np.ndarray, gap: float, at_most: int | None = None) -> np.ndarray:
    """Return which positions to label, in increasing order: the most important ones that are `gap` apart.

    Examples
    --------
    >>> thinned(np.array([0.0, 1.0, 2.0]), np.array([1, 3, 2]), gap=1.5).tolist()
    [1]
    """
    taken: list[int] = []
    for candidate in np.argsort(-np.asarray(importance, dtype=float), kind="stable"):
        if at_most is not None and len(taken) >= at_most:
            break
        if all(abs(positions[candidate] - positions[other]) >= gap for other in taken):
            taken.append(int(candidate))
    return np.array(sorted(taken, key=lambda index: positions[index]), dtype=int)


def inches_beside(ax, side: str):
    """Return a transform for what stands beside an axes, whatever the size it will have.

    On "left" and "right", x is in inches from that edge and y in fractions of the axes; on "top" and "bottom", x is in
    fractions and y in inches. At a corner such as "top right", both are in inches.
    """
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    corner = (float("right" in side), float("top" in side))
    inches = ax.figure.figure.dpi_scale_trans + ScaledTranslation(*corner, ax.transAxes)
    if side in ("left", "right"):
        return blended_transform_factory(inches, ax.transAxes)
    if side in ("top", "bottom"):
        return blended_transform_factory(ax.transAxes, inches)
    return inches
