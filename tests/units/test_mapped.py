import mmap

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from helpers import data
from skdeepcluster._data import _mapped
from skdeepcluster._data._mapped import PageRelease, memory_map, pages_of, release_pages
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
