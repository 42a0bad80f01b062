"""
Clustering handwritten digits
=============================

The main job from end to end: standardise 1,797 images of 64 pixels, train a sparse autoencoder without labels, and
cluster its code with KMeans, agglomerative clustering and DBSCAN. Each is set beside the same clusterer on the scaled
pixels alone. The labels are read at the end only, to judge.
"""

# %%
# The data and its code
# ---------------------
import argparse

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.metrics import clustering_report
from skdeepcluster.model_selection import estimate_eps
from skdeepcluster.plotting import ClusterEmbeddingDisplay, KDistanceDisplay, SilhouetteDisplay

parser = argparse.ArgumentParser(description="Cluster the digits with and without a sparse autoencoder.")
parser.add_argument("--output", default="cluster_digits.png", help="file of the figure")
output = parser.parse_args().output

X, y = load_digits(return_X_y=True)


def make_features(name):
    """The steps before the clusterer."""
    return {
        "scaled pixels": [StandardScaler()],
        "code": [StandardScaler(), SparseAutoencoderTransformer(random_state=0)],
    }[name]


spaces = {name: make_pipeline(*make_features(name)).fit_transform(X) for name in ("scaled pixels", "code")}

# %%
# Choosing eps for DBSCAN
# -----------------------
# Sort the distances of all rows to their k-th nearest, k = min_samples. Rows in dense regions are on the left of this
# curve, rows that will be noise on the right, and eps is a height between them. Textbooks put it at the curve's knee.
# In as many dimensions as here distances are much alike and the clusters touch: at the knee, at about 95 % of the rows,
# nearly all rows join one cluster. So try heights along the curve, and keep the one whose partition says most about the
# partition of neighbours in the scaled pixels, with noise counted as a cluster, lest calling most rows noise pay.
MIN_SAMPLES = 10
QUANTILES = np.arange(0.1, 1.0, 0.05)

curves = {name: estimate_eps(Z, MIN_SAMPLES).distances for name, Z in spaces.items()}


def choose_eps(name, Z):
    candidates = np.quantile(curves[name], QUANTILES)
    partitions = [DBSCAN(eps=eps, min_samples=MIN_SAMPLES).fit_predict(Z) for eps in candidates]
    scores = [
        clustering_report(spaces["scaled pixels"], labels, noise="cluster")["neighbor_information"]
        for labels in partitions
    ]
    return candidates[np.nanargmax(scores)]


eps = {name: choose_eps(name, Z) for name, Z in spaces.items()}
for name, value in eps.items():
    share = np.mean(curves[name] <= value)
    print(f"DBSCAN on the {name}: eps = {value:.2f}, the {MIN_SAMPLES}-distance of {share:.0%} of the rows")

# %%
# Six partitions
# --------------
# The internal scores of one clusterer are comparable between rows of the table, since all of them are measured in the
# same space, the scaled pixels. Those of DBSCAN leave out its noise, so read them beside n_noise.
reports, pipelines = {}, {}
for name in spaces:
    clusterers = (
        KMeans(10, n_init=10, random_state=0),
        AgglomerativeClustering(10),
        DBSCAN(eps=eps[name], min_samples=MIN_SAMPLES),
    )
    for clusterer in clusterers:
        pipeline = make_pipeline(*make_features(name), clusterer)
        labels = pipeline.fit_predict(X)
        reports[type(clusterer).__name__, name] = clustering_report(spaces["scaled pixels"], labels, y_true=y)
        pipelines[type(clusterer).__name__, name] = pipeline

table = pd.DataFrame(reports).T.rename_axis(["clusterer", "features"]).sort_index(level=0, sort_remaining=False)
print()
print(table.astype({"n_clusters": int, "n_noise": int}).round(3).to_string())

# %%
# A pipeline that ends in KMeans also labels new rows, here as an example the first ten:
pipeline = pipelines["KMeans", "code"]
print(f"\nThe clusters of the first ten images: {pipeline.predict(X[:10])}")

# %%
# Pictures
# --------
# The curve on which eps was chosen, the agreement of all partitions with the true digits, and the clusters of KMeans on
# the code: where they lie, and how well each row lies in its cluster, measured in the scaled pixels.
figure, ((curve_axes, score_axes), (code_axes, silhouette_axes)) = plt.subplots(
    2, 2, figsize=(10, 9), layout="constrained"
)

KDistanceDisplay.from_data(spaces["code"], MIN_SAMPLES, eps=eps["code"], ax=curve_axes)
curve_axes.set_title("Choosing eps on the code")

table["nmi"].astype(float).unstack("features")[list(spaces)].plot.bar(ax=score_axes, rot=10)
score_axes.set(title="Agreement with the true digits", xlabel="", ylabel="normalised mutual information")
score_axes.legend(loc="lower right")

ClusterEmbeddingDisplay.from_estimator(pipeline, X, ax=code_axes)
code_axes.set_title("Clusters of KMeans in the code")

SilhouetteDisplay.from_estimator(pipeline, X, ax=silhouette_axes)
silhouette_axes.set_title("Their silhouettes in the scaled pixels", pad=28)

figure.savefig(output, dpi=100)
print(f"\nFigure saved to {output}")
