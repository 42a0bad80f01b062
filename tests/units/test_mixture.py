import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.mixture import GaussianMixture

from skdeepcluster._joint._mixture import _expected, _maximised, _whitening, mixture_probabilities


@pytest.fixture
def X(rng):
    """Three clusters that touch, on the scale of about 1."""
    X = rng.normal(size=(300, 3)) @ np.diag([1, 0.5, 0.2]) + np.repeat(np.eye(3), 100, axis=0)
    return X / X.std()


def probabilities(X, sample_weight=None, n_components=3, n_init=2):
    random_state = np.random.RandomState(0)
    return mixture_probabilities(X, sample_weight, n_components, n_init=n_init, random_state=random_state)


def test_without_weights_it_is_that_of_scikit_learn(X):
    mixture = GaussianMixture(3, n_init=2, random_state=np.random.RandomState(0)).fit(X)
    assert_allclose(probabilities(X), mixture.predict_proba(X), rtol=1e-9, atol=1e-12)


def test_weights_of_one_are_no_weights(X):
    assert_array_equal(probabilities(X, np.ones(300)), probabilities(X))


def test_a_row_of_weight_two_counts_as_two(X, rng):
    w = rng.randint(1, 4, size=300).astype(float)
    twice = np.repeat(np.arange(300), w.astype(int))
    of_rows = np.full((300, 3), 0.2) + 0.4 * np.eye(3)[np.arange(300) % 3]
    weighted = _maximised(X, w, of_rows)
    repeated = _maximised(X[twice], np.ones(len(twice)), of_rows[twice])
    for a, b in zip(weighted, repeated):
        assert_allclose(a, b, rtol=1e-10)
    likelihood, _ = _expected(X, w, weighted)
    assert_allclose(likelihood, _expected(X[twice], np.ones(len(twice)), repeated)[0], rtol=1e-12)


def test_an_iteration_raises_the_weighted_likelihood(X, rng):
    w = rng.uniform(size=300)
    likelihoods, of_rows = [], np.eye(3)[rng.randint(3, size=300)]
    for _ in range(20):
        likelihood, of_rows = _expected(X, w, _maximised(X, w, of_rows))
        likelihoods.append(likelihood)
    assert (np.diff(likelihoods) > -1e-9).all()
    assert likelihoods[-1] > likelihoods[0] + 0.1


def test_rows_of_hardly_any_weight_move_nothing(X, rng):
    far = np.vstack([X, 50 + rng.normal(size=(30, 3))])
    w = np.r_[np.ones(300), np.full(30, 1e-25)]
    _, of_rows = _expected(X, np.ones(300), _maximised(X, np.ones(300), np.eye(3)[np.arange(300) % 3]))
    of_all = np.vstack([of_rows, np.full((30, 3), 1 / 3)])
    for a, b in zip(_maximised(far, w, of_all), _maximised(X, np.ones(300), of_rows)):
        assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("offset", [1e4, 1e8])
def test_far_from_the_origin_it_is_the_same(X, offset):
    # The offset rounds the rows.
    assert_allclose(probabilities(X + offset), probabilities(X), atol=1e-14 * offset**1.1)


def test_covariances_of_any_width_have_an_inverse():
    rng = np.random.RandomState(0)
    for width in 10.0 ** np.arange(-12, 12):
        # Of rank one, but for rounding.
        direction = width * rng.normal(size=(1, 20))
        assert np.isfinite(_whitening(direction.T @ direction[np.newaxis])).all()


def test_more_components_than_different_rows(rng):
    X = np.repeat(rng.normal(size=(2, 3)), 10, axis=0)
    with pytest.warns(Warning, match="distinct clusters"):
        found = probabilities(X, n_components=4)
    assert_allclose(found.sum(axis=1), 1)


def test_one_row():
    assert_array_equal(probabilities(np.ones((1, 3)), n_components=1), [[1]])
