"""NMS at a high threshold: the same boxes as TensorFlow's own kernel selects."""

from __future__ import annotations

import numpy as np
import pytest

from hand_detection.api import compat, nms

ANCHORS_A_SIDE = (19, 10, 5, 3, 2, 1)


@pytest.fixture(scope="module")
def kernel():
    """TensorFlow's NMS, as a function of arrays."""
    tf = compat.activate()
    with tf.Graph().as_default(), tf.Session() as session:
        boxes = tf.placeholder(tf.float32, [None, 4])
        scores = tf.placeholder(tf.float32, [None])
        count = tf.placeholder(tf.int32, [])
        threshold = tf.placeholder(tf.float32, [])
        chosen = tf.image.non_max_suppression(boxes, scores, count, threshold)
        feed = (boxes, scores, count, threshold)
        yield lambda *values: session.run(chosen, dict(zip(feed, values, strict=True)))


def anchors() -> np.ndarray:
    """SSD's boxes before training: a few shapes on six grids, many of them all but equal."""
    boxes = []
    for side, scale in zip(ANCHORS_A_SIDE, np.linspace(0.1, 0.95, 6), strict=True):
        for aspect in (1, 2, 0.5, 3, 0.3333, 1.02):
            y, x = (np.mgrid[:side, :side].reshape(2, -1) + 0.5) / side
            h, w = scale / np.sqrt(aspect), scale * np.sqrt(aspect)
            boxes.append(np.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2], axis=1))
    return np.concatenate(boxes).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-3, 1e-2, 0.1])
def test_the_boxes_that_the_kernel_selects_in_its_order(kernel, threshold, noise):
    rng = np.random.default_rng(int(noise * 1e4) + int(threshold * 100))
    boxes = anchors()
    boxes += rng.normal(0, 1, boxes.shape).astype(np.float32) * np.float32(noise)
    copies, originals = np.split(rng.permutation(len(boxes))[:1600], 2)
    boxes[copies] = boxes[originals] + rng.normal(0, 1e-4, (800, 4)).astype(np.float32)
    for scores in (rng.random(len(boxes)), rng.random(len(boxes)).round(1)):
        scores = scores.astype(np.float32)
        expected = kernel(boxes, scores, 3000, threshold)
        assert len(expected) < len(boxes)
        assert np.array_equal(nms.select(boxes, scores, 3000, threshold), expected)
        assert np.array_equal(nms.select(boxes, scores, 7, threshold), expected[:7])


@pytest.mark.parametrize(
    "boxes",
    [
        np.zeros((0, 4)),
        [[0, 0, 1, 1]],
        [[0, 0, 1, 1]] * 5,
        [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 1, 0]],  # corners in any order
        [[0, 0, 0, 1]] * 3,  # of no area
        [[0, 0, 1, 1], [0, 0, 1, 0.9901], [0, 0, 1, 0.9802], [0, 0, 0.5, 0.5]],  # a chain
        [[-3, -3, 40, 40], [-3, -3, 40, 40.1], [0, 0, 1, 1], [0, 0, 1.001, 1]],
    ],
)
def test_odd_boxes(kernel, boxes):
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    scores = np.linspace(1, 0.5, len(boxes)).astype(np.float32)
    assert np.array_equal(nms.select(boxes, scores, 10, 0.99), kernel(boxes, scores, 10, 0.99))


def test_huge_boxes_among_small_ones(kernel):
    boxes = anchors()
    boxes[::7] *= np.float32(1000)
    boxes[5] = [-1e18, -1e18, 1e18, 1e18]
    boxes[6] = [0, 0, 1e15, 1e15]
    boxes[50:60] = boxes[40:50] + np.float32(1e-5)
    scores = np.linspace(1, 0, len(boxes)).astype(np.float32)
    expected = kernel(boxes, scores, 3000, 0.99)
    assert len(expected) < len(boxes)
    assert np.array_equal(nms.select(boxes, scores, 3000, 0.99), expected)
