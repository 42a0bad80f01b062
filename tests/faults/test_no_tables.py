"""What a newcomer gives in the place of a table of numbers: the errors say what to do."""

import datetime
import re
from types import MappingProxyType

import dask
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris

from helpers.marks import FEW_ITERATIONS
from skdeepcluster import DeepEmbeddedClustering, SparseAutoencoderTransformer
from skdeepcluster.clustering import ClusterTree, NeighborAssigner
from skdeepcluster.metrics import clustering_accuracy, clustering_report
from skdeepcluster.model_selection import ClusteringSearch, estimate_eps, estimate_n_clusters
from skdeepcluster.plotting import ClusterEmbeddingDisplay, KDistanceDisplay, SilhouetteDisplay

# The transformer was fitted to an array.
pytestmark = [*FEW_ITERATIONS, pytest.mark.filterwarnings("ignore:X has feature names")]

NUMBERS = {"age": [30.0, 41.0, 52.0, 33.0] * 5, "spent": [1.0, 2.0, 3.5, 0.5] * 5}
LABELS = [0, 0, 1, 1] * 5


def fitted():
    return SparseAutoencoderTransformer(2, max_iter=2, random_state=0).fit(
        np.random.default_rng(0).normal(size=(20, 3))
    )


def of_objects(rows):
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


CALLS = {
    "fit": SparseAutoencoderTransformer(2).fit,
    "partial_fit": SparseAutoencoderTransformer(2, solver="adam").partial_fit,
    "transform": lambda X: fitted().transform(X),
    "score": lambda X: fitted().score(X),
    "joint fit": DeepEmbeddedClustering(2).fit,
    "assigner": NeighborAssigner(KMeans(2)).fit,
    "tree": ClusterTree().fit,
    "clustering_report": lambda X: clustering_report(X, LABELS),
    "estimate_eps": estimate_eps,
    "estimate_n_clusters": estimate_n_clusters,
    "silhouettes": lambda X: SilhouetteDisplay.from_predictions(X, LABELS),
    "points": lambda X: ClusterEmbeddingDisplay.from_predictions(X, LABELS),
    "k-distances": KDistanceDisplay.from_data,
    "search": ClusteringSearch(KMeans(), {"n_clusters": [2, 3]}, error_score="raise").fit,
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(NUMBERS | {"city": ["Rome", "Oslo"] * 10}),
        pd.DataFrame(NUMBERS | {"city": pd.Categorical(["Rome", "Oslo"] * 10)}),
        pd.DataFrame(NUMBERS | {"city": pd.array(["Rome", "Oslo"] * 10, dtype="string")}),
        pl.DataFrame(NUMBERS | {"city": ["Rome", "Oslo"] * 10}),
        pa.table(NUMBERS | {"city": ["Rome", "Oslo"] * 10}),
    ],
    ids=["text", "categories", "strings", "polars", "Arrow"],
)
@every_call
def test_text_left_in_a_frame(call, table, agg):
    with pytest.raises(ValueError, match=r"columns that are no numbers: city \('Rome'\).*ColumnTransformer"):
        call(table)


@pytest.mark.parametrize(
    "column, shown",
    [
        ([["a", "b"]] * 20, "['a', 'b']"),
        ([None, {"a": 1}] * 10, "{'a': 1}"),
        ([None] * 10 + [datetime.date(2020, 1, 1)] * 10, "2020-01-01"),
        ([None, pd.NA, 1.5, "x" * 50] * 5, "x" * 20),
    ],
    ids=["lists", "dicts", "days", "late and long"],
)
def test_other_objects_left_in_a_table(column, shown):
    frame = pd.DataFrame(NUMBERS | {"other": pd.Series(column, dtype=object)})
    for table, name in ((frame, "other"), (frame.to_numpy(dtype=object), "column 2")):
        with pytest.raises((ValueError, TypeError)) as caught:
            SparseAutoencoderTransformer(2).fit(table)
        assert f"columns that are no numbers: {name} ({shown!r})" in str(caught.value)


