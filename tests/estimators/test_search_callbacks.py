"""scikit-learn's callbacks in a search: collected only where scikit-learn has them (1.9 and newer), see conftest.py."""

import os
import re
from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.exceptions import FitFailedWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.processes import output_of
from helpers.recorder import Recorder
from helpers.search import GRID, make_model
from skdeepcluster.callbacks import Checkpoint
from skdeepcluster.model_selection import ClusteringSearch

OF_THE_FITS = Counter({"fit-transform-scale": 1, "fit-transform-code": 2, "fit-predict-cluster": 4})


# In the refit, where a pipeline passes callbacks on, scikit-learn tells of steps that support none.
OTHERS_STEPS = pytest.mark.filterwarnings("ignore:The estimator .* does not support callbacks:UserWarning")


class Spreading(Recorder):
    """A callback that scikit-learn passes on to the estimators inside."""

    max_propagation_depth = None


class Plain(BaseEstimator):
    """A step that supports no callbacks."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


def watched(callback, model=None, grid=GRID, **params):
    search = ClusteringSearch(model or make_model(), grid, random_state=0, **params)
    return search.set_callbacks(callback)


def begun(recorder):
    return Counter(event.removeprefix("begin ") for event in recorder.events if event.startswith("begin "))


def ended(recorder):
    return Counter(event.removeprefix("end ") for event in recorder.events if event.startswith("end "))


def test_every_fit_of_a_step_is_a_task(blobs):
    recorder = Recorder()
    search = watched(recorder).fit(blobs)
    assert recorder.events[:3] == ["setup", "begin fit", "begin search"]
    assert recorder.events[-5:] == [
        "end search",
        "begin refit-with-best-params",
        "end refit-with-best-params",
        "end fit",
        "teardown",
    ]
    assert begun(recorder) == ended(recorder) == OF_THE_FITS + Counter(["fit", "search", "refit-with-best-params"])
    assert search.best_estimator_["code"].n_iter_ > 0


def test_without_a_refit_there_is_no_task_of_it(blobs):
    recorder = Recorder()
    watched(recorder, KMeans(n_init=1), {"n_clusters": [5, 6]}, refit=False).fit(blobs)
    assert begun(recorder) == ended(recorder) == Counter({"fit": 1, "search": 1, "fit-predict": 2})


@OTHERS_STEPS
def test_callbacks_change_nothing(blobs):
    search = watched(Spreading())
    plain = ClusteringSearch(make_model(), GRID, random_state=0).fit(blobs)
    assert_array_equal(search.fit(blobs).cv_results_["score"], plain.cv_results_["score"])
    assert_array_equal(search.labels_, plain.labels_)
    # Nothing of it stays in what was fitted.
    assert not hasattr(search.best_estimator_, "_skl_callbacks")
    assert not hasattr(search.best_estimator_["code"], "_parent_callback_ctx")


@OTHERS_STEPS
def test_callbacks_that_spread_see_the_iterations_of_every_autoencoder(blobs):
    recorder = Spreading()
    search = watched(recorder).fit(blobs)
    n_iter = search.best_estimator_["code"].n_iter_
    # Of two autoencoders in the search, and of the refit, each of them once set up as a part of the whole.
    assert ended(recorder)["iteration"] > 2 * n_iter
    assert recorder.events.count("setup") == recorder.events.count("teardown") == 1
    assert begun(recorder)["search"] == 1


@OTHERS_STEPS
def test_steps_that_support_no_callbacks_and_frozen_ones_are_left_alone(blobs, frozen):
    recorder = Spreading()
    model = make_pipeline(Plain(), FrozenEstimator(frozen.estimator), KMeans(n_init=1))
    watched(recorder, model, {"kmeans__n_clusters": [5, 6]}, refit=False).fit(blobs)
    names = "fit", "search", "fit-transform-plain", "fit-transform-frozenestimator", *2 * ["fit-predict-kmeans"]
    assert begun(recorder) == ended(recorder) == Counter(names)
    assert not hasattr(frozen.estimator, "_skl_callbacks")


def test_tasks_of_fits_that_fail_end(blobs):
    recorder = Recorder()
    grid = {"code__lam": [-1.0, 1e-3]}
    with pytest.warns(FitFailedWarning, match="candidate 0"):
        watched(recorder, grid=grid).fit(blobs)
    assert begun(recorder) == ended(recorder)
    assert begun(recorder)["fit-transform-code"] == 2


def test_a_callback_that_raises_leaves_the_search_as_it_was(blobs):
    class Raising(Recorder):
        def on_fit_task_begin(self, estimator, context):
            if context.task_name == "refit-with-best-params":
                raise RuntimeError("at the refit")
            super().on_fit_task_begin(estimator, context)

    search = ClusteringSearch(make_model(), GRID, random_state=0).fit(blobs)
    before = dict(vars(search.set_callbacks(Raising())))
    with pytest.raises(RuntimeError, match="at the refit"):
        search.fit(blobs[:, :7])
    assert vars(search) == before


def test_a_search_in_a_pipeline_and_in_a_search_is_a_part_of_their_tasks(blobs):
    inner = ClusteringSearch(KMeans(n_init=1), {"n_clusters": [5, 6]}, random_state=0)
    for outer in (
        make_pipeline(StandardScaler(), inner),
        ClusteringSearch(inner, {"max_noise": [0.5]}, random_state=0),
    ):
        recorder = Spreading()
        outer.set_callbacks(recorder).fit(blobs)
        assert recorder.events.count("setup") == recorder.events.count("teardown") == 1
        assert begun(recorder) == ended(recorder)
        assert begun(recorder)["search"] >= 1


def test_a_checkpoint_is_no_callback_of_a_search(blobs, tmp_path):
    with pytest.raises(TypeError, match="not for ClusteringSearch"):
        watched(Checkpoint(tmp_path / "search.checkpoint")).fit(blobs)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_progress_bar_shows_a_search_to_its_end(n_jobs):
    script = f"""
        from sklearn.callback import ProgressBar
        from sklearn.cluster import KMeans
        from sklearn.datasets import make_blobs
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from skdeepcluster import SparseAutoencoderTransformer
        from skdeepcluster.model_selection import ClusteringSearch

        X, _ = make_blobs(200, 8, centers=3, random_state=0)
        code = SparseAutoencoderTransformer(4, max_iter=5, tol=0.1)
        model = make_pipeline(StandardScaler(), code, KMeans(3, n_init=1))
        grid = {{"sparseautoencodertransformer__rho": [0.3, 0.5]}}
        search = ClusteringSearch(model, grid, n_jobs={n_jobs}, random_state=0)
        search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X)
        """
    output = output_of(script, env={**os.environ, "COLUMNS": "160"})
    lines = [line for line in output.splitlines() if "SparseAutoencoderTransformer - fit" in line]
    # Two candidates and the refit.
    assert len(lines) == 3
    assert all("100%" in line for line in lines)
    assert re.search(r"^ClusteringSearch - fit .*100%", output, flags=re.MULTILINE)
    assert re.search(r"^ *ClusteringSearch - search .*100%", output, flags=re.MULTILINE)


def test_results_are_the_same_in_other_processes(blobs):
    one, two = (watched(Recorder(), n_jobs=n_jobs).fit(blobs) for n_jobs in (1, 2))
    assert_array_equal(one.cv_results_["score"], two.cv_results_["score"])
    assert np.isfinite(two.best_score_)
