"""TensorFlow 1's bilinear resizing, which the detectors were trained with, without TensorFlow.

Output pixel i is sampled at i * scale, not at (i + 0.5) * scale - 0.5 as TensorFlow 2, OpenCV and
Pillow have it: at 1280 -> 300 pixels the two are 1.6 pixels apart.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def bilinear(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As tf.compat.v1.image.resize_bilinear(images, size).

    Args:
        images: uint8 (N, height, width, channels).
        size: height and width to make, in pixels.

    Returns:
        float32 (N, *size, channels).
    """
    number, *before = images.shape
    if tuple(before[:2]) == tuple(size):
        return images.astype(np.float32)
    resized = np.empty((number, *size, before[2]), np.float32)
    corners, down, across = _plan(tuple(before), tuple(size))
    for row in range(number):
        # Only what is sampled is looked at: as bytes, each of which np.take moves at once.
        near = images[row].reshape(-1).take(corners, mode="clip").astype(np.float32)
        left, right = near
        right -= left
        right *= across
        left += right
        top, bottom = left
        bottom -= top
        bottom *= down
        np.add(top, bottom, out=resized[row].reshape(top.shape))
    return resized


def bilinear_bytes(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As `bilinear`, rounded to uint8, by OpenCV: a quarter of the time.

    OpenCV samples at multiples of 1/32 pixel: of real frames one value in twenty is off by one or
    two. An 8-bit network is no more exact than that.
    """
    import cv2

    number, height, width, channels = images.shape
    if (height, width) == tuple(size):
        return images
    resized = np.empty((number, *size, channels), np.uint8)
    # Of cv2's resizings the only one that samples where TensorFlow 1 does.
    matrix = np.array([[width / size[1], 0, 0], [0, height / size[0], 0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for image, out in zip(images, resized, strict=True):
        cv2.warpAffine(image, matrix, size[::-1], out, flags, cv2.BORDER_REPLICATE)
    return resized


@lru_cache(maxsize=8)
def _plan(
    before: tuple[int, int, int], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is the same for all images of a size.

    Args:
        before: height, width and channels.
        size: height and width to make.

    Returns:
        Where in the image's bytes the four neighbours of each output value are: int64 (left and
        right, top and bottom, height, width * channels). How far on it is from the upper to the
        lower, float32 (height, 1), and from the left to the right, (width * channels,).
    """
    channels = before[2]
    upper, lower, down = _samples(before[0], size[0])
    left, right, across = _samples(before[1], size[1])
    rows = np.stack([upper, lower])[:, :, np.newaxis] * (before[1] * channels)
    columns = np.stack([left, right])[:, :, np.newaxis] * channels + np.arange(channels)
    corners = rows + columns.reshape(2, 1, 1, -1)
    return corners, down[:, np.newaxis], np.repeat(across, channels)


def _samples(before: int, after: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per output pixel the two pixels it lies between, and how far it is on, float32 0 to 1."""
    place = np.arange(after, dtype=np.float32) * (np.float32(before) / np.float32(after))
    first = np.floor(place).astype(np.int64)
    return first, np.minimum(first + 1, before - 1), place - first.astype(np.float32)
