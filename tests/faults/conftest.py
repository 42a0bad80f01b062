import pytest

from helpers.bad_input import make
from helpers.data import standardised_blobs


@pytest.fixture(scope="module")
def X():
    """60 rows of 5 features in three clusters, standardised."""
    return standardised_blobs(60, 5, centers=3)


@pytest.fixture(scope="module")
def fitted(X):
    """An autoencoder of them."""
    return make().fit(X)
