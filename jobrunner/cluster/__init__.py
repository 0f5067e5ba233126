"""Handlers on the nodes of a Dask cluster. Only the dispatcher and the nodes import Dask."""
