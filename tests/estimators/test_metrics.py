import pickle
import re
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.metrics import davies_bouldin_score, mutual_info_score, silhouette_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.reference import FUNCTIONS
from helpers.search import Labeling
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._pipelines import flat_steps
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.metrics import (
    ClusteringReport,
    calinski_harabasz_scorer,
    clustering_accuracy,
    clustering_report,
    davies_bouldin_scorer,
    make_clustering_scorer,
    neighbor_information_scorer,
    silhouette_scorer,
)
from skdeepcluster.metrics._neighbors import neighbor_information
from skdeepcluster.model_selection import ClusteringSearch

X4 = np.array([[0.0], [1.0], [10.0], [11.0]])
PAIRS = [0, 0, 1, 1]
SILHOUETTE = (1 - 1 / 10.5 + 1 - 1 / 9.5) / 2  # a = 1 for every row, b = 10.5 for the outer, 9.5 for the inner rows
CALINSKI_HARABASZ = (4 * 5**2) / (4 * 0.5**2 / 2)  # between 100 / (2 - 1), within 1 / (4 - 2)
DAVIES_BOULDIN = (0.5 + 0.5) / 10
# Every other row is a neighbour, so 1/6 of the pairs are in each of (0, 0), (1, 1), and 1/3 in each of (0, 1), (1, 0).
NEIGHBOR_INFORMATION = 2 / 6 * np.log((1 / 6) / (1 / 4)) + 2 / 3 * np.log((1 / 3) / (1 / 4))


# The report


def test_report_by_hand():
    report = clustering_report(X4, PAIRS, y_true=["a", "a", "a", "b"])
    assert_allclose(report["silhouette"], SILHOUETTE)
    assert_allclose(report["calinski_harabasz"], CALINSKI_HARABASZ)
    assert_allclose(report["davies_bouldin"], DAVIES_BOULDIN)
    assert_allclose(report["neighbor_information"], NEIGHBOR_INFORMATION)
    assert report["n_clusters"] == 2
    assert report["n_noise"] == 0
    assert report["accuracy"] == 0.75
    # Classes (3, 1), clusters (2, 2), joint (2, 1, 1): I = H(cluster) + H(class) - H(joint), normalised by the mean.
    h_class, h_cluster, h_joint = -0.75 * np.log(0.75) - 0.25 * np.log(0.25), np.log(2), 1.5 * np.log(2)
    assert_allclose(report["nmi"], (h_class + h_cluster - h_joint) / ((h_class + h_cluster) / 2))
    # Pairs together in both: 1; in clusters: 2; in classes: 3; expected 2 * 3 / 6.
    assert_allclose(report["ari"], (1 - 1) / ((2 + 3) / 2 - 1), atol=1e-15)


def test_noise_dropped_or_counted_as_a_cluster():
    X, labels = np.vstack([X4, [[5.0]]]), [*PAIRS, -1]
    dropped, counted = (clustering_report(X, labels, noise=noise) for noise in ("drop", "cluster"))
    assert dropped["n_clusters"] == counted["n_clusters"] == 2
    assert dropped["n_noise"] == counted["n_noise"] == 1
    assert_allclose(dropped["silhouette"], SILHOUETTE)
    for name, function in FUNCTIONS.items():
        assert_allclose(abs(counted[name]), abs(function(X, labels)))
        assert counted[name] != pytest.approx(dropped[name])


