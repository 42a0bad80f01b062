import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from skdeepcluster.model_selection._candidates import Features
from skdeepcluster.model_selection._pooling import candidate_scores, find_yardsticks, pooled_scores


def test_pooled_scores_by_hand():
    S = np.array([[1.0, 5.0, 3.0], [10.0, 10.0, -5.0], [np.nan, 2.0, 1.0]])
    ranks = np.array([[1, 3, 2], [2.5, 2.5, 1], [1, 3, 2]])
    assert_allclose(pooled_scores(S), ranks.mean(axis=0) / 3)


def test_a_partition_that_every_space_ranks_first_has_score_one():
    assert_allclose(pooled_scores(np.array([[0.1, 0.2], [-5.0, 100.0]])), [0.5, 1])


def test_yardsticks_are_the_sound_spaces_that_reconstruct_best():
    errors = [0.5, 0.1, 0.4, 0.2, 0.3, 0.0, 0.0]
    spaces = [Features(None, reconstruction_error=error) for error in errors]
    spaces[5] = spaces[5]._replace(collapsed=True)
    spaces[6] = spaces[6]._replace(failure="no luck")
    assert_array_equal(find_yardsticks(spaces), [1, 3, 4])
    assert_array_equal(find_yardsticks(spaces[:1]), [0])
    without_autoencoder = Features(None)
    assert_array_equal(find_yardsticks([*spaces[4:6], without_autoencoder]), [0, 2])


def test_candidate_scores_by_hand():
    S = {"silhouette": np.array([[0.1, 0.2, np.nan], [9.0, 1.0, np.nan], [0.2, 0.3, np.nan]])}
    is_judged = np.array([True, True, False])
    errors = np.array([0.1, 0.4, 0.0])
    weights = {"silhouette": 3, "reconstruction": 1}
    scores, score = candidate_scores(S, [0, 2], errors, is_judged, weights)
    assert_allclose(scores["silhouette"], [0.5, 1, np.nan])
    assert_allclose(scores["reconstruction"], [1, 0.5, np.nan])
    assert_allclose(score, [(3 * 0.5 + 1) / 4, (3 + 0.5) / 4, np.nan])
    # Without an autoencoder everywhere, reconstruction does not count.
    scores, score = candidate_scores(S, [0, 2], np.array([0.1, np.nan, 0.0]), is_judged, weights)
    assert list(scores) == ["silhouette"]
    assert_allclose(score, [0.5, 1, np.nan])
