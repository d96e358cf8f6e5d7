"""Make the pictures of the documentation from the bundled data: `python docs/make_images.py`."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import lineage_clust as lc

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    adata = lc.datasets.bone_marrow()
    fitted = lc.TrendClusterer(lineage="Myeloid", random_state=0).fit(adata)
    fitted.plot().savefig(IMAGES / "bone_marrow_myeloid.png", dpi=130)


if __name__ == "__main__":
    main()
