import mmap

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from helpers import data
from skdeepcluster._data import _mapped
from skdeepcluster._data._mapped import MappedRows, PageRelease, memory_map, pages_of, part_of, read, release_pages
from skdeepcluster._support._threads import equal_slices


@pytest.fixture
def mapped(tmp_path, rng):
    """A file of 1000 x 7 numbers, mapped."""
    return data.mapped(rng.normal(size=(1000, 7)).astype(np.float32), tmp_path / "rows.f4")


def test_memory_map_finds_the_file_behind_views(mapped, tmp_path):
    assert memory_map(np.asarray(mapped)[3:5]) is not None
    assert memory_map(np.ones(3)) is None
    assert memory_map(np.array(mapped)) is None


def test_pages_of_a_private_copy_are_kept(tmp_path):
    # They would come back without what was written to them.
    path = tmp_path / "rows.f8"
    np.zeros(10).tofile(path)
    private = np.memmap(path, mode="c", dtype=np.float64)
    private[:] = 1
    assert memory_map(np.asarray(private)) is None
    release_pages(private)
    assert_array_equal(private, 1)


def test_pages_of_an_anonymous_mapping_are_kept():
    private = np.ndarray((10,), buffer=mmap.mmap(-1, 80, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    private[:] = 1
    release_pages(private)
    assert_array_equal(private, 1)


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_released_pages_are_read_again(tmp_path, mode):
    path = tmp_path / "rows.f8"
    np.zeros(5000).tofile(path)
    mapped = np.memmap(path, mode=mode, dtype=np.float64)
    if mode == "r+":
        mapped[:] = 7
    before = np.array(mapped)
    release_pages(mapped)
    assert_array_equal(mapped, before)


def test_pages_are_released_after_a_number_of_bytes(mapped, monkeypatch):
    released = []
    monkeypatch.setattr(_mapped, "_MAPPED_BYTES", 28 * 250)
    monkeypatch.setattr(_mapped, "release_pages", released.append)
    pages = PageRelease(mapped)
    for rows in equal_slices(1000, 10):
        pages.after_reading(mapped[rows])
    # 100 rows each: after the 3rd, 6th and 9th.
    assert len(released) == 3


def test_there_is_nothing_to_release_of_data_in_memory(mapped):
    assert pages_of(np.array(mapped)) is None
    assert isinstance(pages_of(mapped[5:]), PageRelease)


# Rows that stay in their file


@pytest.mark.parametrize(
    "which",
    [
        3,
        slice(5, 90, 2),
        np.array([4, 0, 4]),
        np.arange(100) % 3 == 0,
        (slice(None), 2),
        (slice(3, 9), [0, 5]),
        (7, slice(1, 3)),
        ([1, 2], [0, 6]),
        (..., 0),
    ],
    ids=str,
)
def test_rows_in_a_file_are_indexed_as_an_array(mapped, rng, which):
    rows = np.sort(rng.permutation(1000)[:100])
    found = MappedRows(mapped, rows)
    assert_array_equal(found[which], np.array(mapped)[rows][which])
    assert not isinstance(found[which], np.memmap)


def test_rows_in_a_file_become_an_array(mapped):
    rows = np.arange(3, 1000, 10)
    found, expected = MappedRows(mapped, rows), np.array(mapped)[rows]
    assert (found.shape, len(found), found.ndim, found.dtype, found.nbytes) == ((100, 7), 100, 2, np.float32, 2800)
    assert_array_equal(np.asarray(found), expected)
    assert np.asarray(found, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        found.__array__(copy=False)
    part = part_of(found, slice(20, 30))
    assert isinstance(part, MappedRows)
    assert_array_equal(read(part), expected[20:30])
    assert memory_map(part) is memory_map(mapped)
    with pytest.raises(IndexError):
        found[100]


def test_what_lies_between_rows_counts_as_read(mapped, monkeypatch):
    released = []
    monkeypatch.setattr(_mapped, "_MAPPED_BYTES", 28 * 250)
    monkeypatch.setattr(_mapped, "release_pages", released.append)
    found = MappedRows(mapped, np.arange(0, 1000, 50))
    pages = pages_of(found)
    for rows in equal_slices(20, 4):
        # Five rows each, from the first to the last of which there are 201.
        pages.after_reading(part_of(found, rows))
    assert len(released) == 2
