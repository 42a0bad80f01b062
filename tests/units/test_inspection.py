"""What explanations are made of: effect sizes, kinds of columns, round values, rows that are drawn."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skdeepcluster.inspection import Condition, Rule, _effects
from skdeepcluster.inspection._columns import read_table
from skdeepcluster.inspection._effects import effect_sizes
from skdeepcluster.inspection._partition import check_partition, draw_rows
from skdeepcluster.inspection._values import (
    date_between,
    date_of,
    duration_between,
    mean_in_words,
    number_between,
    seconds_of,
)

# Effect sizes


def test_effect_sizes_by_hand():
    X = np.array([[0.0, 5.0, 1.0], [0.0, 5.0, 3.0], [4.0, 5.0, 1.0], [0.0, 5.0, 3.0]])
    groups = np.array([0, 0, 1, 2])
    # Means in and out of cluster 0: 0 and 2, -, 2 and 2; standard deviations sqrt(3), 0, 1. The last row is noise.
    expected = [[-2 / np.sqrt(3), 0, 0], [4 / np.sqrt(3), 0, 1 - 7 / 3]]
    for kind in (np.asarray, csr_array):
        inside, outside, effects = effect_sizes(kind(X), groups, 2)
        assert_allclose(effects, expected, atol=1e-14)
        assert_allclose(inside, [[0, 5, 2], [4, 5, 1]])
        assert_allclose(outside, [[2, 5, 2], [0, 5, 7 / 3]])
    with_gaps = np.vstack([X, [np.nan, np.nan, 2.0]])
    # The row with gaps is in cluster 0, and does not count where it has none: feature 2, mean 2 in both.
    for kind in (np.asarray, csr_array):
        effects = effect_sizes(kind(with_gaps), np.array([0, 0, 1, 1, 0]), 1)[2]
        assert_allclose(effects[0], expected[0], atol=1e-14)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_a_row_of_weight_two_is_two_rows(rng, kind):
    X, groups = rng.normal(size=(20, 3)) * (rng.random((20, 3)) < 0.7), np.arange(20) % 3
    weights = np.where(np.arange(20) < 5, 2.0, 1.0)
    twice = np.r_[np.arange(20), np.arange(5)]
    weighted, repeated = effect_sizes(kind(X), groups, 2, weights), effect_sizes(kind(X[twice]), groups[twice], 2)
    for values, expected in zip(weighted, repeated):
        assert_allclose(values, expected)


def test_columns_that_are_worked_on_apart(rng, monkeypatch):
    X, groups = rng.normal(size=(20, 7)), np.arange(20) % 2
    together = effect_sizes(X, groups, 2)
    monkeypatch.setattr(_effects, "_AT_ONCE", 60)
    for values, expected in zip(effect_sizes(X, groups, 2), together):
        assert_allclose(values, expected)


# Columns

DAYS = pd.date_range("2026-03-01 12:00", periods=4)
SECONDS = 1_772_366_400.0 + 86_400 * np.arange(4)
NUMBERS = [1.0, 2.5, np.nan, 4.0]
TEXTS = ["a first text", "two words", "", "and one more"]


@pytest.mark.parametrize(
    "values, kind, expected",
    [
        (pd.Series([1, 2, None, 4], dtype="Int64"), "number", [1, 2, np.nan, 4]),
        (pd.Series(NUMBERS, dtype="float32"), "number", NUMBERS),
        (pd.Series([Decimal("1.5"), None, 2, 3.0], dtype=object), "number", [1.5, np.nan, 2, 3]),
        (pd.Series([True, False, True, True]), "boolean", [1, 0, 1, 1]),
        (pd.Series([True, None, False, True], dtype="boolean"), "boolean", [1, np.nan, 0, 1]),
        (pd.Series([None] * 4, dtype=object), "number", [np.nan] * 4),
        (pd.Series(["a", "b", None, "a"]), "category", ["a", "b", None, "a"]),
        (pd.Series(["a", pd.NA, "b", "a"], dtype="string"), "category", ["a", None, "b", "a"]),
        (pd.Series(pd.Categorical([3, 4, None, 3])), "category", [3.0, 4.0, None, 3.0]),
        (pd.Series(pd.Categorical(TEXTS)), "category", TEXTS),
        (pd.Series(TEXTS), "text", TEXTS),
        (pd.Series([[1], {}, (1, 2), [1]], dtype=object), "category", ["[1]", "{}", (1, 2), "[1]"]),
        (pd.Series(DAYS), "date", SECONDS),
        (pd.Series(DAYS.tz_localize("UTC").tz_convert("Asia/Tokyo")), "date", SECONDS),
        (pd.Series([*DAYS[:3], None]), "date", [*SECONDS[:3], np.nan]),
        (pd.Series([day.date() for day in DAYS], dtype=object), "date", SECONDS - 43_200),
        (pd.Series([DAYS[0].tz_localize("Etc/GMT-1"), *DAYS[1:]], dtype=object), "date", SECONDS - [3600, 0, 0, 0]),
        (pd.Series(DAYS - DAYS[0]), "duration", SECONDS - SECONDS[0]),
        (pd.Series([datetime.timedelta(hours=1), None] * 2, dtype=object), "duration", [3600, np.nan] * 2),
        (pl.Series([1, None, 2, 3]), "number", [1, np.nan, 2, 3]),
        (pl.Series(["a", None, "b", "a"]), "category", ["a", None, "b", "a"]),
        (pl.Series(TEXTS).cast(pl.Categorical), "category", TEXTS),
        (pl.Series(TEXTS, dtype=pl.Enum(TEXTS)), "category", TEXTS),
        (pl.Series(DAYS.to_numpy()), "date", SECONDS),
        (pl.Series([day.date() for day in DAYS]), "date", SECONDS - 43_200),
        (pa.chunked_array([["a", None], ["b", "a"]]), "category", ["a", None, "b", "a"]),
        (pa.chunked_array([[1.5, None, 2.0, 1.0]]), "number", [1.5, np.nan, 2, 1]),
        (pa.chunked_array([[True, None, False, True]]), "boolean", [1, np.nan, 0, 1]),
        (np.array(["a", "b", "b", "a"]), "category", ["a", "b", "b", "a"]),
        (DAYS.to_numpy(), "date", SECONDS),
    ],
)
def test_kinds_of_columns(values, kind, expected):
    if isinstance(values, np.ndarray):
        table, name = values[:, np.newaxis], "x0"
    else:
        container = {pd.Series: pd.DataFrame, pl.Series: pl.DataFrame}.get(type(values), pa.table)
        table, name = container({"c": values}), "c"
    (column,) = read_table(table, "table")
    assert (column.name, column.kind) == (name, kind)
    if column.values.dtype == object:
        assert column.values.tolist() == list(expected)
    else:
        assert_allclose(column.values, np.asarray(expected, dtype=float))


def test_a_column_of_strings_is_text_or_categories():
    def kind_of(strings):
        return read_table(pd.DataFrame({"c": strings}), "table")[0].kind

    assert kind_of(["strongly agree with this", "rather disagree"] * 50) == "category"
    assert kind_of([f"text of the number {i}" for i in range(200)]) == "text"
    assert kind_of([f"text of the number {i % 60}" for i in range(20_000)]) == "text"
    assert kind_of([f"A-{i}" for i in range(200)]) == "category"


# Values


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (1.9, 3.0, 2.5),
        (41, 42, 41),
        (39, 47, 43),
        (0, 100, 0),
        (0.0, 1e-9, 0),
        (-3, 5, 0),
        (-0.25, 0, -0.1),
        (17.598, 17.607, 17.6),
        (0.1, 0.2, 0.15),
        (1234, 5678, 3000),
        (1e-300, 1e300, 5e299),
        (1.0, np.nextafter(1.0, 2), 1.0),
    ],
)
def test_a_number_between_two_has_few_digits(low, high, expected):
    assert number_between(float(low), float(high)) == expected


def test_a_number_between_two_is_between_them(rng):
    for low, gap in zip(rng.normal(size=300) * 10.0 ** rng.randint(-8, 9, 300), 10.0 ** rng.randint(-10, 8, 300)):
        high = max(low + gap, np.nextafter(low, np.inf))
        assert low <= number_between(low, high) < high


@pytest.mark.parametrize(
    "low, high, expected",
    [
        ("2020-11-03", "2021-02-01", "2021-01-01"),
        ("2021-02-03", "2021-06-21", "2021-04-01"),
        ("2021-02-03", "2021-02-04", "2021-02-04"),
        ("2021-02-03T10:00", "2021-02-04T18:00", "2021-02-04"),
        ("2021-02-03T10:12", "2021-02-03T18:00", "2021-02-03T14:00"),
        ("2021-02-03T10:12:01.000001", "2021-02-03T10:12:01.000002", "2021-02-03T10:12:01.000002"),
        ("1950-02-03", "1960-02-03", "1955-01-01"),
    ],
)
def test_a_date_between_two_is_round(low, high, expected):
    assert date_between(*(seconds_of(np.datetime64(date)) for date in (low, high))) == np.datetime64(expected)


@pytest.mark.parametrize(
    "low, high, expected",
    [(3600, 10_800, "2 hours"), (86_400, 172_800, "1 days"), (0, 5, "0 seconds"), (100_000, 300_000, "2 days")],
)
def test_a_duration_between_two_is_round(low, high, expected):
    assert str(Condition("wait", 0, ">", duration_between(float(low), float(high)))) == f"wait > {expected}"


@pytest.mark.parametrize(
    "value, kind, expected",
    [
        (0.5, "category", "50%"),
        (-1e-17, "word", "0%"),
        (0.004, "missing", "0.4%"),
        (0.996, "boolean", "99.6%"),
        (1.0, "boolean", "100%"),
        (12345.6, "number", "12346"),
        (0.012345, "number", "0.0123"),
        (-3.14159, "number", "-3.14"),
        (1e9, "number", "1e+09"),
        (0.0, "number", "0"),
        (np.nan, "number", "unknown"),
        (seconds_of(np.datetime64("2021-03-04T05:06")), "date", "2021-03-04"),
        (7200.0, "duration", "2 hours"),
    ],
)
def test_means_in_words(value, kind, expected):
    assert mean_in_words(value, kind) == expected


# Conditions and rules


@pytest.mark.parametrize(
    "condition, expected",
    [
        (Condition("age", 0, ">", 41.0), "age > 41"),
        (Condition("age", 0, "<=", 0.25), "age <= 0.25"),
        (Condition("colour", 0, "is not", "dark\nred"), "colour is not dark red"),
        (Condition("smoker", 0, "is", True), "smoker is true"),
        (Condition("text", 0, "does not contain", "price"), 'text does not contain "price"'),
        (Condition("day", 0, "from", np.datetime64("2021-03-04", "us")), "day from 2021-03-04"),
        (Condition("day", 0, "before", np.datetime64("2021-03-04T10:30", "us")), "day before 2021-03-04 10:30"),
        (Condition("income", 0, "is missing"), "income is missing"),
    ],
)
def test_conditions_in_words(condition, expected):
    assert str(condition) == expected


def test_rules_in_words():
    age = Condition("age", 0, "<=", 60.0), Condition("age", 0, ">", 41.5)
    day = Condition("day", 1, "before", np.datetime64("2021-06-01")), Condition("day", 1, "from", date_of(0.0))
    red = Condition("colour", 2, "is", "red")
    assert str(Rule((age[0], red, age[1]))) == "41.5 < age <= 60 and colour is red"
    assert str(Rule((age[0], red, age[1]), "or")) == "age <= 60 or colour is red or age > 41.5"
    assert str(Rule(day)) == "day from 1970-01-01 and before 2021-06-01"
    assert str(Rule(())) == "no rule"
    # Of two columns of the same name, each has its own bounds.
    assert str(Rule((age[0], Condition("age", 5, ">", 1.0)))) == "age <= 60 and age > 1"


# Rows that are drawn


def test_small_clusters_have_rows_too_and_weights_make_up_for_it():
    labels = np.repeat([0, 1, -1], [90_000, 50, 9_950])
    partition = check_partition(labels, labels)
    rows, weights = draw_rows(partition, 1000, np.random.RandomState(0))
    groups = partition.groups[rows]
    assert len(rows) <= 1000
    assert np.bincount(groups)[1] == 50
    assert_allclose(np.bincount(groups, weights), [90_000, 50, 9_950])
    assert_array_equal(rows, np.unique(rows))
    every, ones = draw_rows(partition, None, np.random.RandomState(0))
    assert len(every) == len(labels) == ones.sum()
    assert len(draw_rows(partition, 1, np.random.RandomState(0))[0]) == 3
