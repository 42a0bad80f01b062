"""A fit that `neighbors.py` runs in a process of its own, by the package of any checkout; prints numbers.

python docs/benchmarks/_joint_fit.py CHECKOUT FILE SEED     seconds, NMI and accuracy, in points

FILE has X and y, as numpy.savez writes them.
"""

import sys
from pathlib import Path

import numpy as np
from _tables import agreement
from _timing import timed

import skdeepcluster
from skdeepcluster.clustering import DeepEmbeddedClustering

if __name__ == "__main__":
    checkout, file, seed = sys.argv[1:]
    if not Path(skdeepcluster.__file__).resolve().is_relative_to(Path(checkout).resolve()):
        sys.exit(f"The package was imported from {skdeepcluster.__file__}, and not from {checkout}.")
    with np.load(file) as archive:
        X, y = archive["X"], archive["y"]
    model, seconds = timed(DeepEmbeddedClustering(len(np.unique(y)), random_state=int(seed)).fit, X)
    scores = agreement(y, model.labels_)
    print(seconds, scores["NMI"], scores["accuracy"])
