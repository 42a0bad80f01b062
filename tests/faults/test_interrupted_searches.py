"""Ctrl-C in a fit that is one of several: it ends all of them, where it would end a fit by itself well."""

import sys
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.cluster import KMeans
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.marks import FEW_ITERATIONS
from helpers.processes import output_of
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import InterruptedFitWarning
from skdeepcluster.model_selection import ClusteringSearch, cluster_stability, structure_test

pytestmark = FEW_ITERATIONS


class Keyboard:
    """Counts batches, and presses Ctrl-C in one of them."""

    def __init__(self):
        self.n_batches, self.press_at = 0, None

    def augment(self, X, random_state):
        self.n_batches += 1
        if self.n_batches == self.press_at:
            raise KeyboardInterrupt
        return X


keyboard = Keyboard()


def augment(X, random_state):
    # A method would be cloned with its keyboard.
    return keyboard.augment(X, random_state)


@pytest.fixture(autouse=True)
def released(monkeypatch):
    """A keyboard that nobody has touched."""
    monkeypatch.setattr(sys.modules[__name__], "keyboard", Keyboard())


@pytest.fixture(scope="module")
def y():
    return np.arange(60) % 2


def autoencoder(**parameters):
    return SparseAutoencoderTransformer(2, **{"augment": augment, "max_iter": 3, "random_state": 0, **parameters})


class Wrapper(ClusterMixin, BaseEstimator):
    """A user's own estimator around another."""

    def __init__(self, model=None):
        self.model = model

    def fit(self, X, y=None):
        self.model_ = clone(self.model).fit(X)
        return self

    def fit_predict(self, X, y=None):
        return self.fit(X).model_.predict(X)

    def score(self, X, y=None):
        return 0.0


def clusterer(**parameters):
    return Pipeline([("code", autoencoder(**parameters)), ("cluster", KMeans(2, n_init=1, random_state=0))])


def joint(**parameters):
    encoder = autoencoder(code_activation="identity", beta=0.0)
    return DeepEmbeddedClustering(2, encoder=encoder, max_iter=2, update_interval=2, random_state=0, **parameters)


def classifier():
    return make_pipeline(autoencoder(), LogisticRegression())


LAM = {"lam": [1e-4, 1e-3]}
SEVERAL = {
    "GridSearchCV": lambda X, y: GridSearchCV(autoencoder(), LAM, cv=2).fit(X),
    "of a pipeline": lambda X, y: GridSearchCV(clusterer(), {"code__lam": [1e-4, 1e-3]}, cv=2).fit(X),
    "in a pipeline": lambda X, y: make_pipeline(StandardScaler(), GridSearchCV(autoencoder(), LAM, cv=2)).fit(X),
    "of an estimator of the user's": lambda X, y: GridSearchCV(Wrapper(clusterer()), {}, cv=2).fit(X),
    "of joint clustering": lambda X, y: GridSearchCV(joint(), {"gamma": [0.1, 0.2]}, cv=2).fit(X),
    "RandomizedSearchCV": lambda X, y: RandomizedSearchCV(autoencoder(), LAM, n_iter=2, cv=2).fit(X),
    "HalvingGridSearchCV": lambda X, y: HalvingGridSearchCV(autoencoder(), LAM, cv=2).fit(X),
    "cross_validate": lambda X, y: cross_validate(autoencoder(), X, cv=2),
    "cross_val_predict": lambda X, y: cross_val_predict(classifier(), X, y, cv=2),
    "learning_curve": lambda X, y: learning_curve(autoencoder(), X, y, cv=2, train_sizes=[0.5, 1.0]),
    "validation_curve": lambda X, y: validation_curve(
        autoencoder(), X, y, param_name="lam", param_range=[1e-4, 1e-3], cv=2
    ),
    "ClusteringSearch": lambda X, y: ClusteringSearch(clusterer(), {"code__lam": [1e-4, 1e-3]}).fit(X),
    "ClusteringSearch of others": lambda X, y: ClusteringSearch(Wrapper(clusterer()), [{}, {}]).fit(X),
    "ClusteringSearch of joint clustering": lambda X, y: ClusteringSearch(joint(), {"gamma": [0.1, 0.2]}).fit(X),
    "structure_test": lambda X, y: structure_test(clusterer(), X, n_repeats=2),
    "cluster_stability": lambda X, y: cluster_stability(clusterer(), X, n_repeats=2),
    "Parallel": lambda X, y: joblib.Parallel(1)(joblib.delayed(clusterer().fit)(X) for _ in range(2)),
    "FeatureUnion": lambda X, y: FeatureUnion([("a", autoencoder()), ("b", autoencoder())]).fit(X),
    "BaggingClassifier": lambda X, y: BaggingClassifier(classifier(), 2).fit(X, y),
    "AdaBoostClassifier": lambda X, y: AdaBoostClassifier(Weighted(augment), n_estimators=2).fit(X, y),
}


