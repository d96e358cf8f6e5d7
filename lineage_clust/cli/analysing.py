"""Common work of the subcommands: fitting, and writing all files or none: figure, tables, results and report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io.keys import default_key, file_key
from ..io.results import h5ad_bytes
from ..io.spreadsheets import write_csv
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


def result_files(fitted: TrendClusterer, folder: Path, cells=None) -> dict[Path, Writer | None]:
    """Return the writer of each file by path, or `None` for files that this fit does not have.

    fitted : A fitted TrendClusterer; without clusters there is no figure.
    cells : The AnnData, shown in the report; `None` = no report.
    """
    kinds = (("trends", "png"), ("genes", "csv"), ("clusters", "csv"), ("results", "h5ad"), ("report", "html"))
    picture, genes, clusters, results, page = (
        folder / f"{default_key(fitted.lineage_, prefix, file_key)}.{suffix}" for prefix, suffix in kinds
    )
    return {
        picture: (lambda path: _draw(fitted, path)) if fitted.n_clusters_ else None,
        genes: lambda path: write_csv(fitted.gene_table_, path),
        clusters: lambda path: write_csv(fitted.cluster_table_, path),
        results: lambda path: path.write_bytes(h5ad_bytes(fitted.to_anndata())),
        page: (lambda path: fitted.report(path, cells)) if cells is not None else None,
    }


def _draw(fitted: TrendClusterer, path: Path) -> None:
    write_png(fitted.plot, path)


def write_png(plot: Callable[[], Any], path: Path) -> None:
    """Write the figure or axes returned by a function to a file."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with plt.rc_context({"figure.dpi": 150}):  # the layout measures texts as they are drawn
        drawn = plot()
    figure = getattr(drawn, "figure", drawn)
    try:
        FigureCanvasAgg(figure).print_png(path)  # savefig would draw it twice
    finally:
        plt.close(figure)
