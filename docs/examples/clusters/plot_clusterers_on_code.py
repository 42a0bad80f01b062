"""
Four clusterers on one code
===========================

A code that is trained with neighbours has gaps between its clusters, so that clusterers of every kind find them:
KMeans, agglomerative clustering, and DBSCAN and HDBSCAN, which nobody tells how many there are. Each is set beside the
same clusterer on the scaled pixels. The labels are read at the end only, to judge.
"""

# %%
# Before and after
# ----------------
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.metrics import clustering_report
from skdeepcluster.model_selection import estimate_eps
from skdeepcluster.plotting import ClusterEmbeddingDisplay, KDistanceDisplay

# sphinx_gallery_thumbnail_number = 2

X, y = load_digits(return_X_y=True)
scaled = StandardScaler().fit_transform(X).astype(np.float32)
autoencoder = SparseAutoencoderTransformer(
    32,
    hidden_layer_sizes=(256, 256),
    rho=0.2,
    beta=1,
    lam=1e-4,
    corruption=0.1,
    n_neighbors=7,
    random_state=0,
)
spaces = {"scaled pixels": scaled, "code": autoencoder.fit_transform(scaled)}

# %%
# eps for DBSCAN
# --------------
# The distances of all rows to their tenth nearest, sorted. In the pixels they are much alike: the curve rises slowly,
# and at its knee nearly all rows are one cluster. In the code the rows of a cluster are near each other, and few rows
# are between clusters: the knee is where the curve turns from those to these, and a good eps.
MIN_SAMPLES = 10
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
eps = {}
for ax, (name, Z) in zip(axes, spaces.items()):
    eps[name] = estimate_eps(Z, MIN_SAMPLES).eps
    KDistanceDisplay.from_data(Z, MIN_SAMPLES, eps=eps[name], ax=ax)
    ax.set_title(name, pad=32)  # above the legend

# %%
# Eight partitions
# ----------------
# In the pixels only Ward's method comes near the digits; DBSCAN finds one cluster, and HDBSCAN calls most rows noise.
# In the code all four find nearly the same. DBSCAN and HDBSCAN find more than ten clusters, since some digits are
# written in two ways.
partitions, reports = {}, {}
for name, Z in spaces.items():
    clusterers = (
        KMeans(10, n_init=10, random_state=0),
        AgglomerativeClustering(10),
        DBSCAN(eps[name], min_samples=MIN_SAMPLES),
        HDBSCAN(min_cluster_size=30, min_samples=MIN_SAMPLES, copy=True),
    )
    for clusterer in clusterers:
        title = type(clusterer).__name__
        partitions[title, name] = clusterer.fit_predict(Z)
        reports[title, name] = clustering_report(
            scaled, partitions[title, name], y_true=y, noise="cluster"
        )

table = pd.DataFrame(reports).T.rename_axis(["clusterer", "features"])
columns = ["n_clusters", "n_noise", "nmi", "ari"]
print(table[columns].astype({"n_clusters": int, "n_noise": int}).round(3).to_string())

# %%
# Pictures
# --------
# All rows in two dimensions, by t-SNE of the pixels on the left and of the code on the right, coloured by cluster;
# noise is grey.
places = {
    name: TSNE(max_iter=500, random_state=0).fit_transform(Z)
    for name, Z in spaces.items()
}
titles = list(dict.fromkeys(title for title, _ in partitions))
figure, axes = plt.subplots(
    len(titles), 2, figsize=(10, 4 * len(titles)), layout="constrained"
)
for (title, name), labels in partitions.items():
    ax = axes[titles.index(title), list(spaces).index(name)]
    ClusterEmbeddingDisplay.from_predictions(places[name], labels, ax=ax)
    ax.set(xlabel="", ylabel="")
    ax.set_title(f"{title}, {name}", pad=20)  # above the number of rows of noise
plt.show()