def test_many_columns_of_text_are_counted():
    frame = pd.DataFrame({f"c{i}": ["a", "b"] for i in range(12)})
    with pytest.raises(ValueError, match=r"c3 \('a'\), c4 \('a'\) and 7 more\."):
        clustering_report(frame, [0, 1])


DAYS = pd.date_range("2026-01-01", periods=20)


@pytest.mark.parametrize(
    "table, names",
    [
        (pd.DataFrame(NUMBERS | {"day": DAYS}), "day"),
        (pd.DataFrame({"day": DAYS, "night": DAYS}), "day, night"),
        (pd.DataFrame({"span": DAYS - DAYS[0]}), "span"),
        (pd.DataFrame(NUMBERS | {"month": DAYS.to_period("M")}), "month"),
        (pl.DataFrame(NUMBERS | {"day": pl.Series(DAYS.to_numpy())}), "day"),
        (pl.DataFrame({"day": pl.Series(DAYS.to_numpy()).cast(pl.Date)}), "day"),
        (pa.table(NUMBERS | {"day": DAYS.to_numpy()}), "day"),
        (DAYS.to_numpy()[:, np.newaxis], "all values"),
        ((DAYS - DAYS[0]).to_numpy()[:, np.newaxis], "all values"),
        (pd.DataFrame({"day": pd.Categorical(DAYS)}), "day"),
        ([[day] for day in DAYS.to_numpy()], "some values"),
        (list(DAYS.to_numpy()[:, np.newaxis]), "some values"),
        ([[1.0, day] for day in DAYS.to_numpy()], "some values"),
        (np.array([[1.0, day] for day in DAYS.to_numpy()], dtype=object), "some values"),
    ],
    ids=[
        "pandas",
        "only dates",
        "durations",
        "periods",
        "polars",
        "polars, days",
        "Arrow",
        "array",
        "array of spans",
        *"abcde",
    ],
)
@every_call
def test_dates_are_no_numbers(call, table, names, agg):
    # NumPy would take them for numbers of days or nanoseconds.
    with pytest.raises(ValueError, match=f"[XZ]( of the clusterer)? has dates: {names}. Make numbers of them"):
        call(table)


@every_call
def test_masked_values_are_no_numbers(call, agg):
    X = np.ma.masked_invalid(np.random.default_rng(0).normal(size=(20, 3)))
    X[4, 1] = np.ma.masked
    with pytest.raises(ValueError, match=r"masked values.*filled\(np\.nan\).*SimpleImputer"):
        call(X)


MASKED = np.ma.masked_greater(np.arange(20.0), 18)


@pytest.mark.parametrize(
    "call",
    [
        lambda: SparseAutoencoderTransformer(2).fit(np.eye(20), sample_weight=MASKED),
        lambda: clustering_report(np.eye(20), MASKED.astype(int)),
        lambda: clustering_report(np.eye(20), LABELS, y_true=MASKED.astype(int)),
        lambda: estimate_eps([np.ma.masked_greater([1.0, 2.0], 1.5), [1.0, 2.0]]),
    ],
)
def test_masked_weights_and_labels_are_none(call):
    with pytest.raises(ValueError, match="has masked values"):
        call()


