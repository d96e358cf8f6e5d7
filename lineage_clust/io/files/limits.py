"""Limits of memory for reading a file, checked against declared sizes before anything is unpacked."""

from __future__ import annotations

import zipfile
from typing import Any

from ...expression.storage.blocks import parse_budget, readable

_LEAST = 256 * 2**20
_RATIO = 20  # arrays of trends are compressed to a half or less, tables of flags and zeros to a twentieth
_DEEPEST = 100  # maximum nesting depth of values; a joint clustering has 20
_PER_TOKEN = 100  # bytes in memory per bracket, comma or colon of JSON, read and decoded
_PER_VERTEX = 128


def largest_content(max_bytes: int | str | None, file_size: int) -> int:
    """Return the limit of memory for the content of a file: that of the user, or 20 times its size and at least 256 MiB."""
    return max(_LEAST, _RATIO * file_size) if max_bytes is None else parse_budget(max_bytes, "max_bytes")


def sizes_of(archive: zipfile.ZipFile, most: int) -> dict[str, int]:
    """Return the unpacked size of each member; raise a ValueError if the total is too large, or names repeat."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if len(sizes) != len(archive.infolist()):
        raise ValueError("two of its members have the same name")
    check_total(sum(sizes.values()), most)
    return sizes


def check_manifest(text: bytes, most: int) -> int:
    """Return the maximum memory in bytes of the values in a manifest; raise a ValueError if it is too large."""
    needed = len(text) + _PER_TOKEN * sum(text.count(token) for token in (b"[", b"{", b",", b":"))
    check_total(needed, most)
    return needed


def check_values(tree: Any, sizes: dict[str, int], most: int) -> None:
    """Raise a ValueError if an encoded tree of values is nested too deeply, or its arrays would take too much memory.

    Each reference to an array counts, because each is decoded to an array of its own; `sizes` are unpacked sizes by member.
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
    """Raise a ValueError if the required number of bytes exceeds the maximum."""
    if needed > most:
        raise ValueError(
            f"its content would take {readable(needed)} of memory, more than {readable(most)}; if you trust it, pass "
            "max_bytes='...' to load"
        )
