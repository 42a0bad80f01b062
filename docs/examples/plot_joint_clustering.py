"""
Refining code and clusters together
===================================

An autoencoder is trained to reconstruct; that its code falls into clusters is a by-product. `DeepEmbeddedClustering`
goes on from there and moves the rows of a cluster together while they are still reconstructed. Here it does so on the
digits, whose images are turned and shifted a little while the network learns.
"""

# %%
# The images, and what may happen to them
# ---------------------------------------
# What is the same digit after a small turn or shift is for us to say: it is knowledge about images, put in by hand.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.ndimage import affine_transform
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.pipeline import make_pipeline

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.metrics import clustering_accuracy
from skdeepcluster.plotting import ClusterEmbeddingDisplay, LossCurveDisplay

X, y = load_digits(return_X_y=True)
X = X / 16


def turn_and_shift(X, random_state, degrees=10, share=0.1):
    """Square images, one to a row, each turned by up to +-degrees and moved by up to +-share of its side."""
    side = round(np.sqrt(X.shape[1]))
    center = (side - 1) / 2
    angles = np.deg2rad(random_state.uniform(-degrees, degrees, len(X)))
    shifts = random_state.uniform(-share * side, share * side, (len(X), 2))
    turned = np.empty_like(X)
    for image, angle, shift, out in zip(X, angles, shifts, turned):
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        offset = center - rotation @ (center + shift)
        affine_transform(image.reshape(side, side), rotation, offset, order=1, output=out.reshape(side, side))
    return np.clip(turned, X.min(), X.max())


# %%
# Two fits
# --------
# The encoder is that of the page on joint clustering: two small hidden layers and a linear code of ten units. One fit
# sees the images as they are, the other turned and shifted anew in every epoch.
def make_joint(augment, random_state):
    encoder = SparseAutoencoderTransformer(
        10,
        hidden_layer_sizes=(64, 64),
        code_activation="identity",
        output_activation="logistic",
        beta=0,
        lam=3e-4,
        solver="adam",
        augment=augment,
        max_iter=60,
    )
    return DeepEmbeddedClustering(10, encoder=encoder, random_state=random_state)


fits = {
    "joint": make_joint(None, random_state=0).fit(X),
    "joint, turned and shifted": make_joint(turn_and_shift, random_state=0).fit(X),
}
