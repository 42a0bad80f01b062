"""Augmentation of images."""

import numpy as np
from scipy.ndimage import affine_transform


def turn_and_shift(X, random_state, degrees=10, share=0.1):
    """Square images, one to a row, each turned by up to +-degrees and moved by up to +-share of its side."""
    side = round(np.sqrt(X.shape[1]))
    center = (side - 1) / 2
    angles = np.deg2rad(random_state.uniform(-degrees, degrees, len(X)))
    shifts = random_state.uniform(-share * side, share * side, (len(X), 2))
    turned = np.empty_like(X)
    for image, angle, shift, out in zip(X, angles, shifts, turned):
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        offset = center - rotation @ (center + shift)
        affine_transform(image.reshape(side, side), rotation, offset, order=1, output=out.reshape(side, side))
    return np.clip(turned, X.min(), X.max())
