"""The threads of BLAS."""

from threadpoolctl import threadpool_info


def blas_threads():
    """How many each of the libraries has."""
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
