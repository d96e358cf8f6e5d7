"""Bounds on the memory that a file needs, computed from its declared sizes before it is unpacked."""

from __future__ import annotations

import zipfile
from typing import Any

from ..expression.memory_budget import parse_budget, readable

_LEAST = 256 * 2**20
_RATIO = 20  # arrays of trends shrink to a half or less, tables of flags and zeros to a twentieth
_DEEPEST = 100  # of values within values; a joint clustering has 20
_PER_TOKEN = 100  # bytes that a bracket, a comma or a colon of JSON may stand for in memory, read and decoded
_PER_VERTEX = 128


def largest_content(max_bytes: int | str | None, file_size: int) -> int:
    """Return how many bytes the content of a file may take in memory.

    Parameters
    ----------
    max_bytes
        Bound given by the user; `None` = 20 times the size of the file, and at least 256 MiB.
    file_size
        In bytes.

    Examples
    --------
    >>> largest_content(None, 1000), largest_content("1GB", 1000)
    (268435456, 1000000000)
    """
    return max(_LEAST, _RATIO * file_size) if max_bytes is None else parse_budget(max_bytes, "max_bytes")


def sizes_of(archive: zipfile.ZipFile, most: int) -> dict[str, int]:
    """Return the unpacked size of each member, or raise a ValueError if together they are too large, or names repeat."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if len(sizes) != len(archive.infolist()):
        raise ValueError("two of its members have the same name")
    check_total(sum(sizes.values()), most)
    return sizes


def check_manifest(text: bytes, most: int) -> int:
    """Return how many bytes the values in a manifest take at most, or raise a ValueError if these are too many."""
    needed = len(text) + _PER_TOKEN * sum(text.count(token) for token in (b"[", b"{", b",", b":"))
    check_total(needed, most)
    return needed


def check_values(tree: Any, sizes: dict[str, int], most: int) -> None:
    """Raise a ValueError if a tree of values is nested too deeply, or its arrays would take too many bytes.

    An array counts each time it is referred to, for each reference becomes an array of its own.

    Parameters
    ----------
    tree
        As :meth:`.Encoder.encode` returns it.
    sizes
        Unpacked size by name of the member.
    most
        Bytes that may be taken.
    """
    needed, level, depth = 0, [tree], 0
    while level:
        if depth > _DEEPEST:
            raise ValueError(f"its values are nested more than {_DEEPEST} deep")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                kind = value.get("kind")
                if kind == "array":
                    needed += sizes[value["member"]]
                elif kind == "range":
                    needed += 8 * len(range(*value["bounds"]))
                elif kind == "graph":
                    needed += _PER_VERTEX * value["n"] + 2 * sizes[value["edges"]["member"]]
                children = list(value.values())
            elif isinstance(value, list):
                children = value
            else:
                continue
            below.extend(child for child in children if isinstance(child, (dict, list)))
        check_total(needed, most)
        level, depth = below, depth + 1


def check_total(needed: int, most: int) -> None:
    """Raise a ValueError if more bytes are needed than may be taken."""
    if needed > most:
        raise ValueError(
            f"its content would take {readable(needed)} of memory, more than {readable(most)}; if you trust it, pass "
            "max_bytes='...' to load"
        )
