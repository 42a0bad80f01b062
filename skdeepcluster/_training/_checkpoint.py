"""The file format of checkpoints: a NumPy archive of arrays and one line of JSON. Reading one runs no code from it."""

import json
import os
import zlib
from functools import partial
from types import CodeType, FunctionType

import numpy as np
from scipy.sparse import issparse

from .._data import BatchOrder, iterate_blocks
from .._solvers import AdamState, LBFGSState
from ._fit import FitState

_FORMAT = 1
# Parameters that change nothing, or that are compared in another form.
_SHOWN_OTHERWISE = {"verbose", "warm_start", "hidden_layer_sizes", "random_state"}

_SOLVER_STATES = {"adam": AdamState, "lbfgs": LBFGSState}


def write_checkpoint(path, state, identity):
    """Write a `FitState`, and what the fit was of, in one step: whoever reads path sees all of it or the file before.

    Parameters
    ----------
    path : Path
    state : FitState
    identity : dict
        Of what JSON knows; see `fit_identity`.
    """
    _, keys, position, has_gauss, cached = state.random_state.get_state()
    meta = {
        "format": _FORMAT,
        "identity": identity,
        "n_stages_done": state.n_stages_done,
        "n_stages_begun": len(state.terms),
        "random_state": [position, has_gauss, cached],
    }
    arrays = {"theta": state.theta, "keys": keys, "held_out_errors": np.array(state.held_out_errors)}
    arrays |= {f"order {name}": value for name, value in vars(state.order).items()}
    arrays |= {f"terms {i}": np.array(terms) for i, terms in enumerate(state.terms)}
    arrays |= {f"own {name}": value for name, value in state.own.items()}
    if state.best_theta is not None:
        arrays["best_theta"] = state.best_theta
    if state.solver_state is not None:
        meta["solver"] = next(name for name, kind in _SOLVER_STATES.items() if isinstance(state.solver_state, kind))
        arrays |= {f"solver {name}": np.asarray(value) for name, value in vars(state.solver_state).items()}
    _, unfinished = files_of(path)
    try:
        with open(unfinished, "wb") as file:
            np.savez(file, meta=np.array(json.dumps(meta)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def remove_checkpoint(path):
    """Remove a checkpoint, and what a process left that was killed while it wrote one."""
    for file in files_of(path):
        file.unlink(missing_ok=True)


def files_of(path):
    """The file of a checkpoint, and the one that has it while it is written."""
    return path, path.with_name(path.name + ".tmp")


def read_checkpoint(path):
    """The (FitState, identity) of a file; raises a ValueError if it is no checkpoint."""
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = dict(archive)
            meta = json.loads(str(arrays.pop("meta")))
            if meta["format"] == _FORMAT:
                return _fit_state(meta, arrays), dict(meta["identity"])
        # Damage shows in many kinds of errors: of offsets, checksums, types, sizes, depth of brackets.
        except Exception as error:
            raise ValueError(
                f"{path} is not a checkpoint of skdeepcluster, or it is damaged ({error}). Delete it to start afresh."
            ) from error
    raise ValueError(
        f"{path} is a checkpoint of format {meta['format']}, and this version of skdeepcluster reads format {_FORMAT}. "
        "Use the version that wrote it, or delete it to start afresh."
    )


def fit_identity(estimator, fit):
    """What must be the same for a fit to go on: its name -> what it is, as text.

    That is the parameters, but for those that change nothing or show in the others; the stages that they come to; the
    data, those held out included; and the start.
    """
    identity = {
        name: _described(value)
        for name, value in estimator.get_params().items()
        if name.rpartition("__")[2] not in _SHOWN_OTHERWISE and not hasattr(value, "get_params")
    }
    X, checksum = fit.data.X, 0
    for data in (fit.data, fit.held_out) if fit.held_out else (fit.data,):
        checksum = _checksum((data.X, data.sample_weight), checksum)
    identity |= {
        "estimator": type(estimator).__name__,
        "hidden_layer_sizes": repr(fit.network.layer_sizes[1 : fit.network.n_encoder_layers]),
        "stages of training": repr([tuple(stage) for stage in fit.stages]),
        "data to train on": f"{X.shape[0]} x {X.shape[1]}, {X.dtype}, checksum {checksum:08x}",
        "random_state": repr(estimator.random_state),
        "start": "random" if fit.given_start is None else f"an earlier fit, checksum {zlib.crc32(fit.given_start):08x}",
    }
    if isinstance(estimator.random_state, np.random.RandomState):
        _, keys, position, *_ = fit.state.random_state.get_state()
        identity["random_state"] = f"RandomState, checksum {zlib.crc32(keys, position):08x}"
    return identity


def _described(value):
    """repr, but for functions, whose repr has their address: their name, and a checksum of what they do."""
    if isinstance(value, partial):
        return f"partial of {_described(value.func)} with {value.args}, {value.keywords}"
    if not isinstance(value, FunctionType):
        return repr(value)
    code = value.__code__
    constants = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
    checksum = zlib.crc32(repr((constants, code.co_names)).encode(), zlib.crc32(code.co_code))
    return f"{value.__module__}.{value.__qualname__}, checksum {checksum:08x}"


def _checksum(arrays, checksum):
    for array in arrays:
        if array is None:
            continue
        for _, block in iterate_blocks(array if array.ndim == 2 else array.reshape(-1, 1)):
            for part in (block.data, block.indices, block.indptr) if issparse(block) else (block,):
                checksum = zlib.crc32(np.ascontiguousarray(part), checksum)
    return checksum


def _fit_state(meta, arrays):
    random_state = np.random.RandomState()
    random_state.set_state(("MT19937", arrays["keys"], *meta["random_state"]))
    solver_state = None
    if "solver" in meta:
        kind = _SOLVER_STATES[meta["solver"]]
        values = _with_prefix("solver ", arrays)
        solver_state = kind(**{name: value if value.ndim else value.item() for name, value in values.items()})
    return FitState(
        theta=arrays["theta"],
        random_state=random_state,
        n_stages_done=meta["n_stages_done"],
        solver_state=solver_state,
        order=BatchOrder(**_with_prefix("order ", arrays)),
        terms=[list(arrays[f"terms {i}"]) for i in range(meta["n_stages_begun"])],
        held_out_errors=list(arrays["held_out_errors"].tolist()),
        best_theta=arrays.get("best_theta"),
        own=_with_prefix("own ", arrays),
    )


def _with_prefix(prefix, arrays):
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
