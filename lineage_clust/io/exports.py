"""What a fitted TrendClusterer gives away, as its methods: trends, tables, files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sklearn.utils.validation import check_is_fitted

from ..lineage.lineage import check_anndata
from ..utils.checking import check_flag, check_share
from . import gene_lists, results
from .frames import intervals, long_frame, wide_frame

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from ..clusterer import TrendClusterer
    from ..trends.gene_trend import FailedTrend, GeneTrend


class Exports:
    """The part of TrendClusterer that hands out what it found."""

    def gene_trends(self, adata: AnnData | None = None) -> Mapping[str, Mapping[str, GeneTrend | FailedTrend]]:
        """Return the fitted trend of every gene, with the cells' data if `adata` is given.

        Parameters
        ----------
        adata : AnnData, default=None
            The cells that were fitted. Without them, trends hold no data.

        Returns
        -------
        mapping of str to mapping of str to GeneTrend
        """
        check_is_fitted(self)
        if adata is None:
            return self.models_
        names = self.lineage_ if isinstance(self.lineage_, list) else [self.lineage_]
        every = list(self.models_)
        return self.models_.with_data([self._read(adata, name, every) for name in names], self._prepare_kwargs())

    def genes_by_cluster(self, unassigned: bool = False) -> dict[int, list[str]]:
        """Return the genes of each cluster, those first of which the trend explains most.

        Tools of enrichment take the lists as they are; the background there is what was fitted, `genes_`. Plots that
        group genes, such as `scanpy.pl.heatmap`, take them as `var_names`, with text for keys:
        `{f"cluster {cluster}": genes for cluster, genes in lists.items()}`.

        Parameters
        ----------
        unassigned : bool, default=False
            Whether the genes without a cluster come last, under -1.

        Returns
        -------
        dict of int to list of str

        Examples
        --------
        >>> import lineage_clust as lc
        >>> tc = lc.TrendClusterer(random_state=0).fit(lc.datasets.bone_marrow(), lineage="Ery")
        >>> lists = tc.genes_by_cluster()
        >>> list(lists) == list(range(tc.n_clusters_))
        True
        """
        check_is_fitted(self)
        check_flag("unassigned", unassigned)
        return gene_lists.genes_by_cluster(self.gene_table_, unassigned)

    def write_gene_lists(self, path: str | Path, unassigned: bool = False) -> None:
        """Write the genes of each cluster to a file: one gene set a cluster, named by lineage and cluster.

        Parameters
        ----------
        path : str or path
            Of the file, whose suffix names the format: ".gmt", as read by gseapy, GSEA and others, or ".csv".
        unassigned : bool, default=False
            Whether the genes without a cluster are written too, as the last set.

        Raises
        ------
        ValueError
            If the suffix is another one, or a name holds a character that separates names in the file.

        See Also
        --------
        genes_by_cluster : The same as a dictionary.
        """
        lists = self.genes_by_cluster(unassigned)
        names = self.lineage_ if isinstance(self.lineage_, list) else [self.lineage_]
        gene_lists.write_gene_lists(lists, path, "_".join(str(name) for name in names if name is not None))

    def to_frame(self, wide: bool = False, *, values: str = "trend", level: float = 0.95) -> pd.DataFrame:
        """Return the trends as a table, for plots by other libraries and for files.

        Parameters
        ----------
        wide : bool, default=False
            One row a gene and one column a grid point, instead of one row for each gene and grid point.
        values : {"trend", "lower", "upper", "scaled"}, default="trend"
            What a wide table shows; a long one has a column of each.
        level : float, default=0.95
            Coverage of the interval from `lower` to `upper`, in (0, 1).

        Returns
        -------
        DataFrame
            Long: gene, lineage, pseudotime, trend, lower, upper, scaled, cluster, with `n_genes * n_points` rows in the
            order of `genes_`. The interval is NaN if the model has none. Wide: genes x pseudotime, with lineage and
            pseudotime as two levels of columns if there are several lineages.

        Raises
        ------
        ValueError
            If `values` is another word, or `level` is not between 0 and 1.

        Examples
        --------
        >>> import lineage_clust as lc
        >>> tc = lc.TrendClusterer(random_state=0).fit(lc.datasets.bone_marrow(), lineage="Ery")
        >>> list(tc.to_frame())
        ['gene', 'lineage', 'pseudotime', 'trend', 'lower', 'upper', 'scaled', 'cluster']
        >>> tc.to_frame(wide=True).shape
        (240, 200)
        """
        check_is_fitted(self)
        check_share("level", level)
        if not isinstance(values, str) or values not in ("trend", "lower", "upper", "scaled"):
            raise ValueError(f"values must be 'trend', 'lower', 'upper' or 'scaled'; got {values!r}.")
        lower, upper = intervals(self.models_.fits, self.genes_, level)
        columns = {"trend": self.trends_, "lower": lower, "upper": upper, "scaled": self.scaled_trends_}
        if wide:
            return wide_frame(columns[values], self.genes_, self.pseudotime_, self.grid_lineage_)
        return long_frame(columns, self.genes_, self.pseudotime_, self.grid_lineage_, self.labels_)

    def to_anndata(self) -> AnnData:
        """Return an AnnData `(n_genes, n_points)`: scaled trends in `X`, trends and errors in layers, tables in obs.

        `obs["clusters"]` is categorical and `uns["clusters_colors"]` has the colours of our pictures, as scanpy's plots
        look for them.
        """
        check_is_fitted(self)
        return results.to_anndata(self)

    def write_to(self, adata: AnnData, key: str | None = None) -> str:
        """Write the results into an AnnData: `varm`, `var` and `uns`, under keys that name the lineage.

        `var` gets the columns of `gene_table_`, text and the cluster as categories; `varm` the trends and their
        standard errors; `uns` pseudotime and provenance. Results written before under the same key are replaced.

        Parameters
        ----------
        adata : AnnData
            The one to write to; genes that have no trend get NaN.
        key : str, default=None
            Prefix of the keys; `None` = `"trends_"` and the name of the lineage.

        Returns
        -------
        str
            The key.
        """
        check_is_fitted(self)
        check_anndata(adata)
        return results.write_to(self, adata, key)

    def report(self, path: str | Path, adata: AnnData | None = None, title: str | None = None) -> None:
        """Write a report: one HTML file with pictures, tables, parameters and versions.

        It opens in any browser and needs no network: pictures, style and script are inside. The table of genes can be
        searched, sorted and saved as CSV.

        Parameters
        ----------
        path : str or path
            Of the file; an existing one is replaced, once the new one is complete.
        adata : AnnData, default=None
            The cells that were fitted, if the report is to show them too.
        title : str, default=None
            Heading; `None` = by the lineage.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import lineage_clust as lc
        >>> tc = lc.TrendClusterer(random_state=0).fit(lc.datasets.bone_marrow(), lineage="Ery")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tc.report(f"{folder}/ery.html")
        ...     Path(folder, "ery.html").read_text(encoding="utf-8")[:15]
        '<!doctype html>'
        """
        from ..report import write_report

        check_is_fitted(self)
        if adata is not None:
            check_anndata(adata)
        write_report(self, path, adata, title)

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to a file of arrays and JSON: no pickle, and no cells in it.

        The loaded one predicts the same to the last bit, and opening the file cannot run code. It is written whole or
        not at all.

        Parameters
        ----------
        path : str or path
            Of the file; an existing one is replaced.

        Raises
        ------
        TypeError
            If a component is not of this library, or a parameter is a function: use `joblib.dump` then.

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
        from .persistence import save

        check_is_fitted(self)
        save(self, path)

    @staticmethod
    def load(path: str | Path) -> TrendClusterer:
        """Return the TrendClusterer that :meth:`save` wrote.

        Parameters
        ----------
        path : str or path
            Of the file, written by this or an earlier release.

        Returns
        -------
        TrendClusterer

        Raises
        ------
        ValueError
            If it is another kind of file, damaged, incomplete, or of a newer format.
        """
        from .persistence import load

        return load(path)
