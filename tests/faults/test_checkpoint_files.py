"""The files of checkpoints, damaged in every way, and the process that writes them killed at random moments."""

import io
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_array_equal
from skops.io.exceptions import UntrustedTypesFoundException

from helpers.checkpoints import fit_of, read, write_cut_off
from helpers.extent import COUNTS, is_long
from helpers.state import fingerprint
from skdeepcluster._training import _checkpoint
from skdeepcluster._training._archive import Archive, open_regular_file, remove_unfinished
from skdeepcluster._training._checkpoint import write_checkpoint

# Killed so many times; 50 in the long run.
N_KILLS = 50 if is_long() else 5

# Starts a process for every number it reads, one after the other: what it takes to import is imported once.
WRITERS = """
import os
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from skdeepcluster._solvers import AdamState
from skdeepcluster._training import FitState
from skdeepcluster._training._checkpoint import write_checkpoint

path = Path(sys.argv[1])
for line in sys.stdin:
    i, pid = int(line), os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)
        continue
    print(os.getpid(), flush=True)
    while True:
        theta = np.full(200_000, float(i))
        solver_state = AdamState(theta, theta, theta, i)
        state = FitState(theta, np.random.RandomState(i), n_stages_done=i, solver_state=solver_state)
        write_checkpoint(path, SimpleNamespace(state=state, stages=[]), {"of": "this fit"})
        print(i, flush=True)
        i += 1
"""


@pytest.fixture
def path(tmp_path):
    """The file of a fit that was cut off."""
    write_cut_off(tmp_path / "fit.checkpoint", "adam")
    return tmp_path / "fit.checkpoint"


def unfinished(path):
    """What is beside a file: what processes left that were killed while they wrote it."""
    return [name for name in os.listdir(path.parent) if name != path.name]


def all_arrays(path):
    with open_regular_file(path) as file:
        archive = Archive(file)
        return {name: archive.read(name, lambda dtype, shape: None) for name in archive.names}


def test_the_process_killed_while_writing_leaves_the_last_good_checkpoint(tmp_path):
    """SIGKILL at random moments of a loop that does nothing but write."""
    path, seconds, last, n_unfinished = tmp_path / "fit.checkpoint", random.Random(0), 0, 0
    command = [sys.executable, "-c", WRITERS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writers:
        for _ in range(N_KILLS):
            print(last, file=writers.stdin, flush=True)
            pid = int(writers.stdout.readline())
            # The loop has begun, and goes on for less than two writes to twenty.
            complete = [int(writers.stdout.readline())]
            time.sleep(seconds.uniform(0, 0.1))
            os.kill(pid, signal.SIGKILL)
            while (line := writers.stdout.readline()) != f"ended {-signal.SIGKILL}\n":
                complete.append(int(line))
            arrays = all_arrays(path)
            written = int(arrays["solver n_steps"])
            # The last one that it said was written, or the next, which it could not say any more.
            assert written in (complete[-1], complete[-1] + 1)
            for name in ("theta", "solver x", "solver first_moment", "solver second_moment"):
                assert_array_equal(arrays[name], np.full(200_000, float(written)))
            n_unfinished += bool(unfinished(path))
            # What a kill left is no obstacle, and it does not stay.
            remove_unfinished(path)
            assert not unfinished(path)
            last = written + 1
    COUNTS["processes killed while writing a checkpoint"].update(
        {"within a write": n_unfinished, "between writes": N_KILLS - n_unfinished}
    )


def test_every_truncation_is_a_clear_error(path):
    content = path.read_bytes()
    for n in [*range(0, len(content), 97), len(content) - 1]:
        COUNTS["truncated checkpoint files"]["refused"] += 1
        path.write_bytes(content[:n])
        with pytest.raises(ValueError, match=r"fit\.checkpoint is not a checkpoint of skdeepcluster, or .* Delete it"):
            read(path, "adam")


def test_changed_bytes_are_a_clear_error_or_change_nothing(path):
    content, rng = path.read_bytes(), random.Random(0)
    expected, n_errors = contents(read(path, "adam")), 0
    n_all = 3000 if is_long() else 300
    for _ in range(n_all):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 20])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            state = read(path, "adam")
        except ValueError as error:
            message, n_errors = str(error), n_errors + 1
            if "Delete it" not in message and "reads format" not in message:
                raise
        else:
            # What is not covered by the checksums of the archive: dates, permissions, and the like.
            assert contents(state) == expected
    assert n_errors > n_all / 2
    COUNTS["changed checkpoint files"].update({"refused": n_errors, "read as before": n_all - n_errors})


