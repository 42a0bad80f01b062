"""The internal metrics made from scikit-learn's functions, higher is better."""

import numpy as np
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, mutual_info_score, silhouette_score
from sklearn.neighbors import NearestNeighbors


def neighbor_information(Z, labels):
    labels, neighbors = np.asarray(labels), NearestNeighbors(n_neighbors=3).fit(Z).kneighbors(return_distance=False)
    return mutual_info_score(np.repeat(labels, 3), labels[neighbors].ravel())


def neighbor_modularity(Z, labels):
    n_neighbors = max(1, min(100, len(Z) // 5))
    A = NearestNeighbors(n_neighbors=n_neighbors).fit(Z).kneighbors_graph().toarray()
    A = A + A.T
    degrees, same = A.sum(axis=1), np.equal.outer(labels, labels)
    return np.sum((A - np.outer(degrees, degrees) / A.sum())[same]) / A.sum()


FUNCTIONS = {
    "silhouette": silhouette_score,
    "calinski_harabasz": calinski_harabasz_score,
    "davies_bouldin": lambda Z, labels: -davies_bouldin_score(Z, labels),
    "neighbor_information": neighbor_information,
    "neighbor_modularity": neighbor_modularity,
}
