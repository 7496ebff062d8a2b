"""Work that several flows share, in processes of this machine or of a Dask cluster."""
