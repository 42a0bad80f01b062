"""Files of the right format whose every field holds something else in turn: refused by name, or taken as numbers."""

import copy
import json
import tracemalloc
import zipfile
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from helpers.checkpoints import (
    ESTIMATORS,
    OTHER_ARRAYS,
    arrays_of,
    changed_array,
    go_on,
    is_refused,
    read,
    write_cut_off,
    write_forged,
)
from helpers.extent import is_long

DAMAGED = r"fit\.checkpoint is not a checkpoint of skdeepcluster, or it is damaged \({}.*\)\. Delete it to start afresh"

# These may be empty, or of another type of integers: there may have been no iteration, no pairs, few clusters.
MAY_BE = {("terms 0", "empty"), ("solver order", "empty"), ("own initial_labels", "other integers")}

# In place of the first number of an array, or of all of them.
OTHER_NUMBERS = {
    "f": [np.nan, np.inf, -np.inf, -1.0, 1e300, 5e-324],
    "i": [-1, 0, 3, 59, 60, 10**6, 2**31, -(2**63), 2**63 - 1],
    "u": [0, 1, 2**32 - 1],
}
# What is taken, as nothing tells it from the numbers of a fit.
FINITE, NOT_NEGATIVE = {-1.0, 1e300, 5e-324}, {1e300, 5e-324}
MAY_HOLD = {
    **dict.fromkeys(["theta", "best_theta", "terms 0", "terms 1"], FINITE),
    **{f"solver {name}": FINITE for name in ("x", "first_moment", "S", "Y", "SY", "YY")},
    **dict.fromkeys(["held_out_errors", "solver second_moment"], NOT_NEGATIVE),
    "solver n_steps": {3, 60},
    "keys": {0, 1, 2**32 - 1},
    "own initial_labels": {0},
    "own label_changes": {5e-324},
}

# In place of what the line of JSON says, or of a part of it.
OTHER_WORDS = [None, True, -1, 0, 1, 3, 625, 10**6, -(10**6), 2**63, 10**40, 0.5, 14.0, -1e300, np.nan, np.inf, "", "x"]
OTHER_WORDS += ["adam", "lbfgs", "a" * 10**5, "\x1b[2J\u202e", [], [0, 0], [[0, 0, 0.0]], {}, {"a": 1}]
RANDOM_STATES = {0: {0, 1, 3}, 1: {0, 1}, 2: {0.5}}


@pytest.fixture(scope="module", params=ESTIMATORS)
def content(request, tmp_path_factory):
    """A kind of fits, and the arrays and the line of JSON of one that was cut off."""
    path = tmp_path_factory.mktemp(request.param) / "fit.checkpoint"
    write_cut_off(path, request.param)
    return request.param, *arrays_of(path)


@pytest.fixture
def path(tmp_path):
    """The file of a fit by Adam that was cut off."""
    write_cut_off(tmp_path / "fit.checkpoint", "adam")
    return tmp_path / "fit.checkpoint"


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_a_fit_goes_on_from_its_file_to_the_same_end(tmp_path, kind):
    path = tmp_path / "fit.checkpoint"
    write_cut_off(path, kind)
    resumed, whole = go_on(read(path, kind), kind), go_on(None, kind)
    assert resumed["_curve"] == whole["_curve"]
    for W, V in zip(resumed["coefs_"], whole["coefs_"], strict=True):
        assert_array_equal(W, V)


def test_every_field_of_another_type_or_shape_is_refused(content, tmp_path):
    kind, arrays, meta = content
    path, taken = tmp_path / "fit.checkpoint", set()
    for name, what in product(arrays, OTHER_ARRAYS):
        array = arrays[name]
        changed = changed_array(array, what)
        write_forged(path, arrays | {name: changed}, meta)
        is_same = changed is not None and changed.dtype == array.dtype and changed.shape == array.shape
        if not is_same and not is_refused(path, kind):
            taken.add((name, what))
    assert taken <= MAY_BE


def test_every_number_that_no_fit_has_is_refused(content, tmp_path):
    kind, arrays, meta = content
    path, taken = tmp_path / "fit.checkpoint", set()
    for name, array in arrays.items():
        numbers = OTHER_NUMBERS[array.dtype.kind] if array.size else ()
        if array.dtype.kind == "i":
            # Labels may be of 32 bits.
            own = np.iinfo(array.dtype)
            numbers = [number for number in numbers if own.min <= number <= own.max]
        for value, where in product(numbers, (0, ...) if array.ndim else (...,)):
            changed = array.copy()
            changed[where] = value
            write_forged(path, arrays | {name: changed}, meta)
            if not np.array_equal(changed, array) and not is_refused(path, kind):
                taken.add((name, value))
    # With neighbours, logarithms are added to the errors.
    may_hold = MAY_HOLD | ({"held_out_errors": FINITE} if kind == "neighbors" else {})
    wrong = {(name, value) for name, value in taken if value not in may_hold.get(name, ())}
    assert not wrong


