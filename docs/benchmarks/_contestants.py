"""What a user would pick to cluster a table, and what the package has."""

from importlib.util import find_spec

import numpy as np
from _timing import timed
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.model_selection import estimate_eps

HAS_UMAP = find_spec("umap") is not None
HAS_CONTRASTIVE = find_spec("cne") is not None

MANIFOLD = {"n_components": 10, "n_neighbors": 15, "min_dist": 0.0}
# Of wider data, UMAP and the mixture are given so many principal components.
N_COORDINATES = 50

# Those of a core row, of DBSCAN and HDBSCAN, the row included; and the share of the rows that is a cluster of HDBSCAN.
MIN_SAMPLES, SMALLEST_SHARE = 10, 0.01

# The deep stack of docs/deep.md for tables, and the number of its batches, of 256 rows.
STACK = {"hidden_layer_sizes": (256, 256), "code_activation": "identity", "beta": 0.0, "lam": 3e-4, "corruption": 0.1}
N_STACK_BATCHES = 2000


def neighbor_code(seed, **others):
    """The network that docs/neighbors.md recommends."""
    options = {"rho": 0.2, "beta": 1.0, "lam": 1e-4, "corruption": 0.1, "n_neighbors": 7, **others}
    return SparseAutoencoderTransformer(32, hidden_layer_sizes=(256, 256), random_state=seed, **options)


def by_all_methods(X, n_clusters, seed, with_contrastive=False):
    """Generate (name of a method, (its labels, its seconds)), features included."""
    kmeans, mixture, ward = of_number(n_clusters, seed)
    spectral = SpectralClustering(n_clusters, affinity="nearest_neighbors", random_state=seed)
    yield "KMeans", timed(kmeans.fit_predict, X)
    yield "mixture", timed(make_pipeline(*components(X, seed), mixture).fit_predict, X)
    yield "Ward", timed(ward.fit_predict, X)
    yield "spectral", timed(spectral.fit_predict, X)
    if HAS_UMAP:
        code, seconds = timed(make_pipeline(*manifold(X, seed)).fit_transform, X)
        yield "UMAP, KMeans", timed(kmeans.fit_predict, code, seconds)
        yield "UMAP, mixture", timed(mixture.fit_predict, code, seconds)
        yield "UMAP, HDBSCAN", timed(by_hierarchy, code, seconds)
    if HAS_CONTRASTIVE and with_contrastive:
        code, seconds = timed(lambda X: contrastive_embedding(X, seed), X)
        yield "contrastive-ne, KMeans", timed(kmeans.fit_predict, code, seconds)
    code, seconds = timed(SparseAutoencoderTransformer(random_state=seed).fit_transform, X)
    yield "one layer, KMeans", timed(kmeans.fit_predict, code, seconds)
    n_epochs = N_STACK_BATCHES // -(-len(X) // 256)
    stack = SparseAutoencoderTransformer(8, **STACK, solver="adam", max_iter=n_epochs, tol=0.0, random_state=seed)
    code, seconds = timed(stack.fit_transform, X)
    yield "deep stack, KMeans", timed(kmeans.fit_predict, code, seconds)
    code, seconds = timed(neighbor_code(seed).fit_transform, X)
    yield "neighbour code, KMeans", timed(kmeans.fit_predict, code, seconds)
    yield "neighbour code, mixture", timed(mixture.fit_predict, code, seconds)
    yield "neighbour code, Ward", timed(ward.fit_predict, code, seconds)
    yield "neighbour code, DBSCAN", timed(by_density, code, seconds)
    yield "neighbour code, HDBSCAN", timed(by_hierarchy, code, seconds)
    yield "joint clustering", timed(DeepEmbeddedClustering(n_clusters, random_state=seed).fit_predict, X)


def of_number(n_clusters, seed):
    """The clusterers that are told the number of clusters."""
    options = {"n_init": 10, "random_state": seed}
    # In float32 the covariances of dense clusters are not positive definite.
    mixture = make_pipeline(FunctionTransformer(np.float64), GaussianMixture(n_clusters, **options))
    return KMeans(n_clusters, **options), mixture, AgglomerativeClustering(n_clusters)


def by_density(Z):
    """Labels of DBSCAN, with eps from the knee; if that is 0, as so many rows are repeated, all rows are noise."""
    try:
        eps = estimate_eps(Z, MIN_SAMPLES).eps
    except ValueError:
        return np.full(len(Z), -1)
    return DBSCAN(eps, min_samples=MIN_SAMPLES).fit_predict(Z)


def by_hierarchy(Z):
    """Labels of HDBSCAN."""
    return hierarchy(len(Z)).fit_predict(Z)


def hierarchy(n_rows):
    """HDBSCAN for so many rows."""
    smallest = max(MIN_SAMPLES, round(SMALLEST_SHARE * n_rows))
    return HDBSCAN(min_cluster_size=smallest, min_samples=MIN_SAMPLES, copy=True)


def components(X, seed):
    """Principal components of wide data."""
    return [PCA(N_COORDINATES, random_state=seed)] if X.shape[1] > N_COORDINATES else []


def manifold(X, seed):
    """The steps of UMAP."""
    from umap import UMAP

    return [*components(X, seed), UMAP(**MANIFOLD, random_state=seed)]


def compile_umap():
    """Let UMAP compile itself, which is not to be timed."""
    if HAS_UMAP:
        X = np.random.RandomState(0).normal(size=(5000, 4)).astype(np.float32)
        # Of few rows it finds the neighbours by other code.
        for n_rows in (2000, 5000):
            make_pipeline(*manifold(X, 0)).fit(X[:n_rows])
    else:
        print("without umap-learn, which is not installed\n")


def contrastive_embedding(X, seed):
    """The parametric embedding of contrastive-ne with the loss InfoNCE, in as many dimensions as UMAP's."""
    import cne

    n_components = MANIFOLD["n_components"]
    # Its own start, from principal components, is an error with the scikit-learn of today.
    start = 0.01 * np.random.RandomState(seed).normal(size=(len(X), n_components)).astype(np.float32)
    embedding = cne.CNE(parametric=True, loss_mode="infonce", embd_dim=n_components, seed=seed)
    return embedding.fit_transform(X, init=start)
