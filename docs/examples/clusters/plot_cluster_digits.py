"""
Clustering handwritten digits
=============================

The main job from end to end: standardise 1,797 images of 64 pixels, train a sparse autoencoder without labels, and
cluster its code. Each clusterer is set beside the same one on the scaled pixels. The labels are read at the end only,
to judge.
"""

# %%
# The model
# ---------
# A pipeline of three steps. `n_neighbors` has the code keep near rows near and all others apart, so that it falls into
# clusters; the other parameters are those that :doc:`the page on neighbours </neighbors>` recommends for some hundred
# rows or more.
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster import DeepEmbeddedClustering, SparseAutoencoderTransformer
from skdeepcluster.metrics import clustering_report
from skdeepcluster.plotting import ClusterEmbeddingDisplay, ClusterProfileDisplay

X, y = load_digits(return_X_y=True)
X = X.astype("float32")  # in which training takes half the time

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
model = Pipeline(
    [
        ("scale", StandardScaler()),
        ("autoencoder", autoencoder),
        ("cluster", KMeans(10, n_init=10, random_state=0)),
    ]
)
labels = model.fit_predict(X)

# %%
# Seven partitions
# ----------------
# KMeans, Ward's agglomerative clustering and HDBSCAN, which nobody tells how many clusters there are, on the pixels and
# on the code. `DeepEmbeddedClustering` is all of it in one estimator: it trains such a code, finds the clusters, and
# refines both together.
spaces = {"scaled pixels": model[:1].transform(X), "code": model[:2].transform(X)}
partitions = {
    (type(clusterer).__name__, name): clusterer.fit_predict(Z)
    for clusterer in (
        KMeans(10, n_init=10, random_state=0),
        AgglomerativeClustering(10),
        HDBSCAN(min_cluster_size=30, min_samples=10, copy=True),
    )
    for name, Z in spaces.items()
}
joint = DeepEmbeddedClustering(10, random_state=0)
partitions["DeepEmbeddedClustering", "code"] = joint.fit_predict(
    spaces["scaled pixels"]
)

reports = {
    key: clustering_report(spaces["scaled pixels"], found, y_true=y, noise="cluster")
    for key, found in partitions.items()
}
table = pd.DataFrame(reports).T.rename_axis(["clusterer", "features"])
columns = ["n_clusters", "n_noise", "accuracy", "nmi", "ari"]
print(table[columns].astype({"n_clusters": int, "n_noise": int}).round(3).to_string())

# %%
# A pipeline that ends in KMeans also labels new rows, here as an example the first ten:
print(f"\nThe clusters of the first ten images: {model.predict(X[:10])}")

# %%
# Pictures
# --------
# The images of each cluster that are nearest to its mean in the code; all images in two dimensions, by t-SNE of the
# code, coloured by cluster; and how well the partitions agree with the digits.
figure = plt.figure(figsize=(10, 9), layout="constrained")
axes = figure.subplot_mosaic(
    [["images", "images"], ["map", "scores"]], height_ratios=[1.15, 1]
)

ClusterProfileDisplay.from_estimator(model, X, image_shape=(8, 8), ax=axes["images"])

places = TSNE(max_iter=500, random_state=0).fit_transform(spaces["code"])
ClusterEmbeddingDisplay.from_predictions(places, labels, ax=axes["map"])
axes["map"].set(title="The code, by t-SNE", xlabel="", ylabel="")

scores = table["nmi"].astype(float).unstack("features")[list(spaces)]
scores.loc[["KMeans", "AgglomerativeClustering", "HDBSCAN"]].plot.bar(
    ax=axes["scores"], rot=10
)
axes["scores"].set(
    title="Agreement with the true digits",
    xlabel="",
    ylabel="normalised mutual information",
    ylim=(0, 1.15),
)
axes["scores"].legend(loc="upper left", ncols=2)

figure.savefig("cluster_digits.png", dpi=100)
print("\nFigure saved to cluster_digits.png")
plt.show()
