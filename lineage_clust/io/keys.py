"""Valid keys and file names for any name: characters that h5ad, zarr or file systems do not allow are replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import blake2b

from ..utils.types import Names

_NOT_IN_KEYS = str.maketrans(dict.fromkeys("/\\\0", "_"))
_NOT_ON_WINDOWS = str.maketrans(dict.fromkeys([*'<>:"|?*', *map(chr, range(32))], "_"))
_LONGEST = 150  # bytes of a key; file names may have 255, including a suffix and a temporary prefix


def safe_key(name: str) -> str:
    """Return a valid key of h5ad and zarr files; names longer than 150 bytes are truncated, see `distinct_key`."""
    cleaned = _cleaned(str(name))
    return cleaned if len(cleaned.encode("utf-8", "replace")) <= _LONGEST else with_digits(str(name))


def distinct_key(name: str) -> str:
    """Return a unique key: modified names end in digits of a digest of the name.

    >>> distinct_key("Mono"), distinct_key("Mono/Mac")
    ('Mono', 'Mono_Mac_5b1e18')
    """
    key = safe_key(name)
    return key if key == str(name) else with_digits(str(name))


def with_digits(name: str) -> str:
    """Return a key that ends in digits of a digest of the name."""
    encoded = _cleaned(name).encode("utf-8", "replace")
    digits = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
    return f"{encoded[:_LONGEST].decode('utf-8', 'ignore')}_{digits}"


def file_key(name: str) -> str:
    """Return a unique key for file names, also on Windows.

    >>> file_key("Ery"), file_key("CD34: high?")
    ('Ery', 'CD34_ high__704051')
    """
    key = distinct_key(name)
    is_portable = key == key.translate(_NOT_ON_WINDOWS)
    return key if is_portable else with_digits(name).translate(_NOT_ON_WINDOWS)


def _cleaned(name: str) -> str:
    cleaned = name.translate(_NOT_IN_KEYS)
    return cleaned if cleaned.strip(".") else "_" * max(len(cleaned), 1)


def column_keys(names: Iterable[str]) -> dict[str, str]:
    """Return a key for each column name, with digits of a digest only where needed to avoid duplicates."""
    names = list(names)
    times = Counter(_cleaned(name) for name in names)
    return {name: _cleaned(name) if times[_cleaned(name)] == 1 else distinct_key(name) for name in names}


def default_key(lineage: Names, prefix: str = "trends", key: Callable[[str], str] = safe_key) -> str:
    """Return the key of a lineage's results, e.g. "trends_Ery"; `key` converts its name."""
    names = [lineage] if lineage is None or isinstance(lineage, str) else list(lineage)
    joined = "_".join(str(name) for name in names if name is not None)
    return f"{prefix}_{key(joined)}" if joined else prefix
