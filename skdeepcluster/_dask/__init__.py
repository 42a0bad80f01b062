"""Training on a Dask cluster; only `skdeepcluster.dask` imports it."""
