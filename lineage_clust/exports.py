"""What a fitted TrendClusterer gives away, as its methods: trends, tables, files."""

from __future__ import annotations

from sklearn.utils.validation import check_is_fitted

from . import results
from .lineage import check_anndata


class Exports:
    """The part of TrendClusterer that hands out what it found."""

    def gene_trends(self, adata=None):
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

    def to_anndata(self):
        """Return an AnnData `(n_genes, n_points)`: scaled trends in `X`, trends and errors in layers, tables in obs."""
        check_is_fitted(self)
        return results.to_anndata(self)

    def write_to(self, adata, key=None):
        """Write the results into an AnnData: `varm`, `var` and `uns`, under keys that name the lineage.

        Parameters
        ----------
        adata : AnnData
            The one to write to; genes that have no trend get NaN.
        key : str, default=None
            Prefix of the keys; `None` = "trends_" and the name of the lineage.

        Returns
        -------
        str
            The key.
        """
        check_is_fitted(self)
        check_anndata(adata)
        return results.write_to(self, adata, key)

    def save(self, path) -> None:
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
    def load(path):
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
