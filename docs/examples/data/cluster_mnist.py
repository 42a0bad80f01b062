"""
A deep stack on MNIST
=====================

Images of handwritten digits lie on bent sheets in the space of their 784 pixels, which KMeans cuts across. A stack of
layers unbends them: KMeans on ten numbers of its code finds far more of the digits than on the pixels, or on ten
principal components. This is the small version, on a part of the images and with a few epochs; :doc:`the page on deep
stacks </deep>` has all 70,000.

Recorded in 2026-11::

                                              accuracy    NMI    ARI
    KMeans                                       0.538  0.482  0.360
    10 principal components, KMeans              0.504  0.468  0.337
    10 principal components, GaussianMixture     0.532  0.562  0.389
    deep autoencoder, KMeans                     0.602  0.591  0.454
    deep autoencoder, GaussianMixture            0.658  0.685  0.552

.. image:: /images/cluster_mnist.png
   :alt: Above, for each of the ten clusters the images that are most typical of it; below, images and their
         reconstructions from ten numbers.
"""

# %%
# The images
# ----------
# 10,000 of the 70,000, drawn at random, with pixels in [0, 1]. scikit-learn fetches them from OpenML, unless the
# variable ``SKDEEPCLUSTER_DATA`` of the environment names a folder that has ``mnist.npz`` (arrays ``X`` and ``y``).
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.datasets import fetch_openml
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.metrics import clustering_accuracy
from skdeepcluster.plotting import ClusterProfileDisplay, ReconstructionDisplay

# sphinx_gallery_thumbnail_path = 'images/cluster_mnist.png'

DATA_DIR = os.environ.get("SKDEEPCLUSTER_DATA")

if DATA_DIR:
    with np.load(Path(DATA_DIR, "mnist.npz"), allow_pickle=False) as archive:
        X, y = archive["X"], archive["y"]
else:
    X, y = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
chosen = np.random.RandomState(0).permutation(len(X))[:10_000]
X, y = X[chosen].astype(np.float32) / 255, y[chosen]

# %%
# Pixels, principal components and code
# -------------------------------------
# The network is the one that the page on deep stacks recommends, with fewer epochs: relu layers, a linear code of as
# many units as there are clusters, a fifth of the pixels set to zero while it learns.
autoencoder = SparseAutoencoderTransformer(
    10,
    hidden_layer_sizes=(500, 500, 2000),
    code_activation="identity",
    output_activation="logistic",
    beta=0,
    lam=3e-4,
    corruption=0.2,
    max_iter=30,
    tol=0,
    random_state=0,
)
kmeans = KMeans(10, n_init=10, random_state=0)
mixture = GaussianMixture(10, n_init=10, random_state=0)
pca = PCA(10, random_state=0)
models = {
    "KMeans": make_pipeline(kmeans),
    "10 principal components, KMeans": make_pipeline(pca, kmeans),
    "10 principal components, GaussianMixture": make_pipeline(pca, mixture),
    "deep autoencoder, KMeans": make_pipeline(autoencoder, kmeans),
    "deep autoencoder, GaussianMixture": make_pipeline(
        FrozenEstimator(autoencoder), mixture
    ),
}
rows = {}
for name, model in models.items():
    labels = model.fit_predict(X)
    rows[name] = {
        "accuracy": clustering_accuracy(y, labels),
        "NMI": normalized_mutual_info_score(y, labels),
        "ARI": adjusted_rand_score(y, labels),
    }
table = pd.DataFrame(rows).T.round(3)
print(table.to_string())

# %%
# Classes are drawn out in the code, not round, so a mixture of Gaussians finds more of the digits than KMeans; in the
# principal components as well. The network was chosen with the labels of MNIST in sight, and this smaller setting is
# one of two that were tried: the other had no layer of 2,000 units and twice the epochs, and was worse with KMeans and
# better with the mixture.
#
# The picture
# -----------
# Above, the images nearest to the mean of each cluster in the code; below, images and what the network makes of their
# ten numbers, the best and the worst.
model = models["deep autoencoder, KMeans"]
figure, (upper, lower) = plt.subplots(2, 1, figsize=(10, 9), layout="constrained")
ClusterProfileDisplay.from_estimator(
    model, X, image_shape=(28, 28), n_shown=8, ax=upper
)
ReconstructionDisplay.from_estimator(
    model, X, image_shape=(28, 28), n_examples=8, ax=lower
)
figure.savefig("cluster_mnist.png", dpi=80)
print("\nFigure saved to cluster_mnist.png")
plt.show()