def contents(state):
    """All that a FitState holds, to be compared."""
    random_state = state.random_state.get_state(legacy=False)
    parts = {name: vars(getattr(state, name)) for name in ("solver_state", "order")}
    return fingerprint([vars(state) | parts | {"random_state": random_state}, type(state.solver_state)])


def rewritten(path, **changed):
    """The checkpoint with other arrays; None leaves one out."""
    with np.load(path) as archive:
        arrays = {**archive, **changed}
    with open(path, "wb") as file:
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize(
    "changed",
    [
        {"theta": None},
        {"keys": None},
        {"keys": np.ones(3)},
        {"solver x": None},
        {"order rows": None},
        {"terms 0": None},
        {"meta": None},
        {"meta": np.array("{")},
        {"meta": np.array("[" * 100_000)},
        {"meta": np.array("[]")},
        {"meta": np.array("3")},
        {"meta": np.array("null")},
        {"meta": np.array('{"format": 1}')},
        {"meta": np.arange(3)},
        {"held_out_errors": np.float64(3)},
    ],
    ids=lambda changed: str(changed)[:40],
)
def test_a_foreign_archive_is_a_clear_error(path, changed):
    rewritten(path, **changed)
    with pytest.raises(ValueError, match=r"is not a checkpoint of skdeepcluster, or it is damaged .* Delete it"):
        read(path, "adam")


def array_file(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_other_files_are_clear_errors(path):
    contents = {
        "pickle": pickle.dumps({"theta": np.ones(3)}),
        "npy": array_file(np.ones(3)),
        "nothing": b"",
        "zeros": bytes(1000),
        "text": b"theta,keys\n1,2\n",
        "zip without arrays": b"PK\x05\x06" + bytes(18),
    }
    for content in contents.values():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"is not a checkpoint of skdeepcluster, or it is damaged .* Delete it"):
            read(path, "adam")


def test_a_newer_format_says_which_version_reads_it(path, monkeypatch):
    path.unlink()
    monkeypatch.setattr(_checkpoint, "_FORMAT", 2)
    write_cut_off(path, "adam")
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"checkpoint of format 2, .* reads format 1\. Use the version that wrote it"):
        read(path, "adam")


def test_a_file_that_may_not_be_read_is_no_damaged_file(path, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError, match=r"fit\.checkpoint"):
        read(path, "adam")


def test_a_write_that_fails_leaves_the_last_file_and_no_rubbish(path, monkeypatch):
    content, (_, fit, identity) = path.read_bytes(), fit_of("adam")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    for module, name in ((np, "savez"), (os, "fsync"), (os, "replace")):
        monkeypatch.setattr(module, name, full)
        with pytest.raises(OSError, match="No space left"):
            write_checkpoint(path, fit, identity)
        monkeypatch.undo()
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["fit.checkpoint"]


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return exec, (f"open({str(self.target)!r}, 'w').close()",)


def test_reading_a_checkpoint_runs_nothing_from_it(path, tmp_path):
    target = tmp_path / "it ran"
    bomb = np.empty(1, dtype=object)
    bomb[0] = Bomb(target)
    for name in ("theta", "meta", "keys", "terms 0", "another"):
        path.unlink()
        write_cut_off(path, "adam")
        rewritten(path, **{name: bomb})
        with pytest.raises(ValueError, match="not a checkpoint"):
            read(path, "adam")
    path.write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(ValueError, match="not a checkpoint"):
        read(path, "adam")
    assert not target.exists()
    # The bomb is one.
    pickle.loads(path.read_bytes())
    assert target.exists()


class Harmless:
    """What a file of skops names as its type, until it is changed to another."""


def test_loading_by_skops_runs_no_code_of_types_that_were_not_agreed_to(tmp_path):
    path = tmp_path / "model.skops"
    skops.io.dump({"model": Harmless()}, path)
    (name,) = skops.io.get_untrusted_types(file=path)
    assert name.endswith("Harmless")
    with pytest.raises(UntrustedTypesFoundException):
        skops.io.load(path)
    # A file that names a function which would run a command.
    with zipfile.ZipFile(path) as archive:
        schema = archive.read("schema.json").decode()
    module, _, attribute = name.rpartition(".")
    schema = schema.replace(f'"{attribute}"', '"system"').replace(f'"{module}"', '"os"')
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", schema)
    assert skops.io.get_untrusted_types(file=path) == ["os.system"]
    with pytest.raises(UntrustedTypesFoundException, match=r"os\.system"):
        skops.io.load(path, trusted=["skdeepcluster.autoencoder.SparseAutoencoderTransformer"])
