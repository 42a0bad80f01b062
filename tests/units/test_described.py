"""Parameters in words: the same for the same contents in every process, others for others."""

import functools
import itertools
import json
import os
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from helpers.processes import output_of
from skdeepcluster._support._described import described

SCALE = 0.1


def text_of(value):
    text, unknown = described(value)
    assert unknown is None
    assert " at 0x" not in text
    return text


def made(default=0.1, closed=0.1, keyword=0.1, inner=0.1):
    """A function that has been made with some numbers."""

    def augment(X, random_state, scale=default, *, shift=keyword):
        return X * scale + shift + closed + (lambda a: a * inner)(1.0)

    return augment


def uses_global(X, random_state):
    return X * SCALE


def calls_global(X, random_state):
    return uses_global(X, random_state)


def calls_itself(X, random_state):
    return calls_itself(X, random_state)


class Jitter:
    def __init__(self, scale, **more):
        self.scale = scale
        vars(self).update(more)

    def __call__(self, X, random_state):
        return X * self.scale

    def method(self, X, random_state):
        return X


class OtherCall(Jitter):
    def __call__(self, X, random_state):
        return X - self.scale


class WithSlots:
    __slots__ = ("scale",)

    def __init__(self, scale):
        self.scale = scale


def cyclic(scale):
    value = Jitter(scale)
    value.itself = [value]
    return value


def lambdas():
    return [
        lambda X, _: X,
        lambda X, _: -X,
        lambda X, _: X + 1,
        lambda X, _: X + 1.0,
        lambda X, _: X + 2,
        lambda X, _: X.T,
        lambda X, _: [(lambda a: a)(x) for x in X],
        lambda X, _: [(lambda a: -a)(x) for x in X],
        lambda X, _: X in {"a", "b", "c"},
        lambda X, *_: X,
        lambda X, _=None: X,
    ]


# Makers of values, each of which differs from all of the others, and is itself when it is made again.
MAKERS = {
    **{
        repr(value): functools.partial(lambda value: value, value)
        for value in (None, True, 1, 1.5, 1j, "a", b"a", "1", (1, 2), [1, 2], (1, "a"), "a" * 1000, "a" * 999 + "b", ())
    },
    **{f"lambda {i}": lambda i=i: lambdas()[i] for i in range(len(lambdas()))},
    "function": lambda: made(),
    "default": lambda: made(default=0.2),
    "closure": lambda: made(closed=0.2),
    "keyword": lambda: made(keyword=0.2),
    "list in a closure": lambda: made(closed=[0.2]),
    "array in a closure": lambda: made(closed=np.array([0.2])),
    "array of another type in a closure": lambda: made(closed=np.array([0.2], dtype=np.float32)),
    "closure of an inner function": lambda: made(inner=0.2),
    "function in a closure": lambda: made(closed=made(closed=0.3)),
    "other function in a closure": lambda: made(closed=made(closed=0.4)),
    "global": lambda: uses_global,
    "global's user": lambda: calls_global,
    "recursive": lambda: calls_itself,
    "partial": lambda: partial(made(), scale=1),
    "partial with another number": lambda: partial(made(), scale=2),
    "partial with an array": lambda: partial(made(), scale=np.arange(2000)),
    "partial with another array": lambda: partial(made(), scale=np.where(np.arange(2000) == 1000, 0, np.arange(2000))),
    "partial of another function": lambda: partial(made(closed=0.2), scale=1),
    "partial of positions": lambda: partial(made(), 1),
    "object": lambda: Jitter(1),
    "object with another number": lambda: Jitter(2),
    "object with more": lambda: Jitter(1, more={"b": {1, 2, "c"}, "a": np.arange(3)}),
    "object with other parts": lambda: Jitter(1, more={"b": {1, 2, "d"}, "a": np.arange(3)}),
    "object of another class": lambda: OtherCall(1),
    "object with slots": lambda: WithSlots(1),
    "object with slots and another number": lambda: WithSlots(2),
    "object in a cycle": lambda: cyclic(1),
    "another object in a cycle": lambda: cyclic(2),
    "method": lambda: Jitter(1).method,
    "method of another object": lambda: Jitter(2).method,
    "class": lambda: Jitter,
    "other class": lambda: OtherCall,
    "builtin": lambda: np.add,
    "function of NumPy's": lambda: np.where,
    "estimator": lambda: StandardScaler().fit(np.arange(6).reshape(3, 2)),
    "estimator with other numbers": lambda: StandardScaler().fit(np.arange(8).reshape(4, 2)),
    "RandomState": lambda: np.random.RandomState(0),
    "other RandomState": lambda: np.random.RandomState(1),
    "Generator": lambda: np.random.default_rng(0),
    "its method": lambda: np.random.default_rng(0).normal,
    "method of another": lambda: np.random.default_rng(1).normal,
    "cached": lambda: functools.lru_cache(uses_global),
    "set": lambda: {"a", "b"},
    "dict": lambda: {"a": 1},
    "array of objects": lambda: np.array([{"a": 1}, None], dtype=object),
    "other array of objects": lambda: np.array([{"a": 2}, None], dtype=object),
}