def test_report_prints_as_a_table():
    lines = str(clustering_report(X4, PAIRS)).splitlines()
    assert [line.split() for line in lines] == [
        ["n_clusters", "2"],
        ["n_noise", "0"],
        ["silhouette", f"{SILHOUETTE:.4f}"],
        ["calinski_harabasz", "200.0000"],
        ["davies_bouldin", "0.1000"],
        ["neighbor_information", f"{NEIGHBOR_INFORMATION:.4f}"],
        ["neighbor_modularity", "0.5000"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_a_report_prints_whatever_is_put_into_it():
    report = clustering_report(X4, PAIRS)
    report["model"] = "KMeans"
    assert str(report).splitlines()[-1].split() == ["model", "KMeans"]
    assert str(type(report)()) == ""


def test_reports_turn_into_pandas_rows():
    frame = pd.DataFrame([clustering_report(X4, PAIRS), clustering_report(X4, [0, 1, 1, 1])])
    assert list(frame["n_clusters"]) == [2, 2]
    assert_allclose(frame["davies_bouldin"][0], DAVIES_BOULDIN)


@pytest.mark.parametrize(
    "X, labels, n_clusters, n_noise, reason",
    [
        (X4, [0, 0, 0, 0], 1, 0, "only one cluster"),
        (X4, [0, 0, -1, -1], 1, 2, "only one cluster"),
        (X4, [-1, -1, -1, -1], 0, 4, "every row is noise"),
        (X4, [0, 1, 2, 3], 4, 0, "as many clusters as rows"),
        (X4, [0, 1, -1, -1], 2, 2, "as many clusters as rows"),
        (X4[:1], [0], 1, 0, "only one cluster"),
        (np.tile([1.0, 5.0], (4, 1)), PAIRS, 2, 0, "all rows are the same point; look at the data"),
    ],
)
def test_degenerate_partitions_give_nan_and_one_warning(X, labels, n_clusters, n_noise, reason):
    with pytest.warns(DegenerateClusteringWarning, match=reason) as record:
        report = clustering_report(X, labels, y_true=labels)
    assert len(record) == 1
    assert report["n_clusters"] == n_clusters
    assert report["n_noise"] == n_noise
    assert np.isnan([report[name] for name in FUNCTIONS]).all()
    assert report["accuracy"] == report["nmi"] == report["ari"] == 1


@pytest.mark.parametrize("scale", [1, 1e-12])
def test_clusters_around_one_centre_have_no_davies_bouldin(scale):
    # scikit-learn's index is 0 here, the best value.
    X = scale * np.array([[-1.0], [1.0], [-2.0], [2.0]])
    with pytest.warns(DegenerateClusteringWarning, match="davies_bouldin not defined .* same centroid") as record:
        report = clustering_report(X, PAIRS)
    assert len(record) == 1
    assert np.isnan(report["davies_bouldin"])
    assert report["silhouette"] < 0
    assert report["calinski_harabasz"] == 0


def test_davies_bouldin_is_scikit_learns_where_that_is_exact(rng):
    Z, labels = rng.normal(size=(200, 3)), rng.randint(4, size=200)
    expected = davies_bouldin_score(Z, labels)
    for scale in (1, 1e-10, 1e10):
        assert_allclose(clustering_report(scale * Z + scale, labels)["davies_bouldin"], expected, rtol=1e-9)
    far = np.vstack([Z, [[1e9, 0, 0]]])
    assert_allclose(
        clustering_report(far, [*labels, 4])["davies_bouldin"], davies_bouldin_score(far, [*labels, 4]), rtol=1e-9
    )


def test_the_silhouette_keeps_its_digits_far_from_the_origin(rng):
    Z, labels = rng.normal(size=(200, 3)), rng.randint(4, size=200)
    expected = clustering_report(Z, labels)["silhouette"]
    assert_allclose(expected, silhouette_score(Z, labels), rtol=1e-10)
    # The offset rounds the data at 1e-10. Through scikit-learn's distances, the score would move by more.
    assert_allclose(clustering_report(Z + 1e6, labels)["silhouette"], expected, rtol=1e-8)


def test_all_noise_as_a_cluster_is_one_cluster():
    with pytest.warns(DegenerateClusteringWarning, match="only one cluster"):
        assert np.isnan(clustering_report(X4, [-1] * 4, noise="cluster")["silhouette"])


def test_neighbours_of_few_rows_are_all_others():
    # Pairs of clusters: (0, 0), (0, 1) and (1, 0) with a third each.
    report = clustering_report([[0.0], [1.0], [10.0]], [0, 0, 1])
    expected = np.log((1 / 3) / (4 / 9)) / 3 + 2 / 3 * np.log((1 / 3) / (2 / 9))
    assert_allclose(report["neighbor_information"], expected)


def test_the_information_of_independent_neighbours_is_not_negative():
    for n in range(4, 40):
        every_row = np.tile(np.arange(n), (n, 1))
        assert 0 <= neighbor_information(every_row, np.arange(n) % 3) < 1e-14


def test_the_information_of_many_clusters_takes_no_table_of_all_pairs(rng):
    codes, neighbors = rng.permutation(4000) % 3000, rng.randint(4000, size=(4000, 3))
    tracemalloc.start()
    information = neighbor_information(neighbors, codes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000**2
    assert_allclose(information, mutual_info_score(np.repeat(codes, 3), codes[neighbors].ravel()), rtol=1e-12)


def test_sample_is_for_scores_of_quadratic_cost(digits):
    X, y = digits
    whole = clustering_report(X, y)
    sampled = clustering_report(X, y, sample_size=100, random_state=3)
    assert_allclose(sampled["silhouette"], silhouette_score(X, y, sample_size=100, random_state=3), rtol=1e-10)
    assert sampled["silhouette"] != pytest.approx(whole["silhouette"])
    assert sampled["neighbor_information"] != pytest.approx(whole["neighbor_information"])
    assert sampled["calinski_harabasz"] == whole["calinski_harabasz"]
    assert sampled["davies_bouldin"] == whole["davies_bouldin"]
    assert clustering_report(X, y, sample_size=400)["silhouette"] == whole["silhouette"]


def test_a_sample_that_is_degenerate_warns():
    labels = np.zeros(100, dtype=int)
    labels[0] = 1
    X = np.arange(100.0)[:, np.newaxis]
    with pytest.warns(DegenerateClusteringWarning, match="information, neighbor_modularity not defined .* sample of 5"):
        report = clustering_report(X, labels, sample_size=5, random_state=0)
    assert np.isnan(report["silhouette"])
    assert report["calinski_harabasz"] > 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"labels": [0, 1]}, "inconsistent numbers of samples"),
        ({"labels": [[0, 1], [0, 1], [0, 1], [0, 1]]}, "1d array|y should be"),
        ({"labels": [0, 0, 1, np.nan]}, "labels contains NaN"),
        ({"labels": [0.0, 0.0, 1.0, 2.5]}, r"labels must hold integers or names, .* but has 2\.5"),
        ({"y_true": [0.0, 0.0, 1.0, 1e300]}, r"y_true must hold integers or names, .* but has 1e\+300"),
        ({"X": [[np.nan], [0], [1], [2]]}, "X contains NaN"),
        ({"y_true": [0, 1]}, "inconsistent numbers of samples"),
        ({"noise": "keep"}, "'noise' parameter"),
        ({"sample_size": 1}, "'sample_size' parameter"),
        ({"sample_size": 0.5}, "'sample_size' parameter"),
    ],
)
def test_bad_arguments_of_the_report(arguments, message):
    with pytest.raises(ValueError, match=message):
        clustering_report(**{"X": X4, "labels": PAIRS, **arguments})