def test_dates_are_no_weights():
    with pytest.raises(ValueError, match="sample_weight has dates"):
        SparseAutoencoderTransformer(2).fit(np.eye(20), sample_weight=DAYS.to_numpy())


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"_mask": [1.0, 2.0] * 10, "datetime": [0.0, 3.0] * 10}),
        pd.DataFrame({("period", "time"): [1.0, 2.0] * 10, ("period", "date"): [2.0, 1.0] * 10}),
        pl.DataFrame({"duration": [True, False] * 10, "time": [1, 2] * 10}),
        pd.DataFrame({"time": pd.Categorical([1, 2] * 10), "a": pd.array([True, False] * 10, dtype="boolean")}),
    ],
    ids=["mask", "two levels", "polars", "categories"],
)
def test_names_alone_are_no_dates(table):
    SparseAutoencoderTransformer(2, max_iter=2, random_state=0).fit(table)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(NUMBERS | {"part": pd.cut(pd.Series([1.0, 2.0] * 10), [0, 1, 2])}),
        pd.DataFrame(NUMBERS | {"part": pd.arrays.IntervalArray.from_breaks(np.arange(21))}),
        pl.DataFrame(NUMBERS | {"part": pl.Series(["daytime", "y"] * 10, dtype=pl.Enum(["daytime", "y"]))}),
    ],
    ids=["cut", "intervals", "polars"],
)
def test_intervals_and_categories_are_no_dates(table):
    with pytest.raises((ValueError, TypeError), match="columns that are no numbers: part"):
        clustering_report(table, LABELS)


@pytest.mark.parametrize("container", [pd.Series, of_objects])
@every_call
def test_one_column_of_arrays(call, container, agg):
    with pytest.raises(ValueError, match=r"is one column of arrays\. numpy\.stack"):
        call(container([np.zeros(100) for _ in range(20)]))


class Annotated:
    """As an AnnData: tables of the same rows."""

    X = np.zeros((20, 3))
    shape = X.shape
    obsm = MappingProxyType({})

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows):
        return self

    def copy(self):
        return self

    def __array__(self, dtype=None, copy=None):
        raise ValueError("setting an array element with a sequence")


@pytest.mark.parametrize(
    "container, words",
    [
        (Annotated(), "is an AnnData. Give one of its tables: its X"),
        (load_iris(), "is a Bunch of several things. Give the table in it: 'data', 'target'"),
        ({"rows": np.zeros((20, 3))}, "is a dict of several things. Give the table in it: 'rows'"),
    ],
    ids=["AnnData", "Bunch", "dict"],
)
@every_call
def test_tables_that_are_still_in_something(call, container, words, agg):
    with pytest.raises((ValueError, TypeError), match=words):
        call(container)


@pytest.mark.parametrize("container", [sp.dok_matrix, sp.dok_array])
def test_a_sparse_matrix_that_may_be_a_dict(container):
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3"):
        fitted().transform(container(np.ones((5, 2))))


def test_blocks_of_dask_in_a_list():
    blocks = [dask.delayed(np.eye)(3)] * 2
    with pytest.raises((ValueError, TypeError), match="X has blocks of Dask"):
        SparseAutoencoderTransformer(2).fit(blocks)


def test_a_mask_of_nothing_hides_nothing():
    X = np.random.default_rng(0).normal(size=(20, 3))
    model = SparseAutoencoderTransformer(2, max_iter=2, random_state=0)
    np.testing.assert_array_equal(model.fit_transform(np.ma.array(X)), model.fit_transform(X))


@pytest.mark.parametrize("images", [np.zeros((20, 8, 8)), list(np.zeros((20, 8, 8))), np.zeros((20, 8, 8, 3), "u1")])
@every_call
def test_images_that_are_no_rows(call, images, agg):
    with pytest.raises(ValueError, match=r"shape \(20, 8, 8.*images\.reshape\(len\(images\), -1\)"):
        call(images)


@pytest.mark.parametrize("container", [list, of_objects])
@every_call
def test_recordings_of_unequal_length(call, container, agg):
    with pytest.raises(ValueError, match=r"rows of .* have different lengths.*spectrograms"):
        call(container([np.zeros(100 + i) for i in range(20)]))


