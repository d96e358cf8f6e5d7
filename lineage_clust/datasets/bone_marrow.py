"""The bundled real data set: differentiation of mouse bone marrow."""

from __future__ import annotations

from importlib.resources import as_file, files

import pandas as pd
from anndata import AnnData, read_h5ad

from ..utils.plain_text import plain_text


def bone_marrow() -> AnnData:
    """Load mouse bone marrow: 2,660 cells, 240 genes, an erythroid and a myeloid lineage.

    Read from a file inside the package, without network access. Every call returns a new object.

    Returns
    -------
    AnnData of shape (2660, 240)
        - `X`: log1p(1e4 * counts / total), float32 CSR; a cell's total is that of these 240 genes.
        - `layers["counts"]`: unique molecular identifiers (UMI counts), integers, CSR.
        - `obs["palantir_pseudotime"]`: from 0 (multipotent progenitors) to 1.
        - `obs["palantir_entropy"]`: entropy of the fate probabilities.
        - `obs["celltype"]`, `obs["cluster"]`: seven cell types as published, seven clusters.
        - `obsm["palantir_fate_probabilities"]`: DataFrame, columns `Ery` and `Myeloid`, rows sum to 1.
        - `obsm["slingshot_pseudotime"]`, `obsm["slingshot_cell_weights"]`: DataFrames, one column per lineage
          (`erythroid`, `myeloid`), slingshot 2.8.0, as distributed with the data.
        - `obsm["X_umap"]`, `obsm["X_umap_tradeSeq"]`, `obsm["X_pca"]`, `obsm["DM_EigenVectors_multiscaled"]`.
        - `uns["palantir_start_cell"]`, `uns["palantir_terminal_states"]`, `uns["provenance"]`.

    Notes
    -----
    Cells of Paul et al. [1]_ (GEO accession GSE72857), the 240 genes of the vignette of tradeSeq [2]_ as bundled in the
    package tradeSeq-python 1.13.12 (its metadata say Artistic-2.0; tradeSeq itself is MIT). Pseudotime and fate
    probabilities were computed with Palantir 1.4.5 on these genes. The folder of this module has the details.

    References
    ----------
    .. [1] F. Paul et al., Transcriptional heterogeneity and lineage commitment in myeloid progenitors, Cell 163
       (2015) 1663-1677.
    .. [2] K. Van den Berge et al., Trajectory-based differential expression analysis for single-cell sequencing data,
       Nature Communications 11 (2020) 1201.

    Examples
    --------
    >>> from lineage_clust.datasets import bone_marrow
    >>> adata = bone_marrow()
    >>> adata.shape
    (2660, 240)
    >>> list(adata.obsm["palantir_fate_probabilities"].columns)
    ['Ery', 'Myeloid']
    """
    with as_file(files(__package__) / "bone_marrow_240.h5ad") as path:
        return _plain_annotations(read_h5ad(path))


def _plain_annotations(adata: AnnData) -> AnnData:
    """Return an AnnData with the same arrays, with text in obs, var and the tables of obsm as dtype object."""
    obs, var = plain_text(adata.obs), plain_text(adata.var)
    obsm = {
        key: values.set_axis(obs.index, axis=0) if isinstance(values, pd.DataFrame) else values
        for key, values in adata.obsm.items()
    }
    return AnnData(
        adata.X, obs=obs, var=var, obsm=obsm, varm=dict(adata.varm), layers=dict(adata.layers), obsp=dict(adata.obsp),
        varp=dict(adata.varp), uns=dict(adata.uns),
    )  # fmt: skip
