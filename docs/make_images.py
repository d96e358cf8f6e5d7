"""Make the pictures of the documentation from the bundled data: `python docs/make_images.py`."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import lineage_clust as lc

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    adata = lc.datasets.bone_marrow()
    fitted = lc.TrendClusterer(lineage="Myeloid", random_state=0).fit(adata)
    ncols = min(4, fitted.n_clusters_)
    figsize = (3.0 * ncols, 2.7 * -(-fitted.n_clusters_ // ncols))  # small enough to be read at the width of a page
    fitted.plot(ncols=ncols, figsize=figsize).savefig(IMAGES / "bone_marrow_myeloid.png", dpi=130)


if __name__ == "__main__":
    main()
