"""Common work of the subcommands: fitting, and writing all files or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..result_files import result_files
from ..utils.transaction import folder_for, replace_all
from .messages import say, without_reading
from .summary import summary

if TYPE_CHECKING:
    from ..clusterer import TrendClusterer
    from ..utils.atomic import Writer


def analyse(clusterers: Sequence[TrendClusterer], adata, folder: Path, report: bool) -> str:
    """Fit each clusterer, write the files of all of them or none, and return the summaries."""
    fits = [clusterer.fit(adata) for clusterer in clusterers]
    files = [result_files(fitted, folder, adata if report else None) for fitted in fits]
    written = set(write_all({path: writer for one in files for path, writer in one.items()}, folder))
    return "\n".join(
        f"{summary(fitted)}\n  files in {folder}: {', '.join(path.name for path in own if path in written)}\n"
        for fitted, own in zip(fits, files, strict=True)
    )


def write_files(fitted: TrendClusterer, folder: Path, cells=None) -> list[Path]:
    """Write figure, tables, results and report of a fitted TrendClusterer, and return their paths.

    Either all files are written or the folder is left unchanged. Without clusters there is no figure, and without
    `cells` (an AnnData) no report; those of an earlier run are removed.
    """
    return write_all(result_files(fitted, folder, cells), folder)


def write_all(files: Mapping[Path, Writer | None], folder: Path) -> list[Path]:
    """Write all files or none to a folder with messages, and return their paths; files without a writer are removed."""

    def said(path: Path, writer: Writer) -> Writer:
        def write(draft: Path) -> object:
            say(f"Writing {path}.")
            return writer(draft)

        return write

    with without_reading(), folder_for(folder):
        replace_all({path: writer and said(path, writer) for path, writer in files.items()})
    return [path for path, writer in files.items() if writer is not None]