@pytest.mark.parametrize("labels", [[None] * 4, [0, 1, None, 1], [{}, {}, {}, {}], [0, "a", 0, "a"]], ids=str)
@pytest.mark.parametrize("name", ["labels", "y_true"])
def test_labels_that_cannot_be_compared(name, labels):
    arguments = {"X": X4, "labels": PAIRS, name: np.array(labels, dtype=object)}
    with pytest.raises((ValueError, TypeError), match=name):
        clustering_report(**arguments)


# Accuracy


@pytest.mark.parametrize(
    "y_true, y_pred, accuracy",
    [
        ([0, 0, 1, 1], [1, 1, 0, 0], 1),
        (["a", "a", "b", "b"], [5, 5, 5, 7], 0.75),
        ([0, 0, 0, 0], [0, 1, 2, 3], 0.25),  # clusters beyond the classes stay unmatched
        ([0, 1, 2, 3], [0, 0, 0, 0], 0.25),
        # Greedy matching takes the 4 first and ends at 4 + 0; the best is 3 + 3.
        ([0] * 7 + [1] * 3, [0] * 4 + [1] * 3 + [0] * 3, 0.6),
    ],
)
def test_clustering_accuracy_by_hand(y_true, y_pred, accuracy):
    assert clustering_accuracy(y_true, y_pred) == accuracy


