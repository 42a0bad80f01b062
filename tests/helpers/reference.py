"""The internal metrics made from scikit-learn's functions, higher is better."""

import numpy as np
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, mutual_info_score, silhouette_score
from sklearn.neighbors import NearestNeighbors


def neighbor_information(Z, labels):
    labels, neighbors = np.asarray(labels), NearestNeighbors(n_neighbors=3).fit(Z).kneighbors(return_distance=False)
    return mutual_info_score(np.repeat(labels, 3), labels[neighbors].ravel())


FUNCTIONS = {
    "silhouette": silhouette_score,
    "calinski_harabasz": calinski_harabasz_score,
    "davies_bouldin": lambda Z, labels: -davies_bouldin_score(Z, labels),
    "neighbor_information": neighbor_information,
}
