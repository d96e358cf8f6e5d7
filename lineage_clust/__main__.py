"""Entry point of `python -m lineage_clust`, the program `lineage-clust`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
