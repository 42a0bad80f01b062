"""
Handing on a model, with its card
=================================

A fitted pipeline as two files, one for Python and one for everything else, and a card that says what it is, what it
found, and what it is not for. The labels of the digits are read at the end only, to judge.
"""

# %%
# The model
# ---------
# The last 297 images are from other writers. They stand for the rows that whoever gets the model will have.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnx
import skops.io
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.card import Card

import skdeepcluster
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.metrics import clustering_report
from skdeepcluster.model_selection import cluster_stability
from skdeepcluster.onnx import to_onnx
from skdeepcluster.plotting import ClusterProfileDisplay

images, digits = load_digits(return_X_y=True)
images = images.astype(np.float32)
X, X_new, y, y_new = images[:1500], images[1500:], digits[:1500], digits[1500:]
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
model = make_pipeline(
    StandardScaler(), autoencoder, KMeans(10, n_init=10, random_state=0)
).fit(X)

# %%
# Two files
# ---------
# The skops file holds the whole pipeline, to go on with in Python: it can be fitted again, cut apart and looked into.
# The ONNX file holds what new rows need, and no more: runtimes in many languages read it.
folder = Path(tempfile.mkdtemp())
skops.io.dump(model, folder / "model.skops")
onnx_model = to_onnx(model, X[:1])
onnx.save(onnx_model, folder / "model.onnx")

# %%
# What is worth knowing of it
# ---------------------------
# Scores without labels, in the space of the scaled pixels; which clusters come back from other halves of the rows;
# and, as somebody has labels here, whether new rows go where they belong.
report = clustering_report(model[0].transform(X), model.predict(X))
stability = cluster_stability(model, X, n_repeats=5, random_state=0)
in_pixels = make_pipeline(StandardScaler(), KMeans(10, n_init=10, random_state=0)).fit(
    X
)
agreement, baseline = (
    adjusted_rand_score(y_new, fitted.predict(X_new)) for fitted in (model, in_pixels)
)
ClusterProfileDisplay.from_estimator(model, X, image_shape=(8, 8))
plt.savefig(folder / "clusters.png")

# %%
# The card
# --------
# A text in Markdown, beside the files, with the picture above. The sections that count are those that only you can
# write: what the rows are, how they were prepared, what the clusters are for and what not.
names = (
    [given.name for given in onnx_model.graph.input],
    [result.name for result in onnx_model.graph.output],
)
card = Card(model, template=None)
card.add(
    **{
        "Digits in ten clusters": "Groups handwritten digits of 8 x 8 pixels, from 0 to 16, by their shape. They were "
        "found without labels: a cluster is no digit, and some digits have two.",
        "Digits in ten clusters/Not for": "Other images, or pixels on another scale. A row far from all that it was "
        "fitted to has a cluster as well; look at the error of its reconstruction.",
        "Files": f"`model.skops`, the pipeline, for skdeepcluster {skdeepcluster.__version__}. `model.onnx`, from "
        f"{names[0]} to {names[1]}, in float32.",
        "Parameters of the autoencoder": f"`{autoencoder!r}`",
    }
)
card.add_table(
    **{
        "Scores": {
            "score": list(report),
            "value": [f"{value:.3g}" for value in report.values()],
        },
        "Clusters": {
            "cluster": list(range(10)),
            "rows": np.bincount(model.predict(X)).tolist(),
            "overlap when rows and seeds change": stability.jaccard.round(2).tolist(),
        },
    }
)
card.add(
    **{
        "Scores/New rows": f"{len(X_new)} images of other writers: the adjusted Rand index with the digits is "
        f"{agreement:.2f}. KMeans on the scaled pixels has {baseline:.2f}."
    }
)
card.add_plot(**{"Clusters/What is in them": "clusters.png"})
card.save(folder / "README.md")
print(card.render())
plt.show()
