"""Text without overlap: size, truncation and position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from . import mpl

_SCALES: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
_ANGLES = np.deg2rad(np.arange(0, 360, 30))
_MARGIN = 3.0  # in pixels, between labels


def shortened(text: object, length: int = 24) -> str:
    """Return the text truncated to `length` characters: a phrase at its end, an identifier in the middle.

    >>> shortened("ENSMUSG00000020661", 12), shortened("late rise in Ery", 12)
    ('ENSMU…020661', 'late rise i…')
    """
    text = str(text)
    if len(text) <= length:
        return text
    start = length - 1 if " " in text or length < 8 else (length - 1) // 2
    return f"{text[:start]}…{text[len(text) - (length - 1 - start) :]}"


def plain(text: object) -> str:
    """Escape dollar signs in a name before it is drawn: matplotlib would interpret them as mathematics."""
    return str(text).replace("\t", " ").replace("$", r"\$")  # fonts have no tab


def settle_layout(figure) -> None:
    """Apply the layout engine of a figure, if any, without drawing."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def level_names(levels: Iterable) -> list[str]:
    """Return the names of the levels of a category; dates without a time of day are written without it."""
    index = pd.Index(levels)
    if isinstance(index, pd.DatetimeIndex) and (index == index.normalize()).all():
        return index.strftime("%Y-%m-%d").tolist()
    return [str(level) for level in levels]


def fit_text(text, width: float, least: float = 1.0) -> None:
    """Reduce the font of a drawn text down to a fraction `least`, then truncate the text, until it is `width` pixels wide."""
    share, size = 1.0, text.get_fontsize()
    while share > least and (wide := width_of(text)) > width:  # widths of letters do not change in proportion
        share = max(least, 0.98 * share * width / wide)
        text.set_fontsize(share * size)
    whole = text.get_text().replace(r"\$", "$")
    length = len(whole)
    while length > 2 and (wide := width_of(text)) > width:
        length -= max(1, int(0.4 * length * (1 - width / wide)))
        text.set_text(plain(shortened(whole, max(length, 2))))


def width_of(text) -> float:
    """Return the width of a drawn text in pixels, at this or a higher resolution, whichever is larger."""
    whole = text.get_text()
    if not whole:
        return 0.0
    math = mpl.cbook.is_math_text(whole)
    shown = whole if math else whole.replace(r"\$", "$")
    lines = [
        mpl.textpath.text_to_path.get_text_width_height_descent(line, text.get_fontproperties(), math)[0]
        for line in shown.split("\n")
    ]
    return max(text.get_window_extent().width, max(lines) * text.figure.figure.dpi / 72)


def extents(ax, texts: Sequence[str], **style) -> np.ndarray:
    """Return width and height in inches, `(n_texts, 2)`, of texts drawn in this style."""
    drawn = ax.text(0, 0, "", **style)
    sizes = np.zeros((len(texts), 2))
    for number, text in enumerate(texts):
        drawn.set_text(plain(text))
        box = drawn.get_window_extent()
        sizes[number] = box.width, box.height
    drawn.remove()
    return sizes / ax.figure.dpi


