import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from helpers import data
from skdeepcluster._data import BatchOrder, _batches
from skdeepcluster._data._batches import epoch_of_batches


@pytest.fixture
def mapped(tmp_path, rng):
    """A file of 1000 x 7 numbers, mapped."""
    return data.mapped(rng.normal(size=(1000, 7)).astype(np.float32), tmp_path / "rows.f4")


def small_buffers(monkeypatch, chunk_bytes, buffer_bytes):
    monkeypatch.setattr(_batches, "_CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(_batches, "_BUFFER_BYTES", buffer_bytes)


def order_of(X, batch_size, random_state, column=0):
    """The first column of the rows in the order of the batches, and the sizes of the batches."""
    batches = [batch.X[batch.rows][:, column] for batch in epoch_of_batches(X, None, batch_size, random_state)]
    return np.concatenate(batches), [len(batch) for batch in batches]


@pytest.mark.parametrize("batch_size", [1, 7, 100, 1000])
def test_an_epoch_sees_every_row_once(batch_size):
    X = np.arange(1000.0).reshape(-1, 1)
    order, sizes = order_of(X, batch_size, np.random.RandomState(0))
    assert_array_equal(np.sort(order), X[:, 0])
    assert not np.array_equal(order, X[:, 0])
    assert len(sizes) == -(-1000 // batch_size)
    assert max(sizes) - min(sizes) <= 1


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


@pytest.mark.parametrize("n_rows", [9, 17, 999, 1001, 1015, 1023, 1024])
@pytest.mark.parametrize("shuffled", [False, True])
def test_batches_are_equal_whatever_the_buffers(monkeypatch, n_rows, shuffled):
    small_buffers(monkeypatch, 128, 512)
    random_state = np.random.RandomState(0) if shuffled else None
    order, sizes = order_of(np.arange(float(n_rows)).reshape(-1, 1), 8, random_state)
    assert_array_equal(np.sort(order), np.arange(n_rows))
    assert len(sizes) == -(-n_rows // 8)
    assert max(sizes) <= 8
    assert max(sizes) - min(sizes) <= 1


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
        for batch in epoch_of_batches(X, X[:, 2].astype(float), 8, np.random.RandomState(0)):
            assert_array_equal(batch.X[batch.rows][:, 2], batch.sample_weight[batch.rows])


def test_batches_know_what_their_rows_are_called_in_all_of_the_data(monkeypatch, mapped):
    small_buffers(monkeypatch, 28 * 16, 28 * 64)
    for X in (mapped, np.array(mapped)):
        for batch in epoch_of_batches(X, None, 8, np.random.RandomState(0)):
            assert_array_equal(batch.X[batch.rows], X[batch.indices])


def test_batches_of_sparse_rows(rng):
    X = sp.random(100, 20, density=0.2, format="csr", random_state=0)
    seen = sp.vstack([batch.X[batch.rows] for batch in epoch_of_batches(X, None, 8, rng)])
    assert_allclose(np.sort(seen.sum(axis=1), axis=0), np.sort(X.sum(axis=1), axis=0))


@pytest.mark.parametrize("n_batches", [0, 1, 7, 8, 50, 124])
@pytest.mark.parametrize("is_mapped", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
def test_an_epoch_goes_on_from_what_is_left_of_it(monkeypatch, mapped, n_batches, is_mapped, shuffled):
    small_buffers(monkeypatch, 28 * 16, 28 * 64)
    X = mapped if is_mapped else np.array(mapped)
    whole = [b.indices for b in epoch_of_batches(X, None, 8, np.random.RandomState(0) if shuffled else None)]
    random_state, order = np.random.RandomState(0) if shuffled else None, BatchOrder()
    begun = epoch_of_batches(X, None, 8, random_state, order)
    first = [next(begun).indices for _ in range(n_batches)]
    # As if read from a file: arrays of its own, and the random state as it was.
    left = BatchOrder(order.chunks.copy(), order.rows.copy(), order.sizes.copy())
    rest = list(epoch_of_batches(X, None, 8, random_state, left))
    assert_array_equal(np.concatenate([*first, *(batch.indices for batch in rest)]), np.concatenate(whole))
    for batch in rest:
        assert_array_equal(batch.X[batch.rows], X[batch.indices])
    assert len(left.chunks) == len(left.rows) == len(left.sizes) == 0
