"""Files of checkpoints that hold anything: collected only where scikit-learn has callbacks, see conftest.py."""

import copy
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import strategies as st

from helpers.checkpoints import (
    ESTIMATORS,
    OTHER_ARRAYS,
    X,
    arrays_of,
    changed_array,
    estimator_of,
    write_cut_off,
    write_forged,
)
from helpers.properties import assert_finite, attempt, cases
from skdeepcluster.callbacks import Checkpoint

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=5), parts, max_size=3),
    max_leaves=5,
)


@cache
def content_of(kind):
    """The arrays and the line of JSON of a fit that was cut off."""
    with TemporaryDirectory() as folder:
        write_cut_off(Path(folder) / "fit.checkpoint", kind)
        return arrays_of(Path(folder) / "fit.checkpoint")


@st.composite
def other_numbers(draw, array):
    """The array with other numbers of its type, in some places."""
    dtype, changed = array.dtype, array.copy()
    values = st.floats(width=64)
    if dtype.kind in "iu":
        values = st.integers(-5, 70) if dtype.kind == "i" else st.integers(0, 2**32 - 1)
        values |= st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max)
    for _ in range(draw(st.integers(1, 3)) if array.size else 0):
        changed.flat[draw(st.integers(0, array.size - 1))] = draw(values)
    return changed


@st.composite
def forgeries(draw, arrays, meta):
    """The arrays and the line of JSON with one to three changes."""
    arrays, meta = dict(arrays), copy.deepcopy(meta)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*arrays, *meta]))
        if name in meta:
            place = draw(st.sampled_from([name, *([0, 1, 2] if name == "random_state" else [])]))
            parent = meta["random_state"] if place != name and type(meta["random_state"]) is list else meta
            if parent is meta or place < len(parent):
                parent[name if parent is meta else place] = draw(JSON)
        elif arrays[name] is not None and arrays[name].dtype.kind in "fiu":
            changes = st.sampled_from([*OTHER_ARRAYS]).map(partial(changed_array, arrays[name]))
            arrays[name] = draw(other_numbers(arrays[name]) | changes)
    return arrays, meta


@cases(4, kind=st.sampled_from([*ESTIMATORS]), data=st.data())
def test_forged_files(kind, data):
    arrays, meta = data.draw(forgeries(*content_of(kind)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fit.checkpoint"
        write_forged(path, arrays, meta)
        before, model = path.read_bytes(), estimator_of(kind).set_callbacks(Checkpoint(path))
        attributes = {*vars(model)}
        _, error = attempt(model.fit, X, names=["checkpoint"])
        if error is not None:
            # Nothing is half done.
            assert path.read_bytes() == before
            assert {*vars(model)} == attributes
    if error is None:
        curve = model.loss_curve_
        assert_finite(*model.coefs_, *model.intercepts_, *(curve[name] for name in curve.dtype.names))
        assert np.isfinite(model.loss_)


@cases(2, content=st.binary(max_size=300))
def test_files_of_any_bytes(content):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fit.checkpoint"
        path.write_bytes(content)
        _, error = attempt(estimator_of("adam").set_callbacks(Checkpoint(path)).fit, X, names=["checkpoint"])
        assert "fit.checkpoint is not a checkpoint of skdeepcluster" in str(error)
        assert path.read_bytes() == content
