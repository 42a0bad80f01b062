"""Pipelines with steps that resample, as those of imbalanced-learn: a prediction leaves them out."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers.search import make_model
from skdeepcluster import plotting
from skdeepcluster.metrics import silhouette_scorer
from skdeepcluster.model_selection import ClusteringSearch


class EverySecondRow(BaseEstimator):
    """A sampler, which has no transform."""

    n_fits = 0

    def fit_resample(self, X, y=None):
        type(self).n_fits += 1
        return X[::2], None if y is None else y[::2]


class ResamplingPipeline(Pipeline):
    """As imbalanced-learn's: samplers take part in fits, and in nothing else."""

    def fit(self, X, y=None):
        for _, step in self.steps[:-1]:
            X = step.fit_resample(X)[0] if hasattr(step, "fit_resample") else step.fit(X).transform(X)
        self.steps[-1][1].fit(X)
        return self

    def fit_predict(self, X, y=None):
        return self.fit(X).steps[-1][1].labels_

    def predict(self, X):
        for _, step in self.steps[:-1]:
            X = X if hasattr(step, "fit_resample") else step.transform(X)
        return self.steps[-1][1].predict(X)


@pytest.fixture
def model():
    scale, code, cluster = make_model(KMeans(6, n_init=1, random_state=0)).steps
    code[1].set_params(random_state=0)
    return ResamplingPipeline([scale, ("every second", EverySecondRow()), code, cluster])


@pytest.mark.usefixtures("agg")
def test_scorers_and_displays_leave_out_what_resamples(blobs, model):
    model.fit(blobs)
    without = Pipeline([step for step in model.steps if step[0] != "every second"])
    assert_array_equal(model.predict(blobs), without.predict(blobs))
    assert silhouette_scorer(model, blobs) == silhouette_scorer(without, blobs)
    plotting.SilhouetteDisplay.from_estimator(model, blobs)
    plotting.ReconstructionDisplay.from_estimator(model, blobs)
    rows = np.arange(len(blobs))
    grid = {"cluster__n_clusters": [5, 6]}
    search = GridSearchCV(model, grid, scoring=silhouette_scorer, cv=[(rows, rows)], error_score="raise").fit(blobs)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_search_refuses_what_resamples_before_any_fit(blobs, model):
    EverySecondRow.n_fits = 0
    nested = Pipeline([("inner", clone(model)[:-1]), model.steps[-1]])
    in_the_grid = Pipeline([("every second", "passthrough"), *model.steps[2:]])
    for candidates, grid in (
        (model, {"code__lam": [1e-3, 1e-2]}),
        (nested, {"cluster__n_clusters": [5, 6]}),
        (in_the_grid, {"every second": ["passthrough", EverySecondRow()]}),
    ):
        search = ClusteringSearch(candidates, grid, random_state=0)
        with pytest.raises(ValueError, match=r"'every second', EverySecondRow\(\), resamples.*fit_resample"):
            search.fit(blobs)
    assert EverySecondRow.n_fits == 0


def test_what_resamples_may_stand_before_a_search(blobs):
    steps = [("every second", EverySecondRow()), ("search", ClusteringSearch(KMeans(n_init=1), {"n_clusters": [5, 6]}))]
    model = ResamplingPipeline(steps).set_params(search__random_state=0).fit(blobs)
    assert len(model[-1].labels_) == 300
    assert np.isfinite(silhouette_scorer(model, blobs))


@pytest.mark.parametrize("change", [lambda X: X[::2], lambda X: np.repeat(X, 2, axis=0)])
def test_a_step_that_changes_the_number_of_rows_is_an_error(blobs, change):
    steps = [("change", FunctionTransformer(change)), ("scale", StandardScaler()), ("cluster", KMeans(6, n_init=1))]
    search = ClusteringSearch(Pipeline(steps), {"cluster__n_clusters": [5, 6]}, error_score="raise", random_state=0)
    with pytest.raises(ValueError, match=r"FunctionTransformer.* rows for 600.*do not belong to the rows of X"):
        search.fit(blobs)