@pytest.mark.parametrize("y_true, y_pred", [([0, 1], [0]), ([], []), ([[0, 1]], [[0, 1]])])
def test_bad_arguments_of_the_accuracy(y_true, y_pred):
    with pytest.raises(ValueError, match=r"inconsistent|0 sample|1d array|y should be"):
        clustering_accuracy(y_true, y_pred)


# Scorers


def make_autoencoder():
    return SparseAutoencoderTransformer(8, lam=0.01, tol=1e-2, random_state=0)


def make_model(clusterer, *extra):
    return make_pipeline(StandardScaler(), make_autoencoder(), *extra, clusterer)


@pytest.mark.parametrize("metric", FUNCTIONS)
@pytest.mark.parametrize("space", ["input", "code", "standardscaler", "pca"])
def test_scorer_with_predict_in_every_space(digits, metric, space):
    X, _ = digits
    train, test = X[:250] * 3 + 1, X[250:] * 3 + 1
    model = make_model(KMeans(4, n_init=1, random_state=0), PCA(3)).fit(train)
    scaled = model[:1].transform(test)
    spaces = {"input": scaled, "code": model[:-1].transform(test), "standardscaler": scaled}
    spaces["pca"] = spaces["code"]
    expected = FUNCTIONS[metric](spaces[space], model.predict(test))
    assert_allclose(make_clustering_scorer(metric, space=space)(model, test), expected, rtol=1e-10)


@pytest.mark.parametrize("clusterer", [AgglomerativeClustering(4), DBSCAN(eps=0.4, min_samples=5)])
def test_scorer_without_predict_fits_a_clone_to_the_code(digits, clusterer):
    X, _ = digits
    train, test = X[:250], X[250:]
    model = make_model(clusterer).fit(train)
    before = model[-1].labels_.copy()
    labels = clone(clusterer).fit_predict(model[:-1].transform(test))
    assert len(np.unique(labels)) > 1
    assert_allclose(silhouette_scorer(model, test), silhouette_score(model[:1].transform(test), labels), rtol=1e-10)
    assert (model[-1].labels_ == before).all()


def test_default_scorers_score_in_the_input_space(digits):
    X, _ = digits
    model = make_model(KMeans(4, n_init=1, random_state=0)).fit(X)
    scorers = silhouette_scorer, calinski_harabasz_scorer, davies_bouldin_scorer, neighbor_information_scorer
    for metric, scorer in zip(FUNCTIONS, scorers):
        assert scorer(model, X) == make_clustering_scorer(metric, space="input")(model, X)
        assert scorer(model, X) != make_clustering_scorer(metric, space="code")(model, X)


def test_nested_pipelines_are_opened_up(digits):
    X, _ = digits
    flat = make_model(KMeans(4, n_init=1, random_state=0)).fit(X)
    features = make_pipeline(StandardScaler(), make_autoencoder())
    nested = make_pipeline("passthrough", features, KMeans(4, n_init=1, random_state=0)).fit(X)
    assert silhouette_scorer(nested, X) == silhouette_scorer(flat, X)
    by_name = make_clustering_scorer("silhouette", space="pipeline__standardscaler")
    assert by_name(nested, X) == silhouette_scorer(flat, X)


