"""Where expression is stored, and how it is read: blocks of files, zarr, dask and sparse matrices."""
