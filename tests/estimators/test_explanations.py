"""Explanations of clusters: planted groups, honest figures, tables of any kind."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csc_matrix, csr_array
from sklearn.datasets import load_iris

from helpers.containers import OnDisk
from helpers.planted import OTHERS, PLANTED, planted_table
from skdeepcluster.inspection import explain_clusters


@pytest.fixture(scope="module")
def planted():
    return planted_table()


@pytest.fixture(scope="module")
def explanation(planted):
    return explain_clusters(*planted, random_state=0)


def columns_of(rule):
    return {condition.column for condition in rule.conditions}


def f1_of(matches, is_in):
    return 2 * np.sum(matches & is_in) / (matches.sum() + is_in.sum())


# What is found


def test_planted_groups_are_described_by_the_planted_columns(explanation):
    assert explanation.clusters.tolist() == list(PLANTED)
    for group, planted in PLANTED.items():
        rule = explanation.rules[group]
        assert 1 <= len(rule.conditions) <= 4
        assert columns_of(rule) & planted, str(rule)
        assert not columns_of(rule) & {*OTHERS}, str(rule)
        assert explanation.f1[group] > 0.85
    assert explanation.fidelity > 0.85


def test_what_sets_planted_groups_apart_is_in_the_planted_columns(explanation):
    order = np.argsort(-np.abs(explanation.effects), axis=1)
    largest = [set(explanation.feature_names[first]) for first in order[:, :2]]
    assert largest[0] == {"income", 'remark: "price"'}
    assert largest[1] == {"colour = red", "day"}
    # The temperature of group 2 lies between those of all others: its mean is theirs.
    assert "member" in largest[2]
    assert largest[3] == {"wait", "phone is missing"}


def test_fidelity_is_that_on_fresh_rows(explanation):
    fresh, groups = planted_table(4000, seed=1)
    matches = explanation.matches(fresh)
    for i, cluster in enumerate(explanation.clusters):
        is_in = groups == cluster
        assert f1_of(matches[:, i], is_in) == pytest.approx(explanation.f1[i], abs=0.03)
        assert np.mean(is_in[matches[:, i]]) == pytest.approx(explanation.precision[i], abs=0.05)
        assert np.mean(matches[is_in, i]) == pytest.approx(explanation.recall[i], abs=0.05)


def test_random_labels_have_rules_of_no_fidelity(planted):
    labels = np.random.RandomState(0).randint(4, size=len(planted[0]))
    explanation = explain_clusters(planted[0], labels, random_state=0)
    assert explanation.fidelity < 0.3
    assert_allclose(explanation.precision, 0.25, atol=0.05)
    assert str(explanation).count("hardly better than chance") == 4
    # Of what is within chance, nothing is said.
    assert max(np.abs(explanation.effects).max(axis=1)) < 0.35


def test_scores_by_hand():
    # One condition finds the cluster but for two rows; whichever part has these, the others say the same.
    x = np.repeat([0.0, 1.0], [60, 40])
    labels = np.where(np.arange(100) < 58, 0, 1)
    explanation = explain_clusters(x[:, np.newaxis], labels, random_state=0)
    assert list(map(str, explanation.rules)) == ["x0 is 0", "x0 is 1"]
    assert_allclose(explanation.precision, [58 / 60, 1])
    assert_allclose(explanation.recall, [1, 40 / 42])
    assert_allclose(explanation.f1, [116 / 118, 80 / 82])
    assert explanation.fidelity == 0.98
    assert_allclose([explanation.inside[0, 0], explanation.outside[0, 0]], [0, 40 / 42])


def test_a_cluster_of_what_is_left_has_conditions_joined_by_or(rng):
    X = rng.uniform(size=(600, 3))
    is_corner = (X[:, 0] > 0.5) & (X[:, 1] > 0.4)
    explanation = explain_clusters(X, np.where(is_corner, "corner", "rest"), random_state=0)
    corner, rest = explanation.rules
    assert columns_of(corner) == columns_of(rest) == {"x0", "x1"}
    assert (corner.joined_by, rest.joined_by) == ("and", "or")
    assert_array_equal(explanation.matches(X)[:, 1], ~explanation.matches(X)[:, 0])
    assert explanation.f1.min() > 0.97


def test_the_number_of_conditions_is_limited_and_no_larger_than_it_must(planted):
    short = explain_clusters(*planted, max_conditions=1, random_state=0)
    assert [len(rule.conditions) for rule in short.rules] == [1] * 4
    long = explain_clusters(*planted, max_conditions=10, random_state=0)
    assert len(long.rules[1].conditions) <= 2
    assert max(len(rule.conditions) for rule in long.rules) <= 10


def test_identifiers_are_not_chosen():
    n = 300
    labels = np.arange(n) % 3
    table = pd.DataFrame(
        {
            "id": [f"{label}-{i}" for i, label in enumerate(labels)],
            "name": [f"Name{i} Surname{i}" for i in range(n)],
            "x": labels + np.random.RandomState(0).normal(scale=0.2, size=n),
        }
    )
    explanation = explain_clusters(table, labels, random_state=0)
    assert explanation.feature_names.tolist() == ["x"]
    assert explanation.fidelity > 0.95


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_of_many_columns_those_that_tell_most_are_looked_at(kind, rng):
    X = rng.normal(size=(400, 300)) * (rng.random((400, 300)) < 0.3)
    labels = np.arange(400) % 4
    # Cluster 3 lies in the middle of column 207, which shifts no mean.
    X[:, 207] = np.where(labels == 3, 0, np.where(rng.random(400) < 0.5, 3, -3)) + rng.normal(scale=0.3, size=400)
    explanation = explain_clusters(kind(X), labels, random_state=0)
    assert columns_of(explanation.rules[3]) == {"x207"}
    assert explanation.f1[3] > 0.95


def test_a_sample_of_a_large_table_is_enough_and_has_rows_of_small_clusters(rng):
    n = 30_000
    labels = np.where(np.arange(n) < 60, 2, np.arange(n) % 2)
    table = pd.DataFrame(
        {
            "a": labels + rng.normal(scale=0.2, size=n),
            "text": [f"{'a rare one' if label == 2 else 'two words'} no{i}" for i, label in enumerate(labels)],
        }
    )
    explanation = explain_clusters(table, labels, sample_size=1000, random_state=0)
    assert explanation.sizes.tolist() == [np.sum(labels == i) for i in range(3)]
    assert explanation.f1.min() > 0.9
    is_a = explanation.feature_names == "a"
    assert_allclose(explanation.inside[:, is_a].ravel(), table["a"].groupby(labels).mean())
    rare = np.flatnonzero(explanation.feature_names == 'text: "rare"')[0]
    assert_allclose(explanation.inside[:, rare], [0, 0, 1], atol=1e-12)
    assert explanation.effects[2, rare] == pytest.approx(1 / np.sqrt(0.002 * 0.998), rel=1e-6)


def test_values_that_a_small_cluster_has_by_chance_are_no_effects():
    # Three rows of the small cluster have a value that no other row has: of five, it would say something.
    labels = np.repeat([0, 1], [300, 20])
    for n_rows, effect in ((3, 0.0), (5, 0.25 / np.sqrt(5 / 320 * 315 / 320))):
        values = np.repeat(["a", "b", "c"], [150, 170 - n_rows, n_rows])
        explanation = explain_clusters(pd.DataFrame({"value": values}), labels, random_state=0)
        (rare,) = np.flatnonzero(explanation.feature_names == "value = c")
        assert_allclose(explanation.inside[:, rare], [0, n_rows / 20])
        # In the large one, 300 / 320 of five rows would have it by chance, which is not enough to miss them.
        assert_allclose(explanation.effects[:, rare], [0, effect])


def test_of_two_values_a_rule_has_the_one_that_the_cluster_has():
    labels = np.arange(60) % 2
    answer = pd.Series(np.where(labels == 1, "yes", "no"), dtype=object)
    explanation = explain_clusters(pd.DataFrame({"answer": answer}), labels, random_state=0)
    assert list(map(str, explanation.rules)) == ["answer is no", "answer is yes"]
    assert explanation.feature_names.tolist() == ["answer = yes"]
    answer[[0, 1]] = None
    explanation = explain_clusters(pd.DataFrame({"answer": answer}), labels, random_state=0)
    assert list(map(str, explanation.rules)) == ["answer is no", "answer is yes"]
    assert not explanation.matches(pd.DataFrame({"answer": answer}))[:2].any()
    assert_allclose(explanation.recall, 29 / 30)
    coded = pd.Categorical([7, 8] * 30)
    explanation = explain_clusters(pd.DataFrame({"a" * 99: coded}), labels, random_state=0)
    assert str(explanation.rules[0]) == f"{'a' * 99} is 7"
    assert explanation.feature_names[0] == f"{'a' * 99} = 8"
    assert f"    {'a' * 59}…  0%  100%  -2.0" in str(explanation).split("\n")
    flags = explain_clusters((labels == 1)[:, np.newaxis], labels, random_state=0)
    assert list(map(str, flags.rules)) == ["x0 is false", "x0 is true"]


# Tables of any kind


def test_the_same_result_from_the_same_random_state_and_nothing_changes(planted, explanation):
    table, groups = planted
    before = table.copy(deep=True)
    again = explain_clusters(table, pd.Series(groups, index=table.index[::-1]), random_state=0)
    assert str(again) == str(explanation)
    assert_array_equal(again.f1, explanation.f1)
    pd.testing.assert_frame_equal(table, before)
    other = explain_clusters(table, groups, random_state=1)
    assert columns_of(other.rules[3]) == columns_of(explanation.rules[3])


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas, pd.DataFrame.to_numpy])
def test_mixed_tables_of_other_libraries(planted, explanation, convert):
    table, groups = planted
    converted = explain_clusters(convert(table), groups, feature_names=table.columns, random_state=0)
    assert list(map(str, converted.rules)) == list(map(str, explanation.rules))
    assert_array_equal(converted.f1, explanation.f1)
    assert_allclose(converted.effects, explanation.effects, atol=1e-12)
    assert converted.kinds.tolist() == explanation.kinds.tolist()


CONTAINERS = [list, pd.DataFrame, pl.DataFrame, csr_array, csc_matrix, OnDisk, "mapped", np.float32]


@pytest.mark.parametrize("kind", CONTAINERS)
def test_numbers_in_any_container(kind, tmp_path):
    X, y = load_iris(return_X_y=True)
    X[X < 1] = 0
    expected = explain_clusters(X, y, feature_names=list("abcd"), random_state=0)
    if kind == "mapped":
        np.save(tmp_path / "X.npy", X)
        table = np.load(tmp_path / "X.npy", mmap_mode="r")
    elif kind is list:
        table = X.tolist()
    else:
        table = kind(X)
    found = explain_clusters(table, y, feature_names=list("abcd"), random_state=0)
    if kind is np.float32:
        # Its rounding decides between 2.4 and 2.5.
        assert list(map(columns_of, found.rules)) == list(map(columns_of, expected.rules))
    else:
        assert list(map(str, found.rules)) == list(map(str, expected.rules))
    assert_allclose(found.f1, expected.f1, atol=0.01 if kind is np.float32 else 0)
    assert_allclose(found.effects, expected.effects, rtol=1e-5)


def test_missing_values_fulfil_no_comparison_and_are_a_value_of_their_own(rng):
    labels = np.arange(300) % 3
    x = labels + rng.normal(scale=0.1, size=300)
    x[labels == 2] = np.nan
    explanation = explain_clusters(pd.DataFrame({"x": x}), labels, random_state=0)
    assert list(map(str, explanation.rules)) == ["x <= 0.5", "x > 0.5", "x is missing"]
    assert explanation.fidelity > 0.99
    assert_array_equal(explanation.matches(pd.DataFrame({"x": [0.0, 1.0, np.nan]})), np.eye(3))
    assert np.isnan(explanation.inside[2, 0])
    assert explanation.effects[2].tolist()[0] == 0


def test_noise_is_no_cluster_but_belongs_to_the_other_rows(rng):
    labels = np.repeat([0, 1, -1, -2], 50)
    X = labels[:, np.newaxis] + rng.normal(scale=0.1, size=(200, 1))
    explanation = explain_clusters(X, labels, random_state=0)
    assert explanation.clusters.tolist() == [0, 1]
    assert explanation.n_noise == 100
    assert explanation.inside[0, 0] - explanation.outside[0, 0] == pytest.approx(0 - (1 - 1 - 2) / 3, abs=0.05)
    assert str(explanation.rules[1]) == "x0 > 0.5"
    assert explanation.fidelity == 1
    assert str(explanation).startswith("2 clusters of 200 rows, 100 of them noise. ")
    alone = explain_clusters(X, np.where(labels == 0, 0, -1), random_state=0)
    assert len(alone.rules) == 1


def test_clusters_of_few_rows_and_columns_that_tell_nothing():
    labels = np.repeat([0, 1, 2], [30, 30, 1])
    X = np.c_[np.repeat([0.0, 1.0, 9.0], [30, 30, 1]), np.ones(61)]
    explanation = explain_clusters(X, labels, random_state=0)
    assert str(explanation.rules[2]) == "x0 > 5"
    # No row of the cluster is left where it is held out, so that no rule is confirmed.
    assert [explanation.precision[2], explanation.recall[2], explanation.f1[2]] == [0, 0, 0]
    assert explanation.f1[0] == 1
    constant = explain_clusters(np.ones((61, 2)), labels, random_state=0)
    assert [str(rule) for rule in constant.rules] == ["no rule"] * 3
    assert constant.f1.tolist() == [0, 0, 0]
    assert not constant.matches(np.ones((5, 2))).any()
    pairs = explain_clusters([[0.0], [1.0]], [0, 1], random_state=0)
    assert str(pairs.rules[1]) == "x0 is 1"


# What is returned


def test_frames_of_rules_and_of_differences(explanation):
    rules = explanation.to_frame()
    assert rules.index.tolist() == [0, 1, 2, 3]
    assert rules.columns.tolist() == ["size", "rule", "n_conditions", "precision", "recall", "f1"]
    assert rules["rule"].tolist() == list(map(str, explanation.rules))
    differences = explanation.differences_to_frame()
    assert len(differences) == explanation.effects.size
    first = differences.groupby("cluster").first()
    assert_allclose(first["effect"].abs(), np.abs(explanation.effects).max(axis=1))
    day = differences[(differences["feature"] == "day") & (differences["cluster"] == 1)].iloc[0]
    assert pd.Timestamp("2021-12-01") < day["inside"] < pd.Timestamp("2022-05-01")
    wait = differences[(differences["feature"] == "wait") & (differences["cluster"] == 3)].iloc[0]
    assert pd.Timedelta(60, "h") < wait["inside"] < pd.Timedelta(70, "h")
    numbers = explain_clusters([[0.0], [1.0]], ["a", "b"]).differences_to_frame()
    assert numbers["inside"].dtype == float
    assert repr(explanation) == f"<ClusterExplanation: 4 clusters, fidelity {explanation.fidelity:.2f}>"


def test_the_text_of_an_explanation(explanation):
    lines = str(explanation).split("\n")
    assert max(map(len, lines)) <= 120
    start = lines.index(f"cluster 3: {explanation.sizes[3]} rows ({explanation.sizes[3] / 1500:.0%})")
    assert lines[start + 1] == f"  {explanation.rules[3]}"
    assert lines[start + 2].startswith(f"  precision {explanation.precision[3]:.2f}, recall ")
    wait = explanation.feature_names == "wait"
    inside, outside = explanation.inside[3, wait].item() / 86_400, explanation.outside[3, wait].item() / 3600
    effect = explanation.effects[3, wait].item()
    assert lines[start + 3].split() == ["wait", f"{inside:.4g}", "days", f"{outside:.4g}", "hours", f"{effect:+.1f}"]


def test_rules_match_rows_of_a_table_with_its_columns_in_any_order(planted, explanation):
    table, _ = planted
    expected = explanation.matches(table)
    assert_array_equal(explanation.matches(table[table.columns[::-1]].assign(more=1)), expected)
    assert_array_equal(explanation.matches(pl.from_pandas(table)), expected)
    assert_array_equal(explanation.matches(table.to_numpy()), expected)
    with pytest.raises(ValueError, match="table has no column 'wait', which a rule is about"):
        explanation.matches(table.drop(columns="wait"))
    with pytest.raises(ValueError, match="The column 'wait' of table holds values of the kind 'category'"):
        explanation.matches(table.assign(wait="long"))


# Bad input


@pytest.mark.parametrize(
    "table, labels, match",
    [
        ([[1.0], [2.0]], [0, 0], "All rows are in one cluster"),
        ([[1.0], [2.0]], [-1, -1], "Every row is noise"),
        ([[1.0], [2.0]], [0, 1, 1], "inconsistent numbers of samples"),
        ([[1.0], [2.0]], [0, 0.5], "labels must hold integers or names"),
        ([[1.0], [np.inf]], [0, 1], "infinity"),
        ([1.0, 2.0], [0, 1], "2D array"),
        ([[1.0], [2.0, 3.0]], [0, 1], "The rows of table have different lengths"),
        (np.ma.masked_equal([[1.0], [2.0]], 2), [0, 1], "table has masked values"),
        ([[1e200], [2.0]], [0, 1], "table has values up to 1e\\+200, too large"),
        ([[10**400], [2.0]], [0, 1], "table has an integer that is too large"),
        (pd.DataFrame(index=[0, 1]), [0, 1], "table has no columns"),
        (pd.DataFrame({"a": [1.0, np.inf]}), [0, 1], "'a' has infinite values"),
        (pd.DataFrame({"a": [1.0, 1e200]}), [0, 1], "The column 'a' has values up to"),
        (pd.DataFrame({"a": [1.0, 2.0]})[:0], [], "minimum of 1 is required"),
        (pd.DataFrame({"a": ["x", "y"]}), [0, 1], "table has nothing to compare clusters by"),
        (np.zeros((2, 2, 2)), [0, 1], "images.reshape"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_explained(table, labels, match):
    with pytest.raises(ValueError, match=match):
        explain_clusters(table, labels)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"max_conditions": 0}, "'max_conditions'"),
        ({"max_conditions": 11}, "'max_conditions'"),
        ({"sample_size": 0}, "'sample_size'"),
        ({"feature_names": ["a"]}, "feature_names has the shape"),
        ({"random_state": "x"}, "'random_state'"),
    ],
)
def test_options_out_of_range(options, match):
    with pytest.raises(ValueError, match=match):
        explain_clusters([[1.0, 2.0], [2.0, 3.0]], [0, 1], **options)