def test_the_keywords_for_spaces_come_before_steps_of_the_same_name(digits):
    X, _ = digits
    steps = [StandardScaler(), PCA(5), make_autoencoder(), PCA(2), KMeans(4, n_init=1, random_state=0)]
    plain = Pipeline(list(zip("abcde", steps, strict=True))).fit(X)
    named = Pipeline(list(zip(["input", "b", "code", "d", "e"], steps, strict=True))).fit(X)
    for space in ("input", "code"):
        scorer = make_clustering_scorer("silhouette", space=space)
        assert scorer(named, X) == scorer(plain, X)
    baseline = Pipeline([("code", PCA(5)), ("pca", PCA(2)), ("cluster", steps[-1])]).fit(X)
    assert silhouette_scorer(baseline, X) == make_clustering_scorer("silhouette", space="pca")(baseline, X)


def test_the_first_of_two_autoencoders_has_the_input(digits):
    X, _ = digits
    model = make_model(KMeans(4, n_init=1, random_state=0), None, StandardScaler(), make_autoencoder()).fit(X)
    assert silhouette_scorer(model, X) == make_clustering_scorer("silhouette", space="standardscaler-1")(model, X)


@pytest.mark.parametrize("model", [KMeans(2, n_init=1), make_pipeline(StandardScaler(), KMeans(2, n_init=1))])
def test_without_an_autoencoder_the_clusterers_features_are_the_input(model):
    model.fit(X4)
    assert_allclose(silhouette_scorer(model, X4), SILHOUETTE)


def test_an_autoencoder_inside_another_step_needs_a_named_space(digits):
    X, _ = digits
    columns = ColumnTransformer([("code", make_autoencoder(), slice(0, 64))])
    model = make_pipeline(StandardScaler(), columns, KMeans(3, n_init=1, random_state=0)).fit(X)
    with pytest.raises(ValueError, match=r"inside another step.*'standardscaler'"):
        silhouette_scorer(model, X)
    assert -1 < make_clustering_scorer("silhouette", space="standardscaler")(model, X) < 1


@pytest.mark.parametrize(
    "model, name",
    [
        (make_autoencoder(), "SparseAutoencoderTransformer"),
        (make_pipeline(StandardScaler(), make_autoencoder()), "SparseAutoencoderTransformer"),
    ],
)
def test_an_estimator_that_does_not_end_in_a_clusterer_is_an_error(digits, model, name):
    X, _ = digits
    with pytest.raises(ValueError, match=f"A clusterer.* is needed, but got {name}, which has no fit_predict"):
        silhouette_scorer(model.fit(X), X)


@pytest.mark.parametrize("search", [GridSearchCV, ClusteringSearch])
def test_a_fitted_search_stands_for_its_best_estimator(digits, search):
    X, _ = digits
    model = make_pipeline(StandardScaler(), KMeans(n_init=1, random_state=0))
    fitted = search(model, {"kmeans__n_clusters": [3, 4]}).fit(X)
    nested = make_pipeline(StandardScaler(), fitted).fit(X)
    assert [name for name, _ in flat_steps(nested)][1:] == [f"{nested.steps[1][0]}__{name}" for name, _ in model.steps]
    scorer = make_clustering_scorer("silhouette")
    assert scorer(fitted, X) == scorer(fitted.best_estimator_, X)


def test_an_unknown_space_is_an_error_that_lists_the_steps():
    model = make_pipeline(StandardScaler(), KMeans(2, n_init=1)).fit(X4)
    with pytest.raises(ValueError, match=r"space='pca' .*\['standardscaler'\]"):
        make_clustering_scorer("silhouette", space="pca")(model, X4)


@pytest.mark.parametrize(
    "scorer, worst",
    [
        (silhouette_scorer, -1),
        (calinski_harabasz_scorer, 0),
        (davies_bouldin_scorer, -1e30),
        (neighbor_information_scorer, 0),
    ],
)
@pytest.mark.parametrize("clusterer", [DBSCAN(eps=1e-9, min_samples=2), DBSCAN(eps=1e9), AgglomerativeClustering(4)])
def test_degenerate_partitions_score_the_worst(scorer, worst, clusterer):
    with pytest.warns(DegenerateClusteringWarning, match="the worst"):
        assert scorer(clusterer.fit(X4), X4) == worst


