import mmap

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from helpers import data
from skdeepcluster import _rows
from skdeepcluster._rows import (
    PageRelease,
    ThreadedCSR,
    block_slices,
    equal_slices,
    memory_map,
    release_pages,
    shuffled_batches,
)


@pytest.fixture
def mapped(tmp_path, rng):
    """A file of 1000 x 7 numbers, mapped."""
    return data.mapped(rng.normal(size=(1000, 7)).astype(np.float32), tmp_path / "rows.f4")


def small_buffers(monkeypatch, chunk_bytes, buffer_bytes):
    monkeypatch.setattr(_rows, "_CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(_rows, "_BUFFER_BYTES", buffer_bytes)


def order_of(X, batch_size, random_state, column=0):
    """The first column of the rows in the order of the batches, and the sizes of the batches."""
    batches = [batch.X[batch.rows][:, column] for batch in shuffled_batches(X, None, batch_size, random_state)]
    return np.concatenate(batches), [len(batch) for batch in batches]


@pytest.mark.parametrize("n_rows", [1, 2, 1023, 1024, 1025, 5000])
@pytest.mark.parametrize("n_features, n_units", [(3, 2), (784, 196), (50_000, 10)])
def test_blocks_cover_all_rows_once_and_are_nearly_equal(n_rows, n_features, n_units):
    slices = block_slices(n_rows, n_features, n_units)
    assert_array_equal(np.concatenate([np.arange(n_rows)[rows] for rows in slices]), np.arange(n_rows))
    sizes = [rows.stop - rows.start for rows in slices]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 1024
    assert max(sizes) <= 128 or max(sizes) * (n_features + 2 * n_units) <= 600_000


def test_equal_slices_by_hand():
    assert equal_slices(7, 3) == [slice(0, 2), slice(2, 4), slice(4, 7)]


@pytest.mark.parametrize("batch_size", [1, 7, 100, 1000])
def test_an_epoch_sees_every_row_once(batch_size):
    X = np.arange(1000.0).reshape(-1, 1)
    order, sizes = order_of(X, batch_size, np.random.RandomState(0))
    assert_array_equal(np.sort(order), X[:, 0])
    assert not np.array_equal(order, X[:, 0])
    assert sizes == [batch_size] * (1000 // batch_size) + [1000 % batch_size] * (1000 % batch_size > 0)


def test_no_random_state_keeps_the_order():
    X = np.arange(1000.0).reshape(-1, 1)
    assert_array_equal(order_of(X, 64, None)[0], X[:, 0])


def test_small_data_is_shuffled_as_a_whole():
    X = np.arange(1000.0).reshape(-1, 1)
    order, _ = order_of(X, 100, np.random.RandomState(0))
    # 100 of 1000 rows at random have a standard deviation near 289; those of a run of rows have 29.
    assert min(np.std(batch) for batch in np.split(order, 10)) > 200


def test_large_data_is_shuffled_in_buffers_of_chunks_from_everywhere(monkeypatch):
    # Rows of 8 bytes: chunks of 16 rows (two batches), buffers of four chunks.
    small_buffers(monkeypatch, 128, 512)
    X = np.arange(1024.0).reshape(-1, 1)
    order, sizes = order_of(X, 8, np.random.RandomState(0))
    assert_array_equal(np.sort(order), X[:, 0])
    assert set(sizes) == {8}
    for rows in np.split(order, 1024 // 64):
        assert len(set(rows // 16)) == 4
        assert not np.array_equal(rows, np.sort(rows))
    assert np.std(order[:64]) > 100


def test_only_one_batch_is_small_whatever_the_buffers(monkeypatch):
    small_buffers(monkeypatch, 128, 512)
    sizes = order_of(np.arange(1001.0).reshape(-1, 1), 8, np.random.RandomState(0))[1]
    assert sorted(sizes) == [1, *[8] * 125]


def test_order_depends_on_the_shape_and_the_random_state_alone(monkeypatch, mapped):
    small_buffers(monkeypatch, 28 * 16, 28 * 64)
    in_memory = np.array(mapped)
    orders = [order_of(X, 8, np.random.RandomState(0))[0] for X in (mapped, in_memory, in_memory)]
    assert_array_equal(orders[0], orders[1])
    assert_array_equal(orders[1], orders[2])
    assert not np.array_equal(orders[0], order_of(in_memory, 8, np.random.RandomState(1))[0])


def test_weights_stay_with_their_rows(monkeypatch, mapped):
    small_buffers(monkeypatch, 28 * 16, 28 * 64)
    for X in (mapped, np.array(mapped)):
        for batch in shuffled_batches(X, X[:, 2].astype(float), 8, np.random.RandomState(0)):
            assert_array_equal(batch.X[batch.rows][:, 2], batch.sample_weight[batch.rows])


def test_batches_know_what_their_rows_are_called_in_all_of_the_data(monkeypatch, mapped):
    small_buffers(monkeypatch, 28 * 16, 28 * 64)
    for X in (mapped, np.array(mapped)):
        for batch in shuffled_batches(X, None, 8, np.random.RandomState(0)):
            assert_array_equal(batch.X[batch.rows], X[batch.indices])


def test_batches_of_sparse_rows(rng):
    X = sp.random(100, 20, density=0.2, format="csr", random_state=0)
    seen = sp.vstack([batch.X[batch.rows] for batch in shuffled_batches(X, None, 8, rng)])
    assert_allclose(np.sort(seen.sum(axis=1), axis=0), np.sort(X.sum(axis=1), axis=0))


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
    monkeypatch.setattr(_rows, "_MAPPED_BYTES", 28 * 250)
    monkeypatch.setattr(_rows, "release_pages", released.append)
    pages = PageRelease(mapped)
    for rows in equal_slices(1000, 10):
        pages.after_reading(mapped[rows])
    # 100 rows each: after the 3rd, 6th and 9th.
    assert len(released) == 3
    in_memory = PageRelease(np.ones((1000, 7)))
    in_memory.after_reading(np.ones((10**5, 7)))
    assert len(released) == 3


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csr_array])
def test_threaded_products_equal_scipys(rng, n_threads, container):
    dense = sp.random(101, 37, density=0.1, random_state=0).toarray()
    dense[5:30] = 0
    X = container(dense)
    B, C = rng.normal(size=(37, 4)), rng.normal(size=(101, 4))
    product = ThreadedCSR(X, InTurn(n_threads))
    assert_array_equal(product @ B, X @ B)
    assert_allclose(product.T @ C, X.T @ C, rtol=1e-13, atol=1e-15)
    assert product.shape == (101, 37)
    assert product.T.T is product


class InTurn:
    """Workers that do one task after the other."""

    def __init__(self, n_threads):
        self.n_threads = n_threads

    def map(self, function, items):
        return map(function, items)


def test_an_empty_sparse_matrix_multiplies(rng):
    X = sp.csr_matrix((6, 4))
    assert_array_equal(ThreadedCSR(X, InTurn(3)) @ rng.normal(size=(4, 2)), np.zeros((6, 2)))