def test_every_word_of_the_line_of_json_that_no_fit_has_is_refused(content, tmp_path):
    kind, arrays, meta = content
    # All kinds share the code.
    words = OTHER_WORDS if kind == "adam" or is_long() else OTHER_WORDS[::5]
    path = tmp_path / "fit.checkpoint"
    places = [(name,) for name in meta] + [("random_state", i) for i in range(3)] + [("identity", "estimator")]
    for place, word in product(places, words):
        changed = copy.deepcopy(meta)
        parent = changed if len(place) == 1 else changed[place[0]]
        is_same = json.dumps(parent[place[-1]]) == json.dumps(word)
        parent[place[-1]] = word
        write_forged(path, arrays, changed)
        if not is_same and not is_refused(path, kind):
            assert place[0] == "random_state"
            assert type(word) is (float if place[1] == 2 else int)
            assert word in RANDOM_STATES[place[1]]


@pytest.mark.parametrize("name", ["format", "identity", "n_stages_done", "solver", "random_state"])
def test_a_line_of_json_with_a_word_too_few_or_too_many_is_refused(path, name):
    arrays, meta = arrays_of(path)
    for changed in ({key: value for key, value in meta.items() if key != name}, meta | {"anything": 1}):
        write_forged(path, arrays, changed)
        assert is_refused(path, "adam")


@pytest.mark.parametrize(
    "forgery, message",
    [
        ({"order rows": np.arange(3)}, "order has rows, after a whole epoch"),
        ({"held_out_errors": np.ones(1)}, "held_out_errors are not of as many iterations as terms"),
        ({"best_theta": None}, "held_out_errors have no best_theta"),
        ({"solver n_steps": np.array(8)}, "n_steps are not those of 3 iterations"),
        ({"terms 0": np.zeros((0, 3)), "held_out_errors": np.zeros(0)}, "solver has gone on, without terms"),
        ({"terms 0": np.ones((7, 3))}, r"terms 0 is of shape \(7, 3\), not \(range\(0, 7\), 3\)"),
        ({"keys": np.zeros(624, dtype=np.uint32)}, "keys does not hold a state from which MT19937 draws"),
        ({"anything": np.zeros(3)}, r"it has arrays \['anything'\]"),
    ],
    ids=str,
)
def test_fields_that_do_not_go_together_are_refused(path, forgery, message):
    arrays, meta = arrays_of(path)
    write_forged(path, arrays | forgery, meta)
    with pytest.raises(ValueError, match=DAMAGED.format(message)):
        read(path, "adam")


@pytest.mark.parametrize(
    "forgery",
    [
        {"solver SY": np.zeros((10, 10))},
        {"solver YY": np.zeros((10, 10))},
        {"solver YY": -np.eye(10)},
        {"solver SY": np.triu(np.full((10, 10), 1e300)) * (1 - np.eye(10)) + 1e-300 * np.eye(10)},
        {"solver order": np.array([1, 2])},
        {"solver order": np.array([0, 0])},
    ],
    ids=range(6),
)
def test_pairs_that_make_no_direction_are_refused(tmp_path, forgery):
    path = tmp_path / "fit.checkpoint"
    write_cut_off(path, "lbfgs")
    arrays, meta = arrays_of(path)
    write_forged(path, arrays | forgery, meta)
    assert is_refused(path, "lbfgs")


def test_a_text_of_a_stranger_is_shown_without_what_a_terminal_obeys(path):
    arrays, meta = arrays_of(path)
    meta["identity"]["rho"] = "\x1b[2J\u202e" + "a" * 10**4
    write_forged(path, arrays, meta)
    with pytest.raises(ValueError, match=r"rho: \\x1b\[2J\\u202ea{195}\.\.\. there, 0\.5 here") as caught:
        read(path, "adam")
    assert str(caught.value).isprintable()


def peak_of_refusal(path):
    """Bytes of memory that it takes to refuse a file."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=DAMAGED.format("")):
            read(path, "adam")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_array_that_would_unpack_to_much_is_refused_unread(path):
    arrays, meta = arrays_of(path)
    write_forged(path, arrays, meta)
    for name in ("theta", "order rows", "anything"):
        with open(path, "wb") as file:
            large = {name: np.zeros(30_000_000, dtype=np.int8)}
            np.savez_compressed(file, meta=np.array(json.dumps(meta)), **(arrays | large))
        assert path.stat().st_size < 2**17
        assert peak_of_refusal(path) < 2**20
    # Not compressed, and of the right size, but not for this network.
    write_forged(path, arrays | {"theta": np.zeros(2_000_000)}, meta)
    assert peak_of_refusal(path) < 2**20


def test_a_header_that_promises_much_is_refused_unread(path):
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    long = members["theta.npy"].replace(b"(38,)", b"(10000000000,)")
    assert len(long) == len(members["theta.npy"]) + 9
    for header in (long, members["theta.npy"] + b"more", members["theta.npy"][:-8]):
        with zipfile.ZipFile(path, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, header if name == "theta.npy" else member)
        assert peak_of_refusal(path) < 2**20


def test_a_directory_that_promises_much_is_refused_unread(path):
    with open(path, "wb") as file:
        file.truncate(2**30)
        file.seek(0, 2)
        # The end of an archive whose directory is all that comes before.
        file.write(b"PK\x05\x06" + bytes(4) + b"\x01\x00\x01\x00" + (2**30).to_bytes(4, "little") + bytes(6))
    assert peak_of_refusal(path) < 2**20


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice_is_refused(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("theta.npy", archive.read("theta.npy"))
    with pytest.raises(ValueError, match=DAMAGED.format("it has two arrays 'theta'")):
        read(path, "adam")
