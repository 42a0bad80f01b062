"""Data that tests share, and the forms that they bring it in."""

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.preprocessing import StandardScaler


def standardised_blobs(n_samples, n_features, centers):
    X, _ = make_blobs(n_samples, n_features, centers=centers, random_state=0)
    return StandardScaler().fit_transform(X)


def mapped(X, path):
    """X as a file that is mapped into memory."""
    X.tofile(path)
    return np.memmap(path, dtype=X.dtype, mode="r", shape=X.shape)


def random_weights(rng, n):
    """Sample weights of n rows, of mean 1."""
    w = rng.uniform(0.1, 2, size=n)
    return w / w.mean()