def test_other_contents_have_other_words_and_the_same_the_same():
    texts = {name: text_of(make()) for name, make in MAKERS.items()}
    same = [(a, b) for a, b in itertools.combinations(texts, 2) if texts[a] == texts[b]]
    assert not same
    assert {name: text_of(make()) for name, make in MAKERS.items()} == texts


def test_the_words_are_the_same_in_every_process():
    script = """
        import json, sys
        sys.path[:0] = sys.argv[1:]
        import test_described
        print(json.dumps({name: test_described.text_of(make()) for name, make in test_described.MAKERS.items()}))
        """
    # Strings have other hashes there, so that sets have another order.
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    here = Path(__file__).parent
    output = output_of(script, str(here), str(here.parent), env={**os.environ, "PYTHONHASHSEED": seed})
    here = {name: text_of(make()) for name, make in MAKERS.items()}
    assert json.loads(output) == here


def test_a_global_of_the_module_counts(monkeypatch):
    before = text_of(uses_global), text_of(calls_global), text_of(partial(calls_global))
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 0.2)
    for function, text in zip((uses_global, calls_global, partial(calls_global)), before):
        assert text_of(function) != text


def test_parts_that_do_not_matter_do_not_count():
    assert text_of({"a": 1, "b": 2}) == text_of({"b": 2, "a": 1})
    assert text_of(np.float64(0.5)) == text_of(0.5) == "0.5"
    assert text_of(np.int8(3)) == "3"
    shared = [1]
    assert text_of(Jitter(1, a=shared, b=shared)) == text_of(Jitter(1, a=[1], b=[1]))


@pytest.mark.parametrize(
    "value",
    [
        Jitter(threading.Lock()),
        made(closed=threading.Lock()),
        partial(made(), scale=(i for i in "a")),
        Jitter(1, more=sys.stderr),
    ],
    ids=["object", "closure", "partial", "open file"],
)
def test_what_pickle_cannot_keep_is_called_unknown(value):
    text, unknown = described(value)
    assert text.endswith(", contents unknown")
    assert "TypeError" in unknown
    assert described(value)[0] == text


class Raises:
    def __reduce_ex__(self, protocol):
        raise ZeroDivisionError("mine")


def test_what_cannot_be_pickled_for_a_reason_of_its_own_is_called_unknown():
    assert described(Raises()) == (f"{__name__}.Raises, contents unknown", "ZeroDivisionError: mine")


def test_very_deep_contents_are_called_unknown():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, Jitter(deep)):
        text, unknown = described(value)
        assert text.endswith("contents unknown")
        assert "RecursionError" in unknown


def test_an_empty_cell_is_no_error():
    def outer():
        def augment(X, random_state):
            return later

        text = text_of(augment)
        later = 1
        return text, text_of(augment)

    empty, full = outer()
    assert empty != full
