"""Files of fitted TrendClusterers and of comparisons: a zip archive of arrays and a JSON manifest, without pickle.

Layout: `manifest.json` contains the format version, the versions of the libraries, digests of all other members and the
estimator as a tree of values; arrays are members in NumPy's `.npy` format. The comment at the end of the archive
contains the format version and a digest of everything before it, so that any change is detected.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from sklearn.base import BaseEstimator

from ..._version import __version__
from ...results.result import result_of
from ...utils.atomic import unhidden_interruptions, write_whole
from ...utils.checking import as_path
from .encoding import Decoder, Encoder, digest_of
from .limits import check_manifest, check_values, largest_content, sizes_of
from .upgrades import UPGRADES

FORMAT_VERSION = 3
_MANIFEST = "manifest.json"
_SEAL = "lineage_clust-format {:04d} blake2b {}"
_SEAL_PATTERN = re.compile(rb"lineage_clust-format (\d{4}) blake2b ([0-9a-f]{64})\Z")
_SEAL_LENGTH = len(_SEAL.format(0, "0" * 64))
_DATE = (1980, 1, 1, 0, 0, 0)  # makes files reproducible

Stored = TypeVar("Stored")


def save(fitted: Any, path: str | Path) -> None:
    """Write the fitted estimator to a file of arrays and JSON, without pickle and without cells.

    The loaded estimator gives identical predictions, and opening the file cannot run code. The file is written
    completely or not at all.

    Parameters
    ----------
    path : str or path
        Path of the file; an existing one is replaced.

    Raises
    ------
    TypeError
        If a component is not part of this library, or a parameter is a function. Use `joblib.dump` instead.

    See Also
    --------
    load : Reads the file.

    Examples
    --------
    >>> import tempfile
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> tc = lc.TrendClusterer(random_state=0).fit(adata, lineage="Ery")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tc.save(f"{folder}/ery.lclust")
    ...     again = lc.TrendClusterer.load(f"{folder}/ery.lclust")
    >>> bool((again.predict(adata) == tc.labels_).all())
    True
    """
    data = to_bytes(fitted)
    write_whole(path, lambda draft: draft.write_bytes(data))


def load(cls: type[Stored], path: str | Path, max_bytes: int | str | None = None) -> Stored:
    """Return the estimator of class `cls` stored in a file; see :meth:`lineage_clust.TrendClusterer.load`."""
    path, name = as_path(path), repr(str(as_path(path)))
    with path.open("rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{name} is not a file: {cls.__name__}.save writes one. A pipe or device may have no end.")
        data = stream.read(status.st_size)
    return from_bytes(data, cls, name, max_bytes)


def to_bytes(fitted: Any) -> bytes:
    """Return the content that :func:`save` writes; it is the same for the same estimator."""
    if isinstance(fitted, BaseEstimator):
        _ = result_of(fitted).gene_table, result_of(fitted).cluster_table  # they are stored too
    encoder = Encoder(type(fitted))
    tree = encoder.encode(fitted, "the clusterer")
    versions = {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "pandas", "igraph")}
    manifest = {
        "format": f"lineage_clust.{type(fitted).__name__}",
        "format_version": FORMAT_VERSION,
        "versions": versions | {"lineage_clust": __version__},
        "members": {name: digest_of(content) for name, content in encoder.members.items()},
        "estimator": tree,
    }
    buffer = BytesIO()
    with unhidden_interruptions(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _write(archive, _MANIFEST, json.dumps(manifest, allow_nan=False).encode())
        for name, content in encoder.members.items():
            _write(archive, name, content)
        archive.comment = _SEAL.format(0, "0" * 64).encode()
    body = buffer.getvalue()[:-_SEAL_LENGTH]
    return body + _SEAL.format(FORMAT_VERSION, digest_of(body)).encode()


def from_bytes(data: bytes, cls: type[Stored], name: str = "The data", max_bytes: int | str | None = None) -> Stored:
    """Return the estimator of class `cls` written by :func:`to_bytes`; `name` is used in error messages."""
    most = largest_content(max_bytes, len(data))
    _check_seal(data, name, cls.__name__)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            sizes = sizes_of(archive, most)
            text = archive.read(_MANIFEST)
            left = most - check_manifest(text, most)
            manifest = json.loads(text)
            check_values(manifest["estimator"], sizes, left)
            members = {member: archive.read(member) for member in manifest["members"]}
        if any(digest_of(content) != manifest["members"][member] for member, content in members.items()):
            raise ValueError("a member differs from its digest")
        for old in range(manifest["format_version"], FORMAT_VERSION):
            manifest = UPGRADES[old](manifest)
            check_values(manifest["estimator"], sizes, left)
        found = Decoder(members, cls).decode(manifest["estimator"])
        if not isinstance(found, cls):
            raise ValueError(f"it contains a {type(found).__name__}")
    except Exception as error:  # depends on the content of the file
        raise ValueError(
            f"{name} cannot be read as a {cls.__name__} ({error}). A file of {cls.__name__}.save is a zip of arrays and of "
            "a manifest.json that says what they are; this one was not written by it in this or an earlier release, or was "
            "changed: save it again."
        ) from error
    return found


def _check_seal(data: bytes, name: str, of: str) -> None:
    """Raise a ValueError unless the data end in a readable seal and match it."""
    seal = _SEAL_PATTERN.search(data[-_SEAL_LENGTH:])
    if seal is None:
        ours = data[:4] == b"PK\x03\x04" and data[30 : 30 + len(_MANIFEST)] == _MANIFEST.encode()
        if ours:
            raise ValueError(
                f"{name} is damaged: its end is missing or changed, as after an interrupted copy. Copy or save it again."
            )
        raise ValueError(
            f"{name} is not a file of {of}.save. Files of joblib and pickle are read by joblib.load and pickle.load."
        )
    written_in = int(seal[1])
    if written_in > FORMAT_VERSION:
        raise ValueError(
            f"{name} has format {written_in}, of a newer release of lineage_clust; this one reads formats up to "
            f"{FORMAT_VERSION}. Update lineage_clust."
        )
    if digest_of(data[:-_SEAL_LENGTH]) != seal[2].decode():
        raise ValueError(f"{name} is damaged: its content differs from its checksum. Copy or save it again.")


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
