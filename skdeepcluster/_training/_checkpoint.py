"""The files of checkpoints: an archive of arrays and one line of JSON. Reading one runs no code from it."""

import errno
import json
import os
from contextlib import contextmanager

import numpy as np

from ._archive import Archive, open_regular_file, write_archive
from ._state_fields import check_progress, progress_of, read_state, state_arrays

_FORMAT = 1

# Characters of the line of JSON, and of what an error shows of a text from a file.
_MOST_CHARACTERS, _MOST_SHOWN = 2**20, 200


def write_checkpoint(path, fit, identity):
    """Write the state of a fit, and what the fit is of.

    Parameters
    ----------
    path : Path
    fit : Fit
    identity : dict of str to str
        See `fit_identity`.

    Raises
    ------
    OSError
        If it cannot be written, or if there is anything but a checkpoint of this fit, which stays as it is.
    """
    if os.path.lexists(path) and not holds_checkpoint(path, identity):
        raise FileExistsError(errno.EEXIST, "Something else is there, which stays as it is", str(path))
    meta = {"format": _FORMAT, "identity": identity} | progress_of(fit.state)
    write_archive(path, {"meta": np.array(json.dumps(meta)), **state_arrays(fit)})


def holds_checkpoint(path, identity=None):
    """Whether a file is a checkpoint of a fit, or of any fit for None."""
    try:
        with open_regular_file(path) as file:
            meta = _meta_of(Archive(file))
    except FileNotFoundError:
        return False
    except OSError:
        raise
    except Exception:
        return False
    return meta["format"] == _FORMAT and (identity is None or meta["identity"] == identity)


def remove_checkpoint(path, identity=None):
    """Remove a file, if it is a checkpoint of a fit, or of any fit for None."""
    if holds_checkpoint(path, identity):
        os.unlink(path)


def read_checkpoint(path, fit, identity):
    """The `FitState` that a file has for a fit.

    Parameters
    ----------
    path : Path
    fit : Fit
        Ready to run. What the file says is held against it before it is read.
    identity : dict of str to str
        Of the fit.

    Raises
    ------
    ValueError
        If the file is no checkpoint of this fit, or holds what a state of it cannot.
    OSError
        If the file may not be read.
    """
    with open_regular_file(path) as file, _damage_explained(path):
        archive = Archive(file)
        meta = _meta_of(archive)
        different = [] if meta["format"] != _FORMAT else _differences(meta["identity"], identity)
        if meta["format"] == _FORMAT and not different:
            check_progress(meta, fit)
            return read_state(meta, archive, fit, others={"meta"})
    if different:
        raise ValueError(
            f"{path} was written by a fit of something else ({'; '.join(different)}). Fit that, or delete the file "
            "to start afresh."
        )
    raise ValueError(
        f"{path} is a checkpoint of format {meta['format']}, and this version of skdeepcluster reads format {_FORMAT}. "
        "Use the version that wrote it, or delete it to start afresh."
    )


def _meta_of(archive):
    """The line of JSON, of which the rest is checked only if the format is known."""
    meta = json.loads(str(archive.read("meta", _check_text)))
    if type(meta) is not dict or type(meta.get("format")) is not int or abs(meta["format"]) > 10**6:
        raise ValueError("it has no number of a format")
    if meta["format"] == _FORMAT:
        identity = meta.get("identity")
        if type(identity) is not dict or not all(type(text) is str for text in identity.values()):
            raise ValueError("it does not say what it is of")
    return meta


def _check_text(dtype, shape):
    if dtype.kind != "U" or shape != () or dtype.itemsize > 4 * _MOST_CHARACTERS:
        raise ValueError("it has no line of JSON")


def _differences(there, here):
    return [
        f"{_shown(name)}: {_shown(there.get(name))} there, {_shown(here.get(name))} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]


@contextmanager
def _damage_explained(path):
    try:
        yield
    except MemoryError:
        # All sizes have been checked: it is the fit that is too large.
        raise
    # Damage shows in many kinds of errors: of offsets, checksums, types, sizes, depth of brackets.
    except Exception as error:
        raise ValueError(
            f"{path} is not a checkpoint of skdeepcluster, or it is damaged ({_shown(str(error))}). Delete it to start "
            "afresh."
        ) from error


def _shown(text):
    """A text from a file as an error may show it: not too long, and without signs that a terminal would follow."""
    if text is None:
        return "nothing"
    shown = repr(text[:_MOST_SHOWN])[1:-1]
    return shown if len(text) <= _MOST_SHOWN else shown + "..."
