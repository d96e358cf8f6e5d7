"""Files written by the command line for a fit: figure, tables, results and report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .io.keys import default_key, file_key
from .io.results import h5ad_bytes
from .io.spreadsheets import write_csv

if TYPE_CHECKING:
    from .clusterer import TrendClusterer
    from .utils.atomic import Writer


def result_files(fitted: TrendClusterer, folder: Path, cells=None) -> dict[Path, Writer | None]:
    """Return the writer of each file by path, or `None` for files that this fit does not have.

    fitted : A fitted TrendClusterer; without clusters there is no figure.
    folder : Folder of the files.
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

    drawn = plot()
    figure = getattr(drawn, "figure", drawn)
    try:
        figure.set_dpi(150)
        FigureCanvasAgg(figure).print_png(path)  # savefig would draw it twice
    finally:
        plt.close(figure)
