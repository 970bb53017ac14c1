"""The NumPy reference does what the API's graph does after, and before, the network."""

from __future__ import annotations

import numpy as np
import pytest

from hand_detection import metrics, pipeline
from hand_detection.api import compat
from hand_detection.deploy import decoder, network
from hand_detection.deploy.decoder import Decoder, Suppression
from hand_detection.deploy.job import use_input_size
from hand_detection.deploy.resizing import bilinear, bilinear_bytes
from hand_detection.detector import OUTPUTS

MODEL = "ssd_mobilenet_v1_quick"
POST = "model.ssd.post_processing"


def api_postprocess(proto, anchors, encodings, logits):
    """What the API's own graph makes of the heads' outputs."""
    tf = compat.activate()
    from object_detection.builders import model_builder
    from object_detection.core import box_list

    with tf.Graph().as_default(), tf.Session() as session:
        model = model_builder.build(proto.model, is_training=False)
        model._anchors = box_list.BoxList(tf.constant(anchors))
        batch = len(encodings)
        found = model.postprocess(
            {
                "preprocessed_inputs": tf.zeros((batch, 300, 300, 3)),
                "box_encodings": tf.constant(encodings),
                "class_predictions_with_background": tf.constant(logits),
                "anchors": tf.constant(anchors),
            },
            tf.constant([[300, 300, 3]] * batch),
        )
        found = session.run({name: found[name] for name in OUTPUTS})
    found["detection_classes"] += 1
    return found


@pytest.mark.parametrize(
    ("classes", "settings"),
    [
        (1, ()),
        (3, (f"{POST}.batch_non_max_suppression.score_threshold=0.6",)),
        (2, (f"{POST}.score_converter=SOFTMAX", f"{POST}.logit_scale=2")),
        (3, (f"{POST}.batch_non_max_suppression.max_detections_per_class=7",)),
    ],
)
def test_the_decoder_matches_the_apis_own_graph_to_1e_5(classes, settings):
    config = pipeline.load(MODEL, settings=(f"model.ssd.num_classes={classes}", *settings))
    rng = np.random.default_rng(classes)
    corners = rng.uniform(-0.2, 1, (500, 2))
    anchors = np.hstack([corners, corners + rng.uniform(0.02, 0.4, (500, 2))]).astype(np.float32)
    encodings = rng.normal(0, 3, (2, 500, 4)).astype(np.float32)
    logits = rng.normal(0, 3, (2, 500, classes + 1)).astype(np.float32)
    # Some boxes wholly out of the picture, with the best scores.
    encodings[:, :20, 0], logits[:, :20] = 100, 9
    expected = api_postprocess(config.proto, anchors, encodings, logits)

    reference = Decoder.read(Decoder.of(config.proto, anchors).text())
    found = reference.detections(encodings, logits)

    assert (expected["num_detections"] > 3).all()
    for row, count in enumerate(expected["num_detections"].astype(int)):
        assert found["num_detections"][row] == count
        for name in OUTPUTS[:3]:
            np.testing.assert_allclose(
                found[name][row, :count], expected[name][row, :count], rtol=0, atol=1e-5
            )


def test_equal_scores_are_taken_in_the_anchors_order():
    boxes = np.array([[[0, 0, 1, 1], [0, 0, 0.9, 1], [0, 0, 0.2, 0.2]]], np.float32)
    scores = np.full((1, 3, 1), 0.5, np.float32)
    found = Suppression(0.1, 0.6, 10, 10).apply(boxes, scores)
    assert found["num_detections"] == [2]
    np.testing.assert_array_equal(found["detection_boxes"][0, :2], boxes[0, [0, 2]])


def test_nothing_above_the_threshold_is_no_detection():
    found = Suppression(0.9, 0.6, 10, 10).apply(
        np.zeros((1, 3, 4), np.float32), np.zeros((1, 3, 2), np.float32)
    )
    assert found["num_detections"] == [0]
    assert found["detection_boxes"].shape == (1, 10, 4)


def one_by_one(suppression, boxes, scores):
    """Non-maximum suppression as it is told: the best of those left, and out with what overlaps."""
    left = [place for place in np.argsort(-scores, kind="stable") if scores[place] > 0]
    chosen = []
    while left and len(chosen) < suppression.max_per_class:
        best = left.pop(0)
        chosen.append(best)
        left = [
            place
            for place in left
            if metrics.iou(xywh(boxes[[best]]), xywh(boxes[[place]]), np.zeros(1, bool))[0, 0]
            <= suppression.iou_threshold
        ]
    return chosen


def xywh(boxes):
    return np.hstack([boxes[:, 1::-1], boxes[:, 3:1:-1] - boxes[:, 1::-1]]).astype(float)


@pytest.mark.parametrize(("side", "limit"), [(0.3, 50), (0.9, 40), (0.02, 400)])
def test_more_boxes_than_are_looked_at_at_once_are_suppressed_one_by_one(side, limit):
    rng = np.random.default_rng(limit)
    corners = rng.uniform(0, 1 - side, (3 * decoder.BLOCK, 2))
    boxes = np.hstack([corners, corners + rng.uniform(side / 2, side, corners.shape)])
    boxes = boxes.astype(np.float32)
    scores = rng.integers(1, 100, len(boxes)).astype(np.float32) / 100  # with many alike
    suppression = Suppression(0.0, 0.5, limit, limit)
    found = suppression.apply(boxes[np.newaxis], scores[np.newaxis, :, np.newaxis])
    expected = one_by_one(suppression, boxes, scores)
    assert found["num_detections"] == [len(expected)]
    np.testing.assert_array_equal(found["detection_boxes"][0, : len(expected)], boxes[expected])


@pytest.mark.parametrize("size", [(30, 50), (97, 131), (48, 64), (200, 20), (2, 70)])
def test_resizing_is_tensorflows_own(size):
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), np.uint8)
    tf = compat.activate()
    with tf.Graph().as_default(), tf.Session() as session:
        expected = session.run(tf.image.resize_images(tf.constant(images, tf.float32), size))
        in_the_graph = session.run(network.resized(tf.constant(images), size))
    np.testing.assert_allclose(bilinear(images, size), expected, atol=1e-3)
    np.testing.assert_allclose(in_the_graph, expected, atol=1e-3)


@pytest.mark.parametrize("size", [(30, 50), (97, 131), (200, 20), (300, 300)])
def test_resizing_to_bytes_differs_by_rounding_and_a_32nd_of_a_pixel(size):
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 256, (2, 9, 16, 3), np.uint8)
    images = bilinear(rough, (360, 640)).astype(np.uint8)  # smooth, as pictures are
    difference = np.abs(bilinear_bytes(images, size) - bilinear(images, size))
    assert difference.max() < 1.5
    assert difference.mean() < 0.3  # 0.25 is what rounding alone leaves
    np.testing.assert_array_equal(bilinear_bytes(images, (360, 640)), images)


def test_another_input_size_is_the_resizers(tmp_path):
    config = pipeline.load(MODEL)
    use_input_size(config.proto, (180, 320))
    assert Decoder.of(config.proto, np.zeros((1, 4), np.float32)).size == (180, 320)
