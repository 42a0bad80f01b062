"""How many files of the package, and functions, a fit goes through: what a reader has to open who follows it.

    python tests/helpers/files_entered.py [--list]

An iteration is what happens between two ends of iterations that a callback sees, callbacks included; it needs
scikit-learn 1.9 or newer. A step is what `adam` does for one batch.
"""

import sys
import threading
import warnings
from collections import Counter
from pathlib import Path

from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdeepcluster
from skdeepcluster import SparseAutoencoderTransformer, _solvers
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.model_selection import ClusteringSearch

PACKAGE = Path(skdeepcluster.__file__).parent


class Entered:
    """A profile function that keeps which functions of the package were called, in any thread."""

    def __init__(self):
        self.functions = set()

    def __call__(self, frame, event, argument):
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(PACKAGE):
            self.functions.add((str(file.relative_to(PACKAGE)), frame.f_code.co_qualname))

    def __enter__(self):
        threading.setprofile(self)
        sys.setprofile(self)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)
        threading.setprofile(None)

    def report(self, what):
        files = Counter(file for file, _ in self.functions)
        print(f"{what}: {len(files)} files, {len(self.functions)} functions")
        if "--list" in sys.argv:
            print("    " + ", ".join(f"{file} {n}" for file, n in sorted(files.items())))


class SecondIteration:
    """A callback that watches from the end of the second iteration to that of the third."""

    def __init__(self):
        self.entered, self.n = Entered(), 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "iteration":
            self.n += 1
            if self.n == 2:
                self.entered.__enter__()
            elif self.n == 3:
                self.entered.__exit__()


def of_a_step(X):
    """What the second call of the loss by Adam, and the step after it, go through."""
    module, entered, n = sys.modules[_solvers.adam.__module__], Entered(), 0
    step = module._step

    def watched(*arguments):
        nonlocal n
        n += 1
        if n == 2:
            entered.__exit__()
        result = step(*arguments)
        if n == 1:
            entered.__enter__()
        return result

    module._step = watched
    try:
        SparseAutoencoderTransformer(8, solver="adam", max_iter=1, random_state=0).fit(X)
    finally:
        module._step = step
    return entered


def main():
    warnings.simplefilter("ignore")
    X = StandardScaler().fit_transform(load_digits().data)
    for solver in ("lbfgs", "adam"):
        watch = SecondIteration()
        model = SparseAutoencoderTransformer(8, solver=solver, max_iter=4, random_state=0)
        # One batch to an epoch, which is an iteration of Adam.
        model.set_callbacks(watch).fit(X if solver == "lbfgs" else X[:256])
        watch.entered.report(f"iteration of {solver}")
    of_a_step(X).report("step of adam")
    for solver in ("lbfgs", "adam"):
        with Entered() as entered:
            SparseAutoencoderTransformer(8, solver=solver, max_iter=3, random_state=0).fit(X)
        entered.report(f"fit by {solver}")
    encoder = SparseAutoencoderTransformer(8, max_iter=3, random_state=0)
    with Entered() as entered:
        DeepEmbeddedClustering(10, encoder=encoder, max_iter=2, n_init=1, random_state=0).fit(X)
    entered.report("joint fit")
    model = make_pipeline(encoder, KMeans(3, n_init=1))
    with Entered() as entered:
        ClusteringSearch(model, {"kmeans__n_clusters": [3, 4]}, random_state=0).fit(X[:200])
    entered.report("search")
    encoder.fit(X)
    with Entered() as entered:
        encoder.transform(X)
    entered.report("transform")


if __name__ == "__main__":
    main()