@pytest.mark.parametrize("container", [list, np.array, pd.Series, lambda texts: np.array(texts, dtype=object)])
def test_texts_that_are_no_rows(container):
    with pytest.raises(ValueError, match=r"X is a list of texts\. Put .*TfidfVectorizer before"):
        SparseAutoencoderTransformer(2).fit(container(["a cat", "a dog"]))


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: SparseAutoencoderTransformer(2, hidden_layer_sizes=(np.int64(-3),)).fit(np.eye(4)),
            "hidden_layer_sizes=(-3,) must",
        ),
        (
            lambda: ClusteringSearch(KMeans(), {"tol": [1]}, metric={"silhouette": np.float64(-1)}).fit(np.eye(4)),
            "metric={'silhouette': -1.0} must",
        ),
        (lambda: estimate_n_clusters(np.eye(4), [np.int64(0), 2]), "k_range=[0, 2] must"),
        (lambda: estimate_eps(np.eye(4), min_samples=np.int64(-3)), "Got -3 instead"),
        (lambda: SparseAutoencoderTransformer(2, lam=np.float64(-1)).fit(np.eye(4)), "Got -1.0 instead"),
        (lambda: DeepEmbeddedClustering(np.float64(2.5)).fit(np.eye(4)), "Got 2.5 instead"),
        (lambda: DeepEmbeddedClustering(2).set_params(encoder__lam=np.float64(0.1)), "encoder__lam=0.1 is for"),
        (
            lambda: ClusteringSearch(KMeans(n_init=1), {"n_clusters": np.array([1])}).fit(np.eye(4)),
            "candidate 0, {'n_clusters': 1}: it found 1 cluster",
        ),
    ],
)
def test_numbers_are_shown_as_users_write_them(call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_a_search_of_numbers_of_numpy_shows_those_of_python():
    X = np.random.default_rng(0).normal(size=(30, 2))
    grid = {"tol": np.logspace(-4, -3, 2), "n_clusters": np.array([2, 3])}
    search = ClusteringSearch(KMeans(n_init=1), grid, random_state=0).fit(X)
    assert all(type(value) in (int, float) for setting in search.cv_results_["params"] for value in setting.values())
    assert "np." not in repr(search.best_params_)


def test_feature_names_that_differ_are_named_as_such():
    model = SparseAutoencoderTransformer(2, max_iter=2, random_state=0)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["a", "b"])
    model.fit(frame)
    with pytest.raises(ValueError, match=r"^The feature names should match"):
        model.transform(frame.assign(city="Rome"))


def test_numbers_in_other_types_are_taken():
    table = pd.DataFrame(
        {"a": ["1", "2.5"] * 10, "b": [True, False] * 10, "c": pd.Series([1, None] * 10, dtype="Int64")}
    )
    with pytest.raises(ValueError, match="NaN"):
        SparseAutoencoderTransformer(2).fit(table)
    SparseAutoencoderTransformer(2, max_iter=2, random_state=0).fit(table.assign(c=[1, 2] * 10).astype({"a": object}))


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: clustering_report([[0.0], [1.0]], [0, 1], [0, 1]),
            r"clustering_report\(X, labels, \*, y_true=\.\.\., .*: too many positional arguments\.",
        ),
        (
            lambda: clustering_report([[0.0]], [0], labels_true=[0]),
            r"y_true=.*unexpected keyword argument 'labels_true'",
        ),
        (lambda: clustering_accuracy([0]), r"clustering_accuracy\(y_true, y_pred\): missing .* 'y_pred'"),
        (
            lambda: estimate_eps([[0.0]], metric="cosine"),
            r"estimate_eps\(Z, min_samples=\.\.\., \*, distance=\.\.\.\): ",
        ),
        (lambda: SilhouetteDisplay.from_predictions([[0.0]]), r"SilhouetteDisplay.from_predictions\(Z, labels, "),
        (lambda: SilhouetteDisplay.from_estimator(KMeans(), labels=[0]), r"from_estimator\(estimator, X, \*, space="),
    ],
)
def test_calls_that_do_not_fit_name_the_parameters(call, message):
    with pytest.raises(TypeError, match=message):
        call()
