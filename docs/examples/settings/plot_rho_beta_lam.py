"""
What rho, beta and lam do
=========================

The three parameters of the objective, one changed at a time, on handwritten digits: what becomes of the code, of the
filters (the weights of a unit, as an image), and of the clusters that KMeans finds. The other two keep their defaults,
rho = 0.5, beta = 1 and lam = 0.001, unless it is said. The digits themselves are read at the end only, to judge.
"""

# %%
# Twelve autoencoders
# -------------------
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer

# sphinx_gallery_thumbnail_number = 4

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)

RHOS = [{"rho": rho} for rho in (0.02, 0.1, 0.3, 0.5, 0.9)]
BETAS = [{"rho": 0.1, "beta": beta} for beta in (0.0, 0.1, 1.0, 10.0)]
LAMS = [{"lam": lam} for lam in (1e-5, 1e-3, 1e-2, 1e-1, 1.0)]


def key(setting):
    defaults = {"rho": 0.5, "beta": 1.0, "lam": 0.001}
    return tuple((defaults | setting).values())


models, codes = {}, {}
with warnings.catch_warnings():
    # Some of the settings are bad on purpose.
    warnings.simplefilter("ignore", ConvergenceWarning)
    for setting in [*RHOS, *BETAS, *LAMS]:
        if key(setting) not in models:
            model = SparseAutoencoderTransformer(random_state=0, **setting)
            codes[key(setting)] = model.fit_transform(X)
            models[key(setting)] = model


def histograms(settings, title):
    """Activations of all units on all rows, with rho as a dashed line."""
    figure, axes = plt.subplots(
        1, len(settings), figsize=(10, 2.2), sharey=True, layout="constrained"
    )
    for ax, setting in zip(axes, settings):
        ax.hist(codes[key(setting)].ravel(), bins=40, range=(0, 1), density=True)
        ax.axvline(key(setting)[0], color="C1", linestyle="--", label="rho")
        name, value = list(setting.items())[-1]
        ax.set(title=f"{name} = {value:g}", xlabel="activation", yticks=[])
    axes[0].legend()
    figure.suptitle(title)


# %%
# rho: how active a unit is on average
# ------------------------------------
# With rho = 0.5 a unit is between its extremes for most digits, and its activation says how much of its filter there
# is. With a small rho a unit is silent for most digits and speaks up for a few; with a large one it is the other way
# round, and the code carries the same information, upside down. Far from 0.5 the penalty and the reconstruction pull
# in opposite directions: the mean activations end between rho and what the reconstruction would like.
histograms(RHOS, "rho")

# %%
# beta: how firmly it is held to rho
# ----------------------------------
# Here with rho = 0.1, since at rho = 0.5 there is little to enforce: standardised data are symmetric enough for the
# units to average about 0.5 anyway, and any beta between 0 and 100 gives much the same code. With beta = 0 there is no
# penalty, and rho does not matter.
histograms(BETAS, "beta, with rho = 0.1")

# %%
# lam: how large the weights may grow
# -----------------------------------
# Weight decay acts on encoder and decoder together. With next to none the encoder stays near its small random start,
# since a large decoder makes up for it: activations hardly leave 0.5, and the filters look like noise. With more, the
# work is shared out evenly, the code uses its whole range, and the filters are smooth strokes. With too much, it
# is cheaper to give up on the reconstruction: units do the same as each other, and in the end nothing.
histograms(LAMS, "lam")

# %%
figure, axes = plt.subplots(len(LAMS), 10, figsize=(9, 4.6), layout="constrained")
for row, setting in zip(axes, LAMS):
    row[0].set_ylabel(f"lam = {setting['lam']:g}", rotation=0, ha="right", va="center")
    for ax, weights in zip(row, models[key(setting)].coefs_[0].T):
        scale = np.abs(weights).max()
        ax.imshow(weights.reshape(8, 8), cmap="RdBu_r", vmin=-scale, vmax=scale)
        ax.set(xticks=[], yticks=[])
figure.suptitle("Filters of the first ten units")

# %%
# The table
# ---------
# "error" is the squared error of the reconstruction as a share of that of the mean image, "spread" the standard
# deviation of a unit over the digits, averaged over units; "NMI" is the normalised mutual information of KMeans'
# clusters of the code with the true digits. A low error is not a good clustering: the smallest lam has the lowest.
of_the_mean = 0.5 * np.sum(X**2) / len(X)


def row(setting):
    model, code = models[key(setting)], codes[key(setting)]
    labels = KMeans(10, n_init=10, random_state=0).fit_predict(code)
    return {
        **dict(zip(("rho", "beta", "lam"), key(setting))),
        "error": model.loss_curve_["reconstruction"][-1] / of_the_mean,
        "lowest rho_hat": model.mean_activation_.min(),
        "highest rho_hat": model.mean_activation_.max(),
        "spread": code.std(axis=0).mean(),
        "NMI": normalized_mutual_info_score(y, labels),
    }


unique = {key(setting): setting for setting in [*RHOS, *BETAS, *LAMS]}
table = pd.DataFrame([row(setting) for setting in unique.values()]).set_index(
    ["rho", "beta", "lam"]
)
print(table.round(3).to_string())
