"""A small autoencoder and few steps, for the tests of joint clustering."""

from skdeepcluster import SparseAutoencoderTransformer

ENCODER = SparseAutoencoderTransformer(
    4, hidden_layer_sizes=20, code_activation="identity", beta=0, solver="adam", max_iter=100, random_state=0
)
QUICK = {"max_iter": 4, "update_interval": 10, "n_init": 2, "random_state": 0}


def attributes_of(model):
    return [*model.coefs_, *model.intercepts_, model.cluster_centers_, model.labels_, model.loss_curve_]
