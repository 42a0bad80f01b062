"""The threads of BLAS, and of OpenMP."""

from threadpoolctl import threadpool_info


def blas_threads():
    """How many each of the libraries has."""
    return _threads("blas")


def openmp_threads():
    """How many each of the libraries has, in the calling thread."""
    return _threads("openmp")


def _threads(user_api):
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == user_api]