def spaced(wanted: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Return the positions closest to the sorted, wanted ones that are at least `gap` apart and, if they fit, within bounds.

    After subtracting `i * gap`, positions must not decrease, which is isotonic regression.
    """
    from sklearn.isotonic import isotonic_regression

    if len(wanted) == 0:
        return np.zeros(0)
    steps = gap * np.arange(len(wanted))
    return steps + isotonic_regression(wanted - steps, y_min=low, y_max=max(low, high - steps[-1]))


def thinned(positions: np.ndarray, importance: np.ndarray, gap: float, at_most: int | None = None) -> np.ndarray:
    """Return which positions to label, in increasing order: the most important ones at least `gap` apart."""
    taken: list[int] = []
    for candidate in np.argsort(-np.asarray(importance, dtype=float), kind="stable"):
        if at_most is not None and len(taken) >= at_most:
            break
        if all(abs(positions[candidate] - positions[other]) >= gap for other in taken):
            taken.append(int(candidate))
    return np.array(sorted(taken, key=lambda index: positions[index]), dtype=int)


def inches_beside(ax, side: str):
    """Return a transform for positions in inches beside an axes, scaled by the factor of :func:`set_scale`.

    On "left" and "right", y is in fractions of the axes, on "top" and "bottom" x is; at a corner such as "top right", none.
    """
    corner = (float("right" in side), float("top" in side))
    scaled = mpl.transforms.Affine2D().scale(scale_of(ax)) + ax.figure.figure.dpi_scale_trans
    inches = scaled + mpl.transforms.ScaledTranslation(*corner, ax.transAxes)
    if side in ("left", "right"):
        return mpl.transforms.blended_transform_factory(inches, ax.transAxes)
    if side in ("top", "bottom"):
        return mpl.transforms.blended_transform_factory(ax.transAxes, inches)
    return inches


def set_scale(ax, scale: float) -> None:
    """Set the scale of inches and fonts beside an axes."""
    _SCALES[ax] = scale


def scale_of(ax) -> float:
    """Return the scale of inches and fonts beside an axes, 1 by default."""
    return _SCALES.get(ax, 1.0)


def place(
    anchors: np.ndarray,
    sizes: np.ndarray,
    points: np.ndarray,
    bounds: tuple[float, float, float, float],
    *,
    distances: np.ndarray,
    taken: np.ndarray | None = None,
    centred: bool = False,
    all_of_them: bool = False,
) -> np.ndarray:
    """Return the centre of each label's box, `(n_names, 2)`, NaN for labels that cannot be placed; lengths are in pixels.

    Labels of `anchors`, with widths and heights `sizes`, are placed in order at the best free position: within `bounds`,
    not over boxes that are `taken` (left, bottom, right, top), at one of `distances` from label to anchor, or `centred` on
    it, where few `points` are covered; with `all_of_them`, otherwise at the nearest free position.
    """
    boxes = [] if taken is None else [np.asarray(box, dtype=float) for box in taken]
    found = np.full((len(anchors), 2), np.nan)
    far = np.geomspace(distances[-1], 2 * np.hypot(bounds[2] - bounds[0], bounds[3] - bounds[1]), 60)
    for number, (anchor, size) in enumerate(zip(anchors, sizes, strict=True)):
        middles = _around(anchor, size, distances, centred)
        best = _best(middles, anchor, size, points, bounds, boxes)
        if best is None and all_of_them:
            best = _best(_around(anchor, size, far, False), anchor, size, points[:0], bounds, boxes)
        if best is not None:
            found[number] = best
            boxes.append(np.r_[best - size / 2, best + size / 2])
    return found


def _around(anchor, size, distances, centred: bool) -> np.ndarray:
    directions = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
    middles = anchor + (directions[None] * (distances[:, None, None] + size / 2)).reshape(-1, 2)
    return np.vstack([anchor, middles]) if centred else middles


def _best(middles, anchor, size, points, bounds, boxes):
    """Return the free position that covers the fewest points and is close, or `None`."""
    low, high = middles - size / 2, middles + size / 2
    free = (low >= bounds[:2]).all(axis=1) & (high <= bounds[2:]).all(axis=1)
    for box in boxes:
        free &= ~((low < box[2:] + _MARGIN).all(axis=1) & (high > box[:2] - _MARGIN).all(axis=1))
    if not free.any():
        return None
    middles, low, high = middles[free], low[free], high[free]
    covered = np.array([((points > a) & (points < b)).all(axis=1).sum() for a, b in zip(low, high, strict=True)])
    away = np.hypot(*(np.maximum(np.abs(middles - anchor) - size / 2, 0)).T)
    return middles[np.argmin(covered + away / 12)]
