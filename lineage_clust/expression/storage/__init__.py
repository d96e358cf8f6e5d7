"""Storage of expression, which is read in blocks: HDF5 and zarr files, dask arrays, and sparse matrices in memory."""
