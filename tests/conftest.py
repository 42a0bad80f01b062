import os

# One of scikit-learn's estimator checks runs only with it, and SciPy reads it when it is imported.
os.environ["SCIPY_ARRAY_API"] = "1"

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import settings
from sklearn import config_context
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.arrays import DEVICES, Library
from helpers.data import standardised_blobs
from helpers.extent import COUNTS
from helpers.joint import ENCODER, QUICK
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering

# scikit-learn has callbacks from 1.9 on; test_interruption.py has a test for both.
NEEDS_CALLBACKS = ["estimators/test_*callbacks.py", "*/test_*checkpoints.py"]
collect_ignore_glob = [] if find_spec("sklearn.callback") else NEEDS_CALLBACKS

# Generated cases: so many for each property, and the same ones every time; or, with --hypothesis-profile=long, more
# that are new every time. Those in properties/ multiply the number by shares of their own.
settings.register_profile("ordinary", max_examples=15, derandomize=True, deadline=None, database=None)
settings.register_profile("long", max_examples=160, deadline=None, database=None, print_blob=True)
settings.load_profile("ordinary")


def pytest_collection_modifyitems(items):
    """Run the tests on the Dask cluster last: it lives until then, and takes some time even without work."""
    items.sort(key=lambda item: "client" in getattr(item, "fixturenames", ()))


def pytest_terminal_summary(terminalreporter):
    """Say how many cases were generated, faults injected and so on, by subject."""
    for what, counts in COUNTS.items():
        subjects = ", ".join(f"{subject} {n}" for subject, n in sorted(counts.items()))
        terminalreporter.write_line(f"{what}: {sum(counts.values())} ({subjects})")


@pytest.fixture
def rng():
    return np.random.RandomState(0)


@pytest.fixture(scope="session")
def digits():
    """400 digits, standardised, and their classes."""
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X[:400])
    X.flags.writeable = False
    return X, y[:400]


@pytest.fixture(scope="session")
def digits_model(digits):
    """A pipeline of pixels, code and clusters, fitted to the digits, for the tests of displays."""
    kmeans = KMeans(4, n_init=1, random_state=0)
    autoencoder = SparseAutoencoderTransformer(9, max_iter=15, tol=0.1, random_state=0)
    return make_pipeline(StandardScaler(), autoencoder, kmeans).fit(digits[0])


@pytest.fixture(scope="session")
def blobs():
    """600 rows of 15 features in six clusters, standardised."""
    X = standardised_blobs(600, 15, centers=6)
    X.flags.writeable = False
    return X


@pytest.fixture(scope="module")
def frozen(blobs):
    """An autoencoder of the blobs, frozen."""
    return FrozenEstimator(clone(ENCODER).fit(blobs))


@pytest.fixture(scope="module")
def joint(blobs, frozen):
    """Joint clustering of the blobs, fitted."""
    return DeepEmbeddedClustering(6, encoder=frozen, **QUICK).fit(blobs)


@pytest.fixture(scope="session")
def client():
    """A Dask cluster of two processes."""
    from distributed import Client

    from helpers.cluster import two_processes

    with two_processes() as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(params=DEVICES, ids=" ".join)
def library(request):
    """A library of arrays other than NumPy, and a device of it, while scikit-learn works on arrays where they are."""
    with config_context(array_api_dispatch=True):
        yield Library(*request.param)


@pytest.fixture
def agg():
    """Figures that no window shows, and that are closed."""
    import matplotlib.pyplot as plt

    plt.close("all")  # those of others: to switch with open figures is deprecated
    plt.switch_backend("Agg")
    yield
    plt.close("all")
