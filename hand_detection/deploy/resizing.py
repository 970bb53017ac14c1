"""TensorFlow 1's bilinear resizing in NumPy, which the detectors were trained with.

Output pixel i is sampled at i * scale, not at (i + 0.5) * scale - 0.5 as TensorFlow 2, OpenCV and
Pillow have it: at 1280 -> 300 pixels the two are 1.6 pixels apart.
"""

from __future__ import annotations

import numpy as np


def bilinear(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As tf.compat.v1.image.resize_bilinear(images, size).

    Args:
        images: uint8 (N, height, width, channels).
        size: height and width to make, in pixels.

    Returns:
        float32 (N, *size, channels).
    """
    if images.shape[1:3] == size:
        return images.astype(np.float32)
    upper, lower, down = _samples(images.shape[1], size[0])
    left, right, across = _samples(images.shape[2], size[1])
    across = across[:, np.newaxis]

    def row(rows: np.ndarray) -> np.ndarray:
        start = np.take(rows, left, axis=2).astype(np.float32)
        end = np.take(rows, right, axis=2).astype(np.float32)
        end -= start
        end *= across
        start += end
        return start

    top, bottom = row(np.take(images, upper, axis=1)), row(np.take(images, lower, axis=1))
    bottom -= top
    bottom *= down[:, np.newaxis, np.newaxis]
    top += bottom
    return top


def _samples(before: int, after: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per output pixel the two pixels it lies between, and how far it is on, float32 0 to 1."""
    place = np.arange(after, dtype=np.float32) * (np.float32(before) / np.float32(after))
    first = np.floor(place).astype(np.int64)
    return first, np.minimum(first + 1, before - 1), place - first.astype(np.float32)
