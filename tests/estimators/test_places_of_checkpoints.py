"""The places of checkpoints, and what is there: collected only where scikit-learn has callbacks, see conftest.py."""

import errno
import os
import signal
import socket
import stat
import warnings
from functools import partial

import pytest
from numpy.testing import assert_array_equal

from helpers.marks import FEW_ITERATIONS
from helpers.recorder import Recorder
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._training import _archive
from skdeepcluster.callbacks import Checkpoint
from skdeepcluster.clustering import DeepEmbeddedClustering

pytestmark = FEW_ITERATIONS

make = partial(SparseAutoencoderTransformer, 3, solver="adam", max_iter=4, tol=0, random_state=0)


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:100]


@pytest.fixture
def expected(X):
    return make().fit(X).coefs_[0]


class At:
    """Calls a function after an iteration."""

    def __init__(self, n_iter, function):
        self.left, self.function = n_iter, function

    def setup(self, estimator, context): ...
    def teardown(self, estimator, context): ...
    def on_fit_task_begin(self, estimator, context): ...
    def on_fit_task_end(self, estimator, context):
        self.left -= 1
        if self.left == 0:
            self.function()


def cut_off(path, X, n_iter=2):
    """Leave the file of a fit that was cut off."""
    model = make().set_callbacks(Checkpoint(path, interval=0), Recorder(raise_at=n_iter))
    with pytest.raises(RuntimeError):
        model.fit(X)


@pytest.fixture
def no_hang():
    """A signal after some seconds, should a fit wait for ever."""

    def hung(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_files_beside_are_neither_followed_written_nor_removed(X, tmp_path, monkeypatch, expected, no_hang):
    """Whatever name a new state is written under, should someone know it."""
    path, precious = tmp_path / "fit", tmp_path / "precious"
    precious.write_text("precious")
    monkeypatch.setattr(_archive.secrets, "token_hex", lambda n: "0" * 2 * n)
    beside = tmp_path / f"fit.{'0' * 16}.tmp"
    for make_it in (lambda: beside.symlink_to(precious), lambda: beside.write_text("mine"), lambda: os.mkfifo(beside)):
        model = make().set_callbacks(At(1, make_it), Checkpoint(path, interval=0))
        with pytest.warns(RuntimeWarning, match=r"could not write .*fit \(File exists\)\. The fit goes on"):
            model.fit(X)
        assert_array_equal(model.coefs_[0], expected)
        assert precious.read_text() == "precious"
        assert not path.exists()
        assert os.path.lexists(beside)
        beside.unlink()


def test_names_that_nobody_can_foresee(X, tmp_path):
    names = {_archive.unfinished_path(tmp_path / "fit").name for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith("fit.") and len(name) == len("fit.") + 16 + len(".tmp") for name in names)


@pytest.mark.parametrize("name", ["fit.tmp", "fit.encoder", "fit.0123456789abcdeg.tmp", "fit2.0123456789abcdef.tmp"])
def test_files_of_the_user_stay(X, tmp_path, name):
    (tmp_path / name).write_text("my own")
    make().set_callbacks(Checkpoint(tmp_path / "fit", interval=0)).fit(X)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "my own"


def test_what_a_killed_process_left_is_removed_by_the_next_fit(X, tmp_path):
    left = tmp_path / "fit.0123456789abcdef.tmp"
    left.write_bytes(b"half")
    (tmp_path / "fit.fedcba9876543210.tmp").symlink_to(left)
    make().set_callbacks(Checkpoint(tmp_path / "fit")).fit(X)
    # A link is of someone else.
    assert os.listdir(tmp_path) == ["fit.fedcba9876543210.tmp"]


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        # Its name may not be long.
        made.bind(os.path.relpath(path))


def make_link(path):
    path.with_name("target").write_text("precious")
    path.symlink_to("target")


def make_link_to_pipe(path):
    os.mkfifo(path.with_name("target"))
    path.symlink_to("target")


NOT_REGULAR = {
    "pipe": os.mkfifo,
    "socket": make_socket,
    "folder": os.mkdir,
    "link": make_link,
    "link to nothing": lambda path: path.symlink_to("target"),
    "link to a pipe": make_link_to_pipe,
}


@pytest.mark.parametrize("what", NOT_REGULAR)
@pytest.mark.parametrize("of_encoder", [False, True])
def test_what_is_no_regular_file_is_refused(X, tmp_path, no_hang, what, of_encoder):
    model = DeepEmbeddedClustering(2, random_state=0) if of_encoder else make()
    NOT_REGULAR[what](tmp_path / ("fit.encoder" if of_encoder else "fit"))
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(ValueError, match=r"path='.*/fit(\.encoder)?' of Checkpoint must be a (regular )?file"):
        model.set_callbacks(Checkpoint(tmp_path / "fit", interval=0)).fit(X)
    assert sorted(os.listdir(tmp_path)) == before
    if what == "link":
        assert (tmp_path / "target").read_text() == "precious"


def test_a_folder_may_be_a_link(X, tmp_path, expected):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    cut_off(tmp_path / "link" / "fit", X)
    assert os.listdir(tmp_path / "folder") == ["fit"]
    resumed = make().set_callbacks(Checkpoint(tmp_path / "folder" / "fit")).fit(X)
    assert_array_equal(resumed.coefs_[0], expected)
    assert os.listdir(tmp_path / "folder") == []


@pytest.mark.parametrize("what", ["file", "link", "pipe", "checkpoint of another fit", "damaged checkpoint"])
@pytest.mark.parametrize("interval", [0, 3600])
def test_what_comes_to_its_place_during_the_fit_stays(X, tmp_path, expected, no_hang, what, interval):
    path, target = tmp_path / "fit", tmp_path / "target"
    target.write_text("precious")

    def come():
        path.unlink(missing_ok=True)
        if what == "file":
            path.write_text("mine")
        elif what == "link":
            path.symlink_to(target)
        elif what == "pipe":
            os.mkfifo(path)
        else:
            cut_off(path, X + 1)
            if what == "damaged checkpoint":
                path.write_bytes(path.read_bytes()[:-9])

    model = make().set_callbacks(At(2, come), Checkpoint(path, interval=interval))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X)
    said = [str(warning.message) for warning in caught if "Checkpoint" in str(warning.message)]
    assert bool(said) == (interval == 0)
    assert all("could not write" in text and "Something else is there, which stays as it is" in text for text in said)
    assert_array_equal(model.coefs_[0], expected)
    assert sorted(os.listdir(tmp_path)) == ["fit", "target"]
    assert target.read_text() == "precious"
    assert path.is_symlink() == (what == "link")
    if what == "file":
        assert path.read_text() == "mine"


