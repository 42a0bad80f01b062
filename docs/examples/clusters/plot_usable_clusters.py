"""
Clusters that can be used
=========================

What comes after a code: whether there are clusters, how many, which contain which, which come back, where new rows
belong, and what makes a cluster. The baseline is the same clusterer on the scaled pixels. The labels are read at the
end only, to judge. The guide tells the story at length, in "From code to clusters you can use".
"""

# %%
# A code, and whether there are clusters
# --------------------------------------
# The last 297 images come later, from other writers. The test asks the data and not the code: it clusters tables with
# the same columns and correlations, too. With 19 of these, .05 is the least that the p-value can be.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.ndimage import label
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import ClusterTree, NeighborAssigner
from skdeepcluster.inspection import explain_clusters
from skdeepcluster.model_selection import (
    cluster_stability,
    estimate_n_clusters,
    structure_test,
)
from skdeepcluster.plotting import (
    ClusterProfileDisplay,
    ClusterRulesDisplay,
    ClusterTreeDisplay,
)

# sphinx_gallery_thumbnail_number = 2

images, digits = load_digits(return_X_y=True)
images = images.astype(np.float32)
X, X_new, y, y_new = images[:1500], images[1500:], digits[:1500], digits[1500:]
scaler = StandardScaler().fit(X)
scaled, scaled_new = scaler.transform(X), scaler.transform(X_new)
autoencoder = SparseAutoencoderTransformer(
    32,
    hidden_layer_sizes=(128, 128),
    rho=0.2,
    beta=1,
    lam=1e-4,
    corruption=0.1,
    n_neighbors=7,
    max_iter=60,
    random_state=0,
)
code = autoencoder.fit_transform(scaled)
test = structure_test(
    make_pipeline(StandardScaler(), KMeans(10, n_init=1)),
    X,
    n_repeats=19,
    random_state=0,
)
print(
    f"p = {test.p_value:.2f}: {test.score:.2f} nats, at most {test.null_scores.max():.2f} without structure"
)

# %%
# How many
# --------
# The curve is flat around its top. The number is a place to start.
estimate = estimate_n_clusters(code, X=scaled, random_state=0)
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(estimate.k_range, estimate.scores, marker=".")
ax.axvline(estimate.n_clusters, linestyle="--", linewidth=0.8, color="grey")
ax.set(
    xlabel="number of clusters",
    ylabel="score",
    title=f"highest at {estimate.n_clusters}",
)

# %%
# A tree
# ------
# Beside every branch are the images that are nearest to its mean.
tree = ClusterTree(n_clusters=estimate.n_clusters, random_state=0)
model = make_pipeline(StandardScaler(), autoencoder, tree).fit(X)
ClusterTreeDisplay.from_estimator(model, X, image_shape=(8, 8))

# %%
# Which come back
# ---------------
# The whole pipeline is fitted to halves of the rows, with other seeds. The overlap is that of a cluster with the most
# similar one that was found. Clusters of two digits come back as well: see the table at the end.
stability = cluster_stability(model, X, n_repeats=5, random_state=0)

# %%
# New rows
# --------
# HDBSCAN has no ``predict``, so the nearest of its rows vote. These are the first of the new images that they take for
# noise; many of them can be read all the same.
assigner = NeighborAssigner(
    HDBSCAN(min_cluster_size=30, min_samples=10, copy=True)
).fit(code)
labels_new = assigner.predict(autoencoder.transform(scaled_new))
odd = X_new[labels_new == -1]
figure, axes = plt.subplots(1, 10, figsize=(8, 1.2), layout="constrained")
for ax, image in zip(axes, odd[:10]):
    ax.imshow(image.reshape(8, 8), cmap="gray_r")
for ax in axes:
    ax.set_axis_off()
figure.suptitle(f"noise: {len(odd)} of {len(X_new)} new images", fontsize="medium")


# %%
# What makes a cluster
# --------------------
# A table of what one might say of a digit. Slant is how far ink goes to the right on the way down; the width is four
# standard deviations; holes are what ink encloses. Precision and recall are from rows that rules were not grown on.
def describe(X):
    images = X.reshape(-1, 8, 8) / X.sum(axis=1)[:, np.newaxis, np.newaxis]
    n_holes = np.array(
        [label(np.pad(image, 1) < 4)[1] - 1 for image in X.reshape(-1, 8, 8)]
    )
    place = np.arange(8)
    x, y = images.sum(axis=1) @ place, images.sum(axis=2) @ place
    aside, down = place - x[:, np.newaxis], place - y[:, np.newaxis]
    return pd.DataFrame(
        {
            "holes": np.array(["none", "one", "two or more"])[np.clip(n_holes, 0, 2)],
            "ink": X.mean(axis=1),
            "width": 4 * np.sqrt(np.einsum("nij,nj->n", images, aside**2)),
            "slant": np.einsum("nij,ni,nj->n", images, down, aside),
            "upper half": images[:, :4].sum(axis=(1, 2)),
            "left half": images[:, :, :4].sum(axis=(1, 2)),
            "middle": images[:, 2:6, 2:6].sum(axis=(1, 2)),
        }
    )


table = describe(X)
explanation = explain_clusters(table, tree.labels_, random_state=0)
ClusterRulesDisplay(explanation=explanation).plot()

# %%
# What sets each cluster apart, rule or not.
ClusterProfileDisplay.from_predictions(table, tree.labels_)

# %%
# And the digits
# --------------
# The two most frequent digits of every cluster, beside what was known without labels.
counts = pd.crosstab(tree.labels_, y)
summary = explanation.to_frame()[["size", "precision", "recall"]]
summary.insert(1, "overlap", stability.jaccard)
summary["digits"] = [
    ", ".join(f"{n} x {digit}" for digit, n in of_cluster.nlargest(2).items() if n)
    for _, of_cluster in counts.iterrows()
]
print(summary.round(2).to_string())

# %%
# The adjusted Rand index with the digits. Noise counts as a group.
in_pixels = KMeans(10, n_init=10, random_state=0).fit(scaled)
pixel_assigner = NeighborAssigner(
    HDBSCAN(min_cluster_size=30, min_samples=10, copy=True)
).fit(scaled)
partitions = {
    ("pixels", "KMeans, told 10"): (in_pixels.labels_, in_pixels.predict(scaled_new)),
    ("pixels", "HDBSCAN"): (pixel_assigner.labels_, pixel_assigner.predict(scaled_new)),
    ("code", "ClusterTree"): (tree.labels_, model.predict(X_new)),
    ("code", "HDBSCAN"): (assigner.labels_, labels_new),
}
scores = {
    name: {
        "first rows": adjusted_rand_score(y, labels),
        "new rows": adjusted_rand_score(y_new, of_new),
    }
    for name, (labels, of_new) in partitions.items()
}
print(pd.DataFrame(scores).T.round(2).to_string())
plt.show()