def test_a_collapsed_code_does_not_get_the_best_davies_bouldin():
    # scikit-learn's index is 0, the best value, once all centroids lie within 1e-8 of each other.
    Z = np.random.RandomState(0).normal(size=(100, 2))
    labels = KMeans(3, n_init=1, random_state=0).fit_predict(Z)
    expected = davies_bouldin_score(Z, labels)
    for collapsed in (1e-10 * Z, 1e-10 * Z + [0.1, 0.9]):
        assert_allclose(clustering_report(collapsed, labels)["davies_bouldin"], expected, rtol=1e-4)


def test_scorers_count_noise_as_a_cluster_unless_told(digits):
    X, _ = digits
    dbscan = DBSCAN(eps=4, min_samples=4).fit(X)
    labels = dbscan.labels_
    kept = labels != -1
    assert 0.1 < kept.mean() < 0.9
    assert_allclose(silhouette_scorer(dbscan, X), silhouette_score(X, labels), rtol=1e-10)
    dropping = make_clustering_scorer("silhouette", noise="drop")
    assert_allclose(dropping(dbscan, X), silhouette_score(X[kept], labels[kept]), rtol=1e-10)


@pytest.mark.parametrize(
    "labels, message",
    [([0, 1, 1], "inconsistent numbers"), ([0, 0.5, 1, 1], "labels .* has 0.5"), ([0, 0, 1, np.nan], "labels .*NaN")],
)
def test_what_are_no_labels_is_an_error_and_not_the_worst_score(labels, message):
    with pytest.raises(ValueError, match=message):
        silhouette_scorer(Labeling(labels), X4)


def test_sampling_scorer_is_deterministic(digits):
    X, _ = digits
    kmeans = KMeans(5, n_init=1, random_state=0).fit(X)
    scorer = make_clustering_scorer("silhouette", sample_size=50, random_state=1)
    expected = silhouette_score(X, kmeans.labels_, sample_size=50, random_state=1)
    assert scorer(kmeans, X) == scorer(kmeans, X) == pytest.approx(expected, rel=1e-10)


def test_a_report_is_a_table_in_a_notebook():
    html = ClusteringReport(n_clusters=3, silhouette=0.5, **{"<b>": 1e9})._repr_html_()
    rows = re.findall(r"<tr><th>(.*?)</th><td>(.*?)</td></tr>", html)
    assert rows == [("n_clusters", "3"), ("silhouette", "0.5000"), ("&lt;b&gt;", "1e+09")]
    assert html == f"<table>{''.join(f'<tr><th>{name}</th><td>{value}</td></tr>' for name, value in rows)}</table>"


def test_scorers_pickle_and_show_their_settings():
    scorer = make_clustering_scorer("davies_bouldin", space="code", sample_size=7)
    kmeans = KMeans(2, n_init=1).fit(X4)
    assert pickle.loads(pickle.dumps(scorer))(kmeans, X4) == scorer(kmeans, X4)
    assert repr(scorer) == (
        "make_clustering_scorer('davies_bouldin', space='code', noise='cluster', sample_size=7, random_state=None, "
        "distance='euclidean')"
    )


@pytest.mark.parametrize(
    "arguments, name",
    [
        ({"metric": "dunn"}, "metric"),
        ({"space": 3}, "space"),
        ({"noise": "keep"}, "noise"),
        ({"sample_size": -1}, "sample_size"),
    ],
)
def test_bad_arguments_of_the_scorer(arguments, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter of make_clustering_scorer"):
        make_clustering_scorer(**{"metric": "silhouette", **arguments})


def test_scorers_warn_of_nothing_on_a_sound_partition(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        silhouette_scorer(KMeans(2, n_init=1).fit(X4), X4)
