"""Arrays of other libraries than NumPy, for tests: array-api-strict, and PyTorch where it is installed."""

import pytest

from skdeepcluster import DeepEmbeddedClustering, SparseAutoencoderTransformer
from skdeepcluster._arrays import HAS_ARRAY_API, to_numpy

needs_array_api = pytest.mark.skipif(not HAS_ARRAY_API, reason="the Array API needs scikit-learn 1.9")

# (name of the library, name of the device)
DEVICES = [("array_api_strict", "CPU_DEVICE"), ("array_api_strict", "device1"), ("torch", "cpu")]


class Library:
    """A library, and a device of it.

    Parameters
    ----------
    name, device : str
    """

    def __init__(self, name, device):
        self.xp = pytest.importorskip(name)
        self.device = self.xp.Device(device) if name == "array_api_strict" else device

    def array(self, array):
        """A copy of NumPy's array on the device."""
        return self.xp.asarray(array, device=self.device, copy=True)

    def owns(self, array):
        """Whether an array is of the library, and on the device."""
        is_here = type(array) is type(self.array([0.0]))
        return is_here and (self.device == "cpu" or array.device == self.device)


ADAM = {"solver": "adam", "max_iter": 2, "batch_size": 100}
DEEP = {"hidden_layer_sizes": (12, 8)}
NEIGHBORS = {"n_neighbors": 5, "max_iter": 2}
LINEAR = {"code_activation": "identity", "beta": 0.0}


def autoencoder(weighted=False, **parameters):
    return SparseAutoencoderTransformer(4, **{"random_state": 0, **parameters})


def joint(weighted=False, encoder=None, **parameters):
    encoder = autoencoder(**(encoder or ADAM | DEEP | LINEAR))
    options = {"max_iter": 3, "update_interval": 5, "n_init": 2, "random_state": 0, "n_clusters": 6}
    return DeepEmbeddedClustering(encoder=encoder, **options | parameters)


__all__ = [
    "ADAM",
    "DEEP",
    "DEVICES",
    "LINEAR",
    "NEIGHBORS",
    "Library",
    "autoencoder",
    "joint",
    "needs_array_api",
    "to_numpy",
]
