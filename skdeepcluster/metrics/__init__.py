"""Judging a partition: reports, and scorers for `GridSearchCV`.

Examples
--------
>>> from sklearn.cluster import KMeans
>>> from sklearn.model_selection import GridSearchCV
>>> from skdeepcluster import metrics
>>> X = [[0.0], [1.0], [10.0], [11.0], [0.0], [1.0], [10.0], [11.0]]
>>> scoring = {
...     "silhouette": metrics.silhouette_scorer,
...     "calinski_harabasz": metrics.calinski_harabasz_scorer,
...     "davies_bouldin": metrics.davies_bouldin_scorer,
...     "neighbor_information": metrics.neighbor_information_scorer,
...     "neighbor_modularity": metrics.neighbor_modularity_scorer,
... }
>>> search = GridSearchCV(
...     KMeans(random_state=0),
...     {"n_clusters": [2, 3]},
...     scoring=scoring,
...     refit="silhouette",
...     cv=2,
... )
>>> search.fit(X).best_params_
{'n_clusters': 2}
"""

from ._report import ClusteringReport, clustering_accuracy, clustering_report
from ._scorers import (
    calinski_harabasz_scorer,
    davies_bouldin_scorer,
    make_clustering_scorer,
    neighbor_information_scorer,
    neighbor_modularity_scorer,
    silhouette_scorer,
)

__all__ = [
    "ClusteringReport",
    "calinski_harabasz_scorer",
    "clustering_accuracy",
    "clustering_report",
    "davies_bouldin_scorer",
    "make_clustering_scorer",
    "neighbor_information_scorer",
    "neighbor_modularity_scorer",
    "silhouette_scorer",
]
