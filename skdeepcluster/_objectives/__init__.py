"""Objectives. Each keeps the contract statistics / gradient_sums / finish, which blocks of rows share."""

from ._sparse_autoencoder import SparseAutoencoderObjective

__all__ = ["SparseAutoencoderObjective"]
