"""
Edges from image patches
========================

The exercise of A. Ng's lecture notes on the sparse autoencoder: train 25 units on small patches of natural images, ask
for a low mean activation, and look at what each unit responds to. The units become detectors of edges. Nothing here
has labels, and nothing is clustered: the example shows what `rho` and `beta` do, and measures it.
"""

# %%
# The patches
# -----------
# 10,000 patches of 8 x 8 pixels, drawn at random from the two photographs that come with scikit-learn, in grey. The
# photographs are smoothed a little first: their finest details are traces of the file format.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_images
from sklearn.decomposition import PCA

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.plotting import CodeWeightsDisplay

SIDE = 8


def draw_patches(n_patches):
    """Square patches of the photographs, one to a row."""
    random_state = np.random.RandomState(0)
    images = [
        gaussian_filter(image.mean(axis=2), sigma=1)
        for image in load_sample_images().images
    ]
    patches = np.empty((n_patches, SIDE, SIDE))
    for i in range(n_patches):
        image = images[i % len(images)]
        top, left = (random_state.randint(size - SIDE + 1) for size in image.shape)
        patches[i] = image[top : top + SIDE, left : left + SIDE]
    return patches.reshape(n_patches, -1)


# %%
# Neighbouring pixels are nearly the same, so that the first thing to learn would be smooth surfaces. Whitening takes
# these correlations away: it rotates the patches to their principal axes, divides each by its standard deviation, and
# rotates back (ZCA). A small number is added to the variances, lest the weak axes, which are noise, become as strong as
# the others. At the end, values beyond three standard deviations are cut off and the rest is mapped to [0.1, 0.9], as
# in the lecture notes, for the logistic output.


def whiten(patches, regularisation=0.03):
    """The patches, each less its mean, whitened, and mapped to [0.1, 0.9]."""
    patches = patches - patches.mean(axis=1, keepdims=True)
    patches -= patches.mean(axis=0)
    variances, axes = np.linalg.eigh(patches.T @ patches / len(patches))
    patches = (
        patches @ axes / np.sqrt(variances + regularisation * variances.max()) @ axes.T
    )
    limit = 3 * patches.std()
    return 0.5 + 0.4 * np.clip(patches / limit, -1, 1)


X = whiten(draw_patches(10_000))

# %%
# Training
# --------
# A mean activation of 0.01 means that a unit is active in one patch of a hundred. `beta` is as in the lecture notes,
# `lam` too, and L-BFGS takes its time: the filters are sharp only after hundreds of iterations. The second network has
# no penalty on the activations.
networks = {
    "rho = 0.01, beta = 3": SparseAutoencoderTransformer(
        25,
        output_activation="logistic",
        rho=0.01,
        beta=3,
        lam=1e-4,
        tol=5e-5,
        max_iter=1000,
        random_state=0,
    ),
    "beta = 0": SparseAutoencoderTransformer(
        25,
        output_activation="logistic",
        beta=0,
        lam=1e-4,
        tol=5e-5,
        max_iter=1000,
        random_state=0,
    ),
}
for name, network in networks.items():
    network.fit(X)
    print(f"{name}: J = {network.loss_:.3f} after {network.n_iter_} iterations")

# %%
# Of all patches of the same length, the one that activates unit j most is w_j / ||w_j||. This is what the pictures
# show, for every unit of the two networks.
figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
for ax, (name, network) in zip(axes, networks.items()):
    CodeWeightsDisplay.from_estimator(network, image_shape=(SIDE, SIDE), ax=ax)
    ax.set_title(name)

# %%
# A number for it
# ---------------
# The spectrum of an edge or a stripe lies along one direction, that of noise everywhere. So take the two-dimensional
# spectrum of a filter without its mean, find its main direction, and measure the share of the energy within 22.5
# degrees of it. If all directions are alike it is 0.25; of ideal stripes it is 1.


def orientation_share(filters, side=8):
    """The share of the spectral energy of each filter, one to a row, within 22.5 degrees of its main direction."""
    filters = filters.reshape(-1, side, side)
    filters = filters - filters.mean(axis=(1, 2), keepdims=True)
    # Zeros around the filters make the spectrum finer.
    energy = np.abs(np.fft.fft2(filters, (32, 32))) ** 2
    energy[:, 0, 0] = 0
    frequencies = np.fft.fftfreq(32)
    angles = np.arctan2(frequencies[:, np.newaxis], frequencies)
    # The main axis of the structure tensor: its entries are the energies of the derivatives.
    weights = energy * (frequencies[:, np.newaxis] ** 2 + frequencies**2)
    main = np.angle(np.sum(weights * np.exp(2j * angles), axis=(1, 2))) / 2
    distances = np.abs(
        (angles - main[:, np.newaxis, np.newaxis] + np.pi / 2) % np.pi - np.pi / 2
    )
    return np.sum(energy, axis=(1, 2), where=distances <= np.pi / 8) / energy.sum(
        axis=(1, 2)
    )


# %%
# Filters of random numbers reach some share by chance. A filter counts as oriented if its share is above that of 99 %
# of them.
random_state = np.random.RandomState(0)
noise = random_state.normal(size=(2000, SIDE * SIDE))
threshold = np.quantile(orientation_share(noise), 0.99)

filters = {
    f"autoencoder, {name}": network.coefs_[0].T for name, network in networks.items()
}
filters["principal components"] = PCA(25).fit(X).components_
filters["whitened patches"] = X[:2000]
filters["random numbers"] = noise
shares = {name: orientation_share(rows) for name, rows in filters.items()}
table = pd.DataFrame(
    {
        "median share": {name: np.median(share) for name, share in shares.items()},
        f"share above {threshold:.2f}": {
            name: np.mean(share > threshold) for name, share in shares.items()
        },
    }
)
print(table.round(2).to_string())

# %%
# Nearly all units of the sparse network are oriented, in many directions, and hardly any of the one without the
# penalty: `rho` and `beta` did it. Many principal components pass as well, but they are waves over the whole patch,
# along its sides, where the units are strokes in different places and at different angles. The patches themselves are
# oriented more often than noise, as there are edges in photographs, and less often than the units.
#
# The settings of the whitening and the number of iterations were chosen by looking at the filters, as one does in this
# exercise.
plt.show()