class Weighted(LogisticRegression):
    """A classifier of codes that takes weights."""

    def __init__(self, augment=None):
        super().__init__()
        self.augment = augment

    def fit(self, X, y, sample_weight=None):
        self.encoder_ = autoencoder(augment=self.augment).fit(X, sample_weight=sample_weight)
        return super().fit(self.encoder_.transform(X), y, sample_weight)

    def predict_proba(self, X):
        return super().predict_proba(self.encoder_.transform(X) if X.shape[1] > 2 else X)

    def predict(self, X):
        return super().predict(self.encoder_.transform(X) if X.shape[1] > 2 else X)


@pytest.mark.parametrize("name", SEVERAL)
def test_one_of_several_fits_ends_them_all(X, y, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        SEVERAL[name](X, y)
    # In the first fit, and in the last, which is the refit of a search.
    for place in (2, keyboard.n_batches):
        keyboard.n_batches, keyboard.press_at = 0, place
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", InterruptedFitWarning)
            with pytest.raises(KeyboardInterrupt):
                SEVERAL[name](X, y)
        assert keyboard.n_batches == place


ONE = {
    "fit": lambda X, memory: autoencoder().fit(X),
    "fit_transform": lambda X, memory: autoencoder().fit_transform(X),
    "pipeline": lambda X, memory: clusterer().fit(X),
    "pipeline with memory": lambda X, memory: clusterer().set_params(memory=memory).fit_predict(X),
    "pipeline of pipelines": lambda X, memory: make_pipeline(StandardScaler(), clusterer()).fit(X),
    "an estimator of the user's": lambda X, memory: make_pipeline(StandardScaler(), Wrapper(clusterer())).fit(X),
    "joint clustering": lambda X, memory: make_pipeline(StandardScaler(), joint()).fit(X),
}


@pytest.mark.parametrize("name", ONE)
def test_a_fit_by_itself_ends_well(X, tmp_path, name):
    keyboard.press_at = 2
    with pytest.warns(InterruptedFitWarning):
        ONE[name](X, str(tmp_path))
    if name == "joint clustering":
        # That was its encoder. Now the refinement.
        keyboard.n_batches, keyboard.press_at = 0, 5
        with pytest.warns(InterruptedFitWarning, match="and the clusters"):
            ONE[name](X, None)


def test_a_warning_made_an_error_ends_a_loop(X):
    warnings.simplefilter("error", InterruptedFitWarning)
    keyboard.press_at = 2
    with pytest.raises(InterruptedFitWarning):
        [autoencoder(random_state=seed).fit(X) for seed in range(3)]
    assert keyboard.n_batches == 2


@pytest.mark.parametrize("name", ["outputs_of", "code_moments"])
def test_between_and_after_the_stages_too(X, monkeypatch, name):
    from skdeepcluster._data import _memory

    calls = []

    def press(*arguments):
        calls.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(_memory, name, press)
    model = autoencoder(augment=None, hidden_layer_sizes=(4,), pretrain="layerwise")
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(model, LAM, cv=2).fit(X)
    assert len(calls) == 1


def test_a_search_that_is_interrupted_is_as_before(X):
    search = ClusteringSearch(clusterer(), {"code__lam": [1e-4, 1e-3]}, random_state=np.random.RandomState(0)).fit(X)
    before, state = dict(vars(search)), search.random_state.get_state()[1].copy()
    keyboard.n_batches, keyboard.press_at = 0, 4
    with pytest.raises(KeyboardInterrupt):
        search.fit(X)
    assert vars(search) == before
    assert_array_equal(search.random_state.get_state()[1], state)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_key_is_pressed_once(X, tmp_path, n_jobs):
    """A terminal sends the signal to the whole group of processes, joblib's workers among them."""
    script = """
        import os, signal, sys, threading, time
        from pathlib import Path
        import numpy as np
        from sklearn.cluster import KMeans
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import Pipeline
        from skdeepcluster import SparseAutoencoderTransformer
        from skdeepcluster.model_selection import ClusteringSearch

        n_jobs = int(sys.argv[1])

        def augment(X, random_state):
            Path(str(os.getpid())).touch()
            return X

        def press():
            while len(list(Path().glob("[0-9]*"))) < n_jobs:
                time.sleep(0.01)
            os.killpg(0, signal.SIGINT)

        # Shells start what they put in the background deaf to it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        X = np.random.default_rng(0).normal(size=(600, 10))
        code = SparseAutoencoderTransformer(3, augment=augment, max_iter=1_000_000, tol=0, random_state=0)
        model = Pipeline([("code", code), ("cluster", KMeans(2, n_init=1))])
        grid = {"code__lam": [1e-4, 1e-3, 1e-2]}
        for search in (ClusteringSearch(model, grid, n_jobs=n_jobs), GridSearchCV(model, grid, cv=2, n_jobs=n_jobs)):
            for file in Path().glob("[0-9]*"):
                file.unlink()
            thread = threading.Thread(target=press)
            thread.start()
            try:
                search.fit(X)
            except KeyboardInterrupt:
                print(type(search).__name__)
            thread.join()
    """
    assert output_of(script, str(n_jobs), cwd=tmp_path, start_new_session=True, timeout=120).split() == [
        "ClusteringSearch",
        "GridSearchCV",
    ]
