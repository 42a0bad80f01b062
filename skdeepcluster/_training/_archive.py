"""Files of arrays, in NumPy's npz format: replaced in one step, and read without trust in what they say."""

import io
import math
import os
import re
import secrets
import stat
import zipfile
from contextlib import suppress

import numpy as np

# A file names the sizes of its own parts. So many bytes at once are read on its word alone, and so many of an array.
_MOST_AT_ONCE, _PIECE = 2**24, 2**20


def is_regular_file(path):
    """Whether there is a file; raises a ValueError if there is something else: a link, a folder, a pipe, a device."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(mode):
        raise ValueError(f"{path} is a symbolic link, which is neither followed nor replaced")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is no regular file, but a folder, a pipe, a device or the like")
    return True


def open_regular_file(path):
    """A regular file, open for reading; a ValueError if it is no such file. Nothing is followed or waited for."""
    if not is_regular_file(path):
        raise FileNotFoundError(f"There is no file {path}.")
    # It may have become something else meanwhile.
    descriptor = os.open(path, os.O_RDONLY | _flags("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
    file = io.FileIO(descriptor)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise ValueError(f"{path} is no regular file any more")
    return _InPieces(file)


class _InPieces(io.BufferedReader):
    """A file of which no piece is read that is larger than `_MOST_AT_ONCE`."""

    def read(self, size=-1, /):
        left = max(0, os.fstat(self.fileno()).st_size - self.tell())
        if (left if size is None or size < 0 else min(size, left)) > _MOST_AT_ONCE:
            raise ValueError("a part of it is too large")
        return super().read(size)


def write_archive(path, arrays):
    """Write arrays, name -> array, in one step: whoever reads path sees all of it or the file before.

    The file has the permissions of the one that it replaces, or those of every new file.
    """
    unfinished = unfinished_path(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flags("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")
    descriptor = os.open(unfinished, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if hasattr(os, "fchmod") and is_regular_file(path):
                os.fchmod(descriptor, stat.S_IMODE(os.lstat(path).st_mode) & 0o777)
            np.savez(file, **arrays)
            file.flush()
            os.fsync(descriptor)
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise


def unfinished_path(path):
    """A new name beside path, which nobody can foresee, for what is written there before it is complete."""
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")


def remove_unfinished(path):
    """Remove what processes left beside path that were killed while they wrote."""
    is_of_path = re.compile(re.escape(path.name) + r"\.[0-9a-f]{16}\.tmp").fullmatch
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if is_of_path(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    os.unlink(entry)


class Archive:
    """Arrays in an open file.

    Parameters
    ----------
    file : file object
        What `open_regular_file` returns.

    Attributes
    ----------
    names : set of str

    Raises
    ------
    Exception
        Of many kinds, if the file is damaged, or no archive of arrays that are not compressed.
    """

    def __init__(self, file):
        self._zip = zipfile.ZipFile(file)
        self._members = {}
        for member in self._zip.infolist():
            name = member.filename.removesuffix(".npy")
            if name in self._members:
                raise ValueError(f"it has two arrays {name!r}")
            if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
                raise ValueError(f"its array {name!r} is compressed")
            self._members[name] = member
        self.names = set(self._members)

    def read(self, name, check):
        """An array. ``check(dtype, shape)`` is called before there is memory for it, and may raise."""
        if name not in self.names:
            raise ValueError(f"it has no array {name!r}")
        member = self._members[name]
        with self._zip.open(member) as file:
            dtype, shape, order = _header(name, file)
            check(dtype, shape)
            n_bytes = dtype.itemsize * math.prod(shape)
            if member.file_size != file.tell() + n_bytes:
                raise ValueError(f"its array {name!r} is not of the size that it says")
            array = np.empty(shape, dtype, order)
            content = memoryview(array.reshape(-1, order=order).view(np.uint8))
            # The last piece, which may be empty, has the checksum compared.
            for start in range(0, n_bytes + 1, _PIECE):
                content[start : start + _PIECE] = file.read(min(_PIECE, n_bytes - start))
        return array


def _header(name, file):
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("it is of another version")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    # Errors of many kinds: of syntax, of types, of depth and of memory if it has many brackets.
    except Exception as error:
        raise ValueError(f"the header of its array {name!r} cannot be read: {error}") from error
    return dtype, shape, "F" if is_fortran else "C"


def _flags(*names):
    """Flags of `os.open`, as far as this system has them."""
    flags = 0
    for name in names:
        flags |= getattr(os, name, 0)
    return flags
