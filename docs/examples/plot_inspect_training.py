"""
Looking into a network
======================

Did training converge, are the units of use, what is lost? Four pictures answer this for a deep stack on the digits, once
with a good setting and once with two mistakes that are easily made: the pixels are not standardised, and nothing draws
the mean activations anywhere.
"""

# %%
# A good setting and a bad one
# ----------------------------
# Both have a hidden layer of 64 units and a code of 32, and train each layer by itself first.
import warnings

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.exceptions import InputScaleWarning
from skdeepcluster.metrics import clustering_report
from skdeepcluster.plotting import ActivationDisplay, CodeWeightsDisplay, LossCurveDisplay, ReconstructionDisplay

X, y = load_digits(return_X_y=True)


def make_autoencoder(beta):
    return SparseAutoencoderTransformer(
        32, hidden_layer_sizes=64, activation="logistic", beta=beta, pretrain="layerwise", random_state=0
    )


good = make_pipeline(StandardScaler(), make_autoencoder(beta=1), KMeans(10, n_init=10, random_state=0))
bad = make_pipeline(make_autoencoder(beta=0), KMeans(10, n_init=10, random_state=0))