def test_a_file_that_comes_to_the_place_of_the_encoder_stays(X, tmp_path):
    encoder = make(code_activation="identity", beta=0)
    model = DeepEmbeddedClustering(2, encoder=encoder, max_iter=2, tol=0, random_state=0)

    def come():
        (tmp_path / "fit.encoder").unlink()
        (tmp_path / "fit.encoder").write_text("mine")

    model.set_callbacks(Checkpoint(tmp_path / "fit"), At(1, come)).fit(X)
    assert os.listdir(tmp_path) == ["fit.encoder"]
    assert (tmp_path / "fit.encoder").read_text() == "mine"


def test_another_name_of_the_file_keeps_what_it_had(X, tmp_path, expected):
    cut_off(tmp_path / "fit", X)
    os.link(tmp_path / "fit", tmp_path / "other")
    content = (tmp_path / "other").read_bytes()
    make().set_callbacks(Checkpoint(tmp_path / "fit", interval=0)).fit(X)
    assert os.listdir(tmp_path) == ["other"]
    assert (tmp_path / "other").read_bytes() == content
    assert_array_equal(make().set_callbacks(Checkpoint(tmp_path / "other")).fit(X).coefs_[0], expected)


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600)])
def test_permissions_are_those_of_new_files_or_of_the_file_before(X, tmp_path, umask, mode):
    path = tmp_path / "fit"
    before = os.umask(umask)
    try:
        cut_off(path, X)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        path.chmod(0o640)
        cut_off(path, X, 1)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    finally:
        os.umask(before)


def test_a_read_only_file_system_is_called_so(X, tmp_path, monkeypatch, expected):
    original = os.open

    def refuse(path, *arguments, **keywords):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def open_to_read(path, flags, *arguments, **keywords):
        return (refuse if flags & os.O_CREAT else original)(path, flags, *arguments, **keywords)

    monkeypatch.setattr(os, "open", open_to_read)
    # It says so even where there is nothing to remove.
    monkeypatch.setattr(os, "unlink", refuse)
    model = make().set_callbacks(Checkpoint(tmp_path / "fit", interval=0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X)
    # One text, which Python shows once, though there were four writes.
    said = {str(warning.message) for warning in caught if issubclass(warning.category, RuntimeWarning)}
    assert said == {f"Checkpoint could not write {tmp_path / 'fit'} (Read-only file system). The fit goes on."}
    assert_array_equal(model.coefs_[0], expected)


def test_a_file_that_cannot_be_removed_does_not_lose_the_fit(X, tmp_path, monkeypatch, expected):
    def refuse(*arguments, **keywords):
        raise PermissionError(errno.EACCES, "Permission denied")

    cut_off(tmp_path / "fit", X)
    monkeypatch.setattr(os, "unlink", refuse)
    model = make().set_callbacks(Checkpoint(tmp_path / "fit"))
    with pytest.warns(RuntimeWarning, match=r"could not remove .*fit \(Permission denied\).* next fit would go on"):
        model.fit(X)
    assert_array_equal(model.coefs_[0], expected)
