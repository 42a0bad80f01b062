"""What a fit is of, in words: what must be the same for it to go on from a file."""

import zlib
from dataclasses import fields

import numpy as np
from scipy.sparse import issparse

from .._arrays import to_numpy
from .._data import iterate_blocks
from .._support._described import described

# Parameters that change nothing, or that are compared in another form.
_SHOWN_OTHERWISE = {"verbose", "warm_start", "hidden_layer_sizes", "random_state"}


def fit_identity(estimator, fit):
    """What must be the same for a fit to go on.

    That is the parameters, but for those that change nothing or show in the others; the stages that they come to; the
    data, those held out included; and the start.

    Parameters
    ----------
    estimator : estimator
    fit : Fit
        Of the estimator, before it is run.

    Returns
    -------
    identity : dict of str to str
        What it is -> a text that is the same, in every process, as long as it is.
    unknown : dict of str to str
        Names of parameters of which this does not show all -> why; see `described`.
    """
    parameters = _parameters(estimator, fit)
    texts = {name: described(value) for name, value in parameters.items()}
    identity = {name: text for name, (text, _) in texts.items()}
    unknown = {name: reason for name, (_, reason) in texts.items() if reason is not None}
    X, checksum = fit.data.X, 0
    for data in (fit.data, fit.held_out) if fit.held_out else (fit.data,):
        checksum = _checksum((data.X, data.sample_weight, data.neighbors), checksum)
    identity |= {
        "estimator": type(estimator).__name__,
        "hidden_layer_sizes": repr(fit.network.layer_sizes[1 : fit.network.n_encoder_layers]),
        "stages of training": repr([tuple(stage) for stage in fit.stages]),
        "data to train on": f"{X.shape[0]} x {X.shape[1]}, {fit.data.dtype}, checksum {checksum:08x}",
        "random_state": described(estimator.random_state)[0],
        "start": "random",
    }
    if fit.given_start is not None:
        identity["start"] = f"an earlier fit, checksum {zlib.crc32(to_numpy(fit.given_start)):08x}"
    if isinstance(estimator.random_state, np.random.RandomState):
        _, keys, position, *_ = fit.state.random_state.get_state()
        identity["random_state"] = f"RandomState, checksum {zlib.crc32(keys, position):08x}"
    return identity, unknown


def _parameters(estimator, fit):
    """Those of the estimator, and what it trains with besides, such as the penalties and noise of a frozen encoder."""
    parameters = {
        name: value
        for name, value in estimator.get_params().items()
        if name.rpartition("__")[2] not in _SHOWN_OTHERWISE and not hasattr(value, "get_params")
    }
    names = {name.rpartition("__")[2] for name in parameters}
    others = {f"{field.name} of training": getattr(fit.options, field.name) for field in fields(fit.options)}
    others = {name: value for name, value in others.items() if name.partition(" ")[0] not in names}
    network = {} if "activation" in names else {"network": tuple(fit.network)}
    return parameters | others | network


def _checksum(arrays, checksum):
    for array in arrays:
        if array is None:
            continue
        for _, block in iterate_blocks(array if array.ndim == 2 else array[:, None]):
            for part in (block.data, block.indices, block.indptr) if issparse(block) else (to_numpy(block),):
                checksum = zlib.crc32(np.ascontiguousarray(part), checksum)
    return checksum
